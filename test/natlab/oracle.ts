// What theory says of a pair of networks (RFC 4787, RFC 5128, RFC 6544, RFC 8656), from their description alone. It is the
// only place that says so; what the kernels then do is compared with it.
import type { Theory } from './networks.ts'

export type Verdict =
  /** A direct pair exists whatever the order of packets, over UDP or, where that cannot be, TCP. */
  | 'direct'
  /** It exists where the peer's first packet does not come before our own: else the relay. */
  | 'timing'
  | 'relay'
  /** Nothing can connect these with these servers. */
  | 'none'

/** How a relay may be reached. TCP and TLS are served on port 443. */
export type RelayTransport = 'udp' | 'tcp' | 'tls'

export function verdict(a: Theory, b: Theory, relays: readonly RelayTransport[]): Verdict {
  if (meetOverUdp(a, b)) return couldMiss(a, b) || couldMiss(b, a) ? 'timing' : 'direct'
  if (meetOverTcp(a, b) || meetOverTcp(b, a)) return 'direct'
  return relayed(a, b, relays) ? 'relay' : 'none'
}

/** The UDP part of it alone: what an agent without ICE-TCP can reach. */
const meetOverUdp = (a: Theory, b: Theory): boolean =>
  a.udp === 'any' && b.udp === 'any' && (share(a, b, 6) || meetOverIpv4(a, b))

const share = (a: Theory, b: Theory, family: 4 | 6): boolean =>
  a.families.includes(family) && b.families.includes(family)

/** Between two public IPv6 networks only firewalls stand, and both sides open them. */
const meetOverIpv4 = (a: Theory, b: Theory): boolean => share(a, b, 4) && !lockedOut(a, b) && !lockedOut(b, a)

/** The port that `from` will send from cannot be known beforehand, and `at` admits known ports alone. */
const lockedOut = (from: Theory, at: Theory): boolean => from.mapping === 'APDM' && at.filtering === 'APDF'

/** Where an early packet has taken the port of `a`, its mapping towards that peer is another one. */
const couldMiss = (a: Theory, b: Theory): boolean =>
  a.unsolicitedTakesPort && !share(a, b, 6) && b.filtering === 'APDF'

const meetOverTcp = (active: Theory, passive: Theory): boolean =>
  share(active, passive, 4) && passive.tcpInbound && active.tcp === 'any'

/** A relay admits whom its client has named, from any port (RFC 8656 9), and allocates in both families. */
const relayed = (a: Theory, b: Theory, relays: readonly RelayTransport[]): boolean =>
  (hasRelay(a, relays) && (b.udp === 'any' || hasRelay(b, relays))) ||
  (hasRelay(b, relays) && a.udp === 'any')

const hasRelay = (theory: Theory, relays: readonly RelayTransport[]): boolean =>
  usableRelays(theory, relays).length > 0

/** Which of the transports get to the relay. */
export const usableRelays = (
  { udp, tcp }: Theory,
  relays: readonly RelayTransport[],
): readonly RelayTransport[] => {
  const usable: Record<Theory['tcp'], readonly RelayTransport[]> = {
    any: ['tcp', 'tls'],
    'port 443': ['tcp', 'tls'],
    'TLS on port 443': ['tls'],
    // A proxy that lets nothing but port 443 through sees no more than that.
    CONNECT: ['tcp', 'tls'],
  }
  return relays.filter((relay) => (relay === 'udp' ? udp !== 'none' : usable[tcp].includes(relay)))
}
