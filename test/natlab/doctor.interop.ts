// `floe doctor` on each kind of network: that it names mapping, filtering and hairpinning as theory does, and says of each
// transport whether a relay is reached.
import { expect } from 'vitest'
import { exit, Floe } from '../interop/peers/floe.ts'
import { iceWords } from './calls.ts'
import { type Home, on } from './lab.ts'
import { type NetworkName, networkNames, networkOf, places, type Theory } from './networks.ts'
import { usableRelays } from './oracle.ts'
import { relayUser } from './servers.ts'
import { type Lane, labRows } from './shared-lab.ts'

const words = {
  none: 'none',
  EIM: 'endpoint-independent',
  APDM: 'address-and-port-dependent',
  EIF: 'endpoint-independent',
  ADF: 'address-dependent',
  APDF: 'address-and-port-dependent',
} as const

/** Of IPv4; coturn has two addresses of it and one of IPv6. */
function expectedOf({ mapping, filtering, families }: Theory): { mapping: string; filtering: string } {
  if (!families.includes(4)) return { mapping: 'none', filtering: 'unknown' }
  return { mapping: words[mapping], filtering: words[filtering === 'none' ? 'EIF' : filtering] }
}

interface Line {
  about: string
  mark: string
  fact: string
  data?: Record<string, unknown>
}

function sipTarget({ network }: Home): string {
  const host = network.theory.families.includes(4) ? places.kamailio[4] : `[${places.kamailio[6]}]`
  if (network.sip === 'udp') return `sip:${host}`
  return `sip:${host}:${network.sip === 'tcp' ? 5060 : 443};transport=tcp`
}

async function examined({ scene, servers }: Lane, home: Home, ...more: string[]): Promise<readonly Line[]> {
  const args = ['doctor', sipTarget(home), ...iceWords(servers, home, 'all'), ...more]
  const env = { FLOE_TURN_PASSWORD: relayUser.password }
  const { code, lines, stderr } = await Floe.start(scene, 'doctor', args, env, on(home.name)).ended()
  expect(code, stderr).toBe(exit.ok)
  return lines as unknown as Line[]
}

async function check(kind: NetworkName, lane: Lane): Promise<void> {
  const { theory, mtu, access, sip } = networkOf(kind)
  const lines = await examined(lane, await lane.home(kind))
  const told = JSON.stringify(lines, undefined, 1)
  const all = (what: string): Line[] => lines.filter(({ about }) => about === what)
  const data = (what: string): Record<string, unknown> | undefined => all(what)[0]?.data

  const { udp, families } = theory
  const ofEach = (mark: string): string[] => families.map(() => mark)
  const marks = (what: string): string[] => all(what).map(({ mark }) => mark)
  expect(marks('STUN'), told).toEqual(ofEach(udp === 'none' ? 'problem' : 'ok'))
  const { mapping, filtering } = expectedOf(theory)
  if (udp === 'none') expect(marks('mapping'), told).toEqual([])
  else {
    expect(data('mapping'), told).toMatchObject({ mapping })
    expect(data('filtering'), told).toEqual({ filtering })
    expect(data('path MTU')?.['largestBytes'], told).toBe(mtu ?? 1_500)
    // The carrier's router, and the kernel's, are left out: the outermost decides, and the kernel's does not.
    if (mapping === 'endpoint-independent' && !('input' in access))
      expect(data('hairpin'), told).toEqual({ hairpinning: true })
  }
  const usable = usableRelays(theory, transports)
  for (const transport of transports) {
    const about = `TURN/${transport.toUpperCase()}`
    expect(marks(about), told).toEqual(ofEach(usable.includes(transport) ? 'ok' : 'problem'))
    if (usable.includes(transport)) expect(data(about)?.['echo'], told).toHaveProperty('ms')
  }
  expect(marks('proxy'), told).toEqual(theory.tcp === 'CONNECT' ? ['ok'] : [])
  expect(marks(sip === 'udp' ? 'SIP/UDP' : 'SIP/TCP'), told).toEqual(['ok'])
  expect(marks('calls'), told).toEqual(['ok'])
}

const transports = ['udp', 'tcp', 'tls'] as const

/** The kernel forgets after ten seconds, the search tries ten and fifteen. */
async function checkLifetime(lane: Lane): Promise<void> {
  const lines = await examined(lane, await lane.home('10 s UDP timeout'), '--lifetime')
  const lifetime = lines.find(({ about }) => about === 'lifetime')
  expect(lifetime?.mark, JSON.stringify(lifetime)).toBe('warning')
  expect([5_000, 10_000]).toContain(lifetime?.data?.['atLeastMs'])
  expect([10_000, 15_000]).toContain(lifetime?.data?.['lessThanMs'])
}

labRows(
  'floe doctor',
  [
    ...networkNames.map((kind) => ({ name: kind, run: (lane: Lane) => check(kind, lane) })),
    { name: '10 s UDP timeout, searched', run: checkLifetime },
  ],
  2,
)
