// floe calls floe through the kernel's NATs: SIP and digest through Kamailio, the outside addresses from coturn, no relay.
// The oracle is RFC 5128's: with STUN alone two ends meet unless a NAT with port-dependent mapping faces port-dependent
// filtering, or UDP does not pass at all; then the call must say so.
import { join } from 'node:path'
import { expect } from 'vitest'
import type { CallReport } from '../../src/index.ts'
import { type InteropCase, interop, type Scene } from '../interop/case.ts'
import { repository } from '../interop/installed.ts'
import { exit, Floe } from '../interop/peers/floe.ts'
import { expectHeard, hello } from '../interop/sounds.ts'
import { addresses, buildLab, type Home, type NatKind, on } from './lab.ts'
import { startCoturn, startKamailio } from './servers.ts'

const reply = join(repository, 'media/reply-8k.wav')

/** RFC 8863 lets no agent give up before 39.5 s have passed. */
const iceFailsWithinMs = 50_000

/** The caller is on the left, the called on the right; both know each other's outside address from STUN alone. */
async function call(scene: Scene, kinds: Record<Home, NatKind>) {
  buildLab(scene, kinds)
  const [kamailio, coturn] = [await startKamailio(scene), await startCoturn(scene)]
  const floe = (side: Home, user: string, verb: readonly string[], play: string, hear: string): Floe => {
    const transport = kinds[side] === 'UDP blocked' ? ['--transport', 'tcp'] : []
    const account = ['--as', `${user}:pw${user}@${kamailio}`, ...transport]
    const media = ['--stun', coturn, '--play', play, '--hear', hear, '--record', `${side}.wav`]
    return Floe.start(scene, side, [...verb, ...account, ...media], {}, on(side))
  }
  const right = floe('right', '2002', ['answer', '--wait', '20s'], reply, hello)
  await right.listening()
  const left = floe('left', '2001', ['call', `sip:2002@${kamailio}`, '--for', '6s'], hello, reply)
  const [caller, called] = await Promise.all([left.ended(iceFailsWithinMs), right.ended(iceFailsWithinMs)])
  return { caller, called }
}

function expectDirect(report: CallReport | undefined, side: Home): void {
  const other = side === 'left' ? 'right' : 'left'
  const { local, remote } = report!.selected[0]!
  expect(['srflx', 'prflx']).toContain(remote.type)
  expect(remote.address.address).toBe(addresses.homes[other].router)
  expect(['host', 'srflx', 'prflx']).toContain(local.type)
}

const peer = 'floe through NATs'
const needs = ['namespace', 'kamailio', 'coturn'] as const

const direct: readonly [NatKind, NatKind][] = [
  ['port-restricted', 'port-restricted'],
  ['full cone', 'symmetric'],
  ['symmetric', 'address-restricted'],
]
const impossible: readonly [NatKind, NatKind][] = [
  ['symmetric', 'port-restricted'],
  ['UDP blocked', 'full cone'],
]

const rows: InteropCase[] = [
  ...direct.map(([left, right]) => ({
    peer,
    name: `${left} calls ${right}: a direct pair, a file heard both ways`,
    needs,
    timeoutMs: 60_000,
    run: async (scene: Scene) => {
      const { caller, called } = await call(scene, { left, right })
      expect([caller.code, called.code], caller.stderr + called.stderr).toEqual([exit.ok, exit.ok])
      expectHeard(join(scene.folder, 'left.wav'), reply)
      expectHeard(join(scene.folder, 'right.wav'), hello)
      expectDirect(caller.report, 'left')
      expectDirect(called.report, 'right')
    },
  })),
  ...impossible.map(([left, right]) => ({
    peer,
    name: `${left} calls ${right}: no direct path exists, and floe says so`,
    needs,
    timeoutMs: 60_000,
    run: async (scene: Scene) => {
      // Whose check gives up first ends the call and knows why; the other may only see the call end.
      const ends = Object.values(await call(scene, { left, right }))
      expect(ends.map(({ code }) => code)).toContain(exit.ice)
      for (const { code, report, stderr } of ends) {
        expect(report?.verdict, stderr).toMatchObject({ ok: false })
        if (code === exit.ice) expect(report?.verdict).toMatchObject({ cause: 'ice-failed', layer: 'ice' })
      }
    },
  })),
]

interop(rows)
