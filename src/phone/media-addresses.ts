// Which local addresses take part in a call (RFC 8445 5.1.1.1), best first: the one that signalling uses, then the machine's
// others, of each family the likeliest first, and tunnels (VPN) last. Loopback only where signalling itself is on loopback;
// virtual bridges of container tools only where signalling uses them, because they multiply candidates and connect nobody.
import { UsageError } from '../errors.ts'
import { addressFamily } from '../runtime/address.ts'
import type { Network, NetworkInterface } from '../runtime/runtime.ts'
import { sipUri } from '../sip/uri.ts'

const virtualInterface =
  /^(docker|br-|veth|virbr|vnet|lxc|lxd|cni|flannel|cali|podman|vmnet|vboxnet|bridge|vEthernet)/
/** Their other end is somewhere else: what a peer nearby would take a detour for. */
const tunnel = /^(tun|tap|wg|utun|ipsec|ppp|tailscale|zt|nordlynx|gre|sit|ip6tnl)/
const linkLocal = /^(fe[89ab].:|169\.254\.)/i

/** Enough for every interface that can matter. */
const maximumAddresses = 8

/**
 * Addresses to open media sockets on, best first.
 * @param signalling the local address towards the SIP peer
 */
export function mediaAddresses(interfaces: readonly NetworkInterface[], signalling: string): string[] {
  const others = interfaces.filter(
    (i) => !i.loopback && !linkLocal.test(i.address) && !virtualInterface.test(i.name),
  )
  const rank = ({ name, address }: NetworkInterface): number =>
    (tunnel.test(name) ? 2 : 0) + (addressFamily(address) === addressFamily(signalling) ? 0 : 1)
  others.sort((a, b) => rank(a) - rank(b))
  return [...new Set([signalling, ...others.map((i) => i.address)])].slice(0, maximumAddresses)
}

const sipPort = 5060

/**
 * The local address from which the system reaches the SIP server or peer of `uri`.
 * Rejects with UsageError where `uri` is no sip: URI, with NetworkError where its host is unknown.
 */
export async function signallingAddress(uri: string, network: Network): Promise<string> {
  const parsed = sipUri(uri)
  if (parsed?.scheme !== 'sip') throw new UsageError(`"${uri}" cannot be called: write sip:user@host`)
  for (const address of await network.resolve(parsed.host)) {
    const source = await network.sourceAddressFor({ address, port: parsed.port ?? sipPort })
    if (source !== undefined) return source
  }
  return network.interfaces().find((i) => !i.loopback)?.address ?? '127.0.0.1'
}
