// Which local addresses take part in a call (RFC 8445 5.1.1.1): the one that signalling uses first, then the machine's
// others. Loopback only where signalling itself is on loopback; virtual bridges of container tools only where signalling
// uses them, because they multiply candidates and connect nobody.
import { UsageError } from '../errors.ts'
import { addressFamily } from '../runtime/address.ts'
import type { Network, NetworkInterface } from '../runtime/runtime.ts'
import { sipUri } from '../sip/uri.ts'

const virtualInterface = /^(docker|br-|veth|virbr|lxc|cni|flannel|cali|podman)/
const linkLocal = /^(fe[89ab]|169\.254\.)/i

/** Enough for every interface that can matter; keeps an offer within one datagram together with rtcp-mux. */
const maximumAddresses = 8

/**
 * Addresses to open media sockets on, best first.
 * @param signalling the local address towards the SIP peer
 */
export function mediaAddresses(interfaces: readonly NetworkInterface[], signalling: string): string[] {
  const others = interfaces
    .filter((i) => !i.loopback && !linkLocal.test(i.address) && !virtualInterface.test(i.name))
    .map((i) => i.address)
  const ofSignallingFamily = (address: string): number =>
    addressFamily(address) === addressFamily(signalling) ? 0 : 1
  others.sort((a, b) => ofSignallingFamily(a) - ofSignallingFamily(b))
  return [...new Set([signalling, ...others])].slice(0, maximumAddresses)
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
