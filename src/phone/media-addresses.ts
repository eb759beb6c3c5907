// Which local addresses take part in a call (RFC 8445 5.1.1.1), best first: the one that signalling uses, then the machine's
// others, of each family the likeliest first, and tunnels (VPN) last. Loopback only where signalling itself is on loopback;
// virtual bridges of container tools only where signalling uses them, because they multiply candidates and connect nobody.
// Of the IPv6 addresses that an interface has in one network the one that RFC 6724 would choose stands for all. Whoever names
// interfaces gets these and no others.
import { UsageError } from '../errors.ts'
import { addressFamily, type TransportAddress } from '../runtime/address.ts'
import type { Network, NetworkInterface } from '../runtime/runtime.ts'
import { parseIp } from '../stun/ip-address.ts'

const virtualInterface =
  /^(docker|br-|veth|virbr|vnet|lxc|lxd|incus|cni|flannel|cali|weave|kube|podman|vmnet|vboxnet|bridge|dummy|vEthernet)/
/** Their other end is somewhere else: what a peer nearby would take a detour for. */
const tunnel = /^(tun|tap|wg|utun|ipsec|ppp|tailscale|zt|nordlynx|gre|sit|ip6tnl)/
const linkLocal = /^(fe[89ab].:|169\.254\.)/i
/** RFC 8445 5.1.1.1: site-local (RFC 3879) and IPv4-compatible IPv6 addresses. */
const abolished = /^(fe[c-f].:|::\d+\.\d+\.)/i

/** Enough for every interface that can matter. */
const maximumAddresses = 8

/** Why an address takes no part where signalling does not use it; undefined where it does, unless another one of its network
 *  stands for it. */
export function whyLeftOut(
  { name, address, loopback, deprecated }: NetworkInterface,
  wanted?: readonly string[],
): string | undefined {
  if (linkLocal.test(address)) return 'link-local'
  if (abolished.test(address)) return 'of a kind that is abolished'
  if (wanted && !wanted.includes(name) && !wanted.includes(address)) return 'not among the interfaces named'
  if (!wanted && loopback) return 'loopback'
  if (!wanted && virtualInterface.test(name)) return 'bridge of containers or virtual machines'
  return deprecated ? 'deprecated' : undefined
}

/**
 * Addresses to open media sockets on, best first.
 * @param signalling the local address towards the SIP peer
 * @param wanted names or addresses of the interfaces to use, and of no others; absent: all that make sense
 */
export function mediaAddresses(
  interfaces: readonly NetworkInterface[],
  signalling: string,
  wanted?: readonly string[],
): string[] {
  const usable = interfaces.filter((i) => {
    const why = whyLeftOut(i, wanted)
    return why === undefined || (why === 'deprecated' && i.address === signalling)
  })
  const rank = ({ name, address }: NetworkInterface): number =>
    (tunnel.test(name) ? 2 : 0) + (addressFamily(address) === addressFamily(signalling) ? 0 : 1)
  const others = onePerNetwork(usable, signalling)
    .map(({ address }) => address)
    .filter((address) => address !== signalling)
  const rankOf = new Map(usable.map((i) => [i.address, rank(i)]))
  others.sort((a, b) => (rankOf.get(a) ?? 0) - (rankOf.get(b) ?? 0))
  const first = wanted && !usable.some(({ address }) => address === signalling) ? [] : [signalling]
  return [...new Set([...first, ...others])].slice(0, maximumAddresses)
}

/** RFC 8445 5.1.1.1: an address that tells which machine it is must not stand beside one that does not; RFC 6724 5, rule 7:
 *  temporary ones come first. What the system itself has chosen goes before all. */
function onePerNetwork(interfaces: readonly NetworkInterface[], signalling: string): NetworkInterface[] {
  const rank = ({ address, temporary }: NetworkInterface): number =>
    address === signalling ? 0 : temporary ? 1 : isTraceable(address) ? 3 : 2
  const best = new Map<string, NetworkInterface>()
  for (const i of interfaces) {
    const prefix = i.family === 6 ? Buffer.from(parseIp(i.address) ?? []).toString('hex', 0, 8) : i.address
    const key = `${i.name} ${prefix}`
    const known = best.get(key)
    if (!known || rank(i) < rank(known)) best.set(key, i)
  }
  return [...best.values()]
}

/** Made from the hardware address (RFC 4291 appendix A), which stays the same in every network. */
const isTraceable = (address: string): boolean => {
  const octets = parseIp(address)
  return octets?.length === 16 && octets[11] === 0xff && octets[12] === 0xfe
}

/** Throws UsageError where this machine has none of the interfaces that were asked for. */
export function checkInterfaces(wanted: readonly string[], interfaces: readonly NetworkInterface[]): void {
  if (interfaces.some(({ name, address }) => wanted.includes(name) || wanted.includes(address))) return
  const names = [...new Set(interfaces.map(({ name }) => name))].join(', ')
  throw new UsageError(
    `there is no network interface ${wanted.join(' or ')}: this machine has ${names || 'none'}; give such a name or an address`,
  )
}

/**
 * The local address from which the system reaches the first of these places that it has a route to.
 * @param places where a SIP server or peer is, best first
 */
export async function signallingAddress(
  places: readonly TransportAddress[],
  network: Network,
): Promise<string> {
  for (const { address, port } of places) {
    const source = await network.sourceAddressFor({ address, port })
    if (source !== undefined) return source
  }
  return network.interfaces().find((i) => !i.loopback)?.address ?? '127.0.0.1'
}
