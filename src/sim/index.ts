// The simulator as users have it ("floe/sim"): a network in virtual time on which whole phones run, and an oracle that says what
// is possible on it. Build the network with `simulate`, put phones on it (every host is a `Runtime`), and ask `pathBetween`.
//
//   const world = simulate(1)
//   const office = world.nat('office', '203.0.113.1', natKinds.symmetric)
//   const alice = world.host('alice', office.inside.at('192.168.1.2', { latencyMs: 5 }))
//   const restore = world.installGlobals()                       // virtual time for all that runs from here on
//   await world.clock.run(callOf(alice))                         // ends as soon as the promise settles
//   restore()
export type { Clock, Millis, Network, Random, Runtime, Timer } from '../runtime/runtime.ts'
export { VirtualClock } from './clock.ts'
export { MemoryFiles } from './files.ts'
export { VirtualHost } from './host.ts'
export { type HttpProxyOptions, serveHttpProxy } from './http-proxy.ts'
export { type Fate, Link, type LinkQuality, type Packet, type TcpFlag } from './link.ts'
export { type NameRecords, NameServer } from './name-server.ts'
export {
  type Dependence,
  type EgressRule,
  type FilterBehaviour,
  Firewall,
  Nat,
  type NatBehaviour,
  natKinds,
} from './nat.ts'
export { type OracleEnd, type OracleRelay, type Path, pathBetween } from './oracle.ts'
export { SeededRandom } from './random.ts'
export { type Interface, Realm } from './realm.ts'
export { type Placement, Simulation, simulate } from './simulate.ts'
export { serveStun } from './stun-server.ts'
export type { TurnCredentials } from './turn-credentials.ts'
export { type RunningTurnServer, serveTurn, type TurnServerOptions } from './turn-server.ts'
