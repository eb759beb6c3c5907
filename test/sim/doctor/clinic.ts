// A simulated world for the doctor: a machine behind a NAT or firewall, a SIP server and a TURN server with two addresses.
import { expect } from 'vitest'
import { type ExamineOptions, examine } from '../../../src/doctor/examine.ts'
import type { Finding } from '../../../src/doctor/finding.ts'
import { startServer } from '../../../src/serve/server.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import type { LinkQuality } from '../../../src/sim/link.ts'
import type { FilterBehaviour, NatBehaviour } from '../../../src/sim/nat.ts'
import { type Simulation, simulate } from '../../../src/sim/simulate.ts'
import { serveTurn, type TurnServerOptions } from '../../../src/sim/turn-server.ts'
import type { ListeningPoint } from '../../../src/sip/flow.ts'

export const sipServer = '203.0.113.10'
export const turnServer = '203.0.113.20'
export const turnPassword = 'wonder'
const turnAlternate = '203.0.113.21'
const secondPort = 3479

const sipPoints: readonly ListeningPoint[] = [
  { protocol: 'udp', address: sipServer, port: 5060 },
  { protocol: 'tcp', address: sipServer, port: 5060 },
  { protocol: 'tls', address: sipServer, port: 5061 },
  { protocol: 'ws', address: sipServer, port: 8088 },
  { protocol: 'wss', address: sipServer, port: 8089 },
]

interface Condition {
  seed?: number
  /** Absent, and without a firewall: a public address. */
  nat?: NatBehaviour
  firewall?: FilterBehaviour
  link?: LinkQuality
  /** RFC 5780 at the TURN server; default true. */
  discovery?: boolean
  /** It names another address at which nobody is. */
  otherIsDead?: boolean
  turn?: Partial<TurnServerOptions>
}

export interface Clinic {
  world: Simulation
  patient: VirtualHost
  /** All findings; nothing may be left when they are there. */
  examine(options?: ExamineOptions): Promise<Finding[]>
}

export const allServers: ExamineOptions = {
  uri: `sip:${sipServer}`,
  iceServers: [
    `stun:${turnServer}`,
    `turn:alice:${turnPassword}@${turnServer}`,
    `turn:alice:${turnPassword}@${turnServer}?transport=tcp`,
    `turns:alice:${turnPassword}@${turnServer}:443`,
  ],
}

export function clinic(condition: Condition = {}): Clinic {
  const { seed = 1, nat, firewall, link = { latencyMs: 10 }, discovery = true, otherIsDead, turn } = condition
  const world = simulate(seed)
  const { internet } = world
  const server = world.host('server', internet.at(sipServer))
  const relay = world.host('relay', internet.at(turnServer), internet.at(turnAlternate))
  const place = () => {
    if (nat) return world.nat('home', '203.0.113.101', nat, { link }).inside.at('192.168.1.2')
    if (firewall) return world.firewall('home', 4, firewall, { link }).inside.at('203.0.113.102')
    return internet.at('203.0.113.102', link)
  }
  const patient = world.host('patient', place())
  const run = async (options: ExamineOptions): Promise<Finding[]> => {
    const sip = await startServer({
      runtime: server,
      listen: sipPoints,
      // Nobody looks at them in a simulated network.
      tls: { cert: 'certificate', key: 'key' },
      stun: { address: sipServer, port: 3478 },
    })
    const relaying = await serveTurn(relay, {
      listen: [
        { protocol: 'udp', address: turnServer, port: 3478 },
        { protocol: 'tcp', address: turnServer, port: 3478 },
        { protocol: 'tls', address: turnServer, port: 443 },
      ],
      users: { alice: turnPassword },
      ...(discovery && { otherAddress: { address: turnAlternate, port: secondPort } }),
      ...turn,
    })
    if (otherIsDead) relay.removeInterface(turnAlternate)
    const findings: Finding[] = []
    for await (const finding of examine({ ...allServers, runtime: patient, ...options }))
      findings.push(finding)
    // A late packet of the last probes may be on its way.
    await new Promise<void>((resolve) => world.clock.setTimer(2_000, resolve))
    // Nobody waits for the answer to the last Refresh: loss may cost it.
    if (!link.loss) expect(relaying.allocationCount).toBe(0)
    sip.stop()
    relaying.stop()
    return findings
  }
  return {
    world,
    patient,
    examine: async (options = {}) => {
      const findings = await world.clock.run(run(options))
      expect(patient.open).toEqual([])
      expect(world.clock.pendingTimers).toBe(0)
      return findings
    },
  }
}

/** The first of its kind. */
export function about(findings: readonly Finding[], what: string): Finding {
  const found = findings.find((finding) => finding.about === what)
  if (!found) throw new Error(`nothing about ${what} among ${findings.map((f) => f.about).join(', ')}`)
  return found
}
