// A STUN server (RFC 8489, Binding without authentication) over UDP; with a second address it also answers the questions of
// NAT behaviour discovery (RFC 5780): OTHER-ADDRESS, RESPONSE-ORIGIN, CHANGE-REQUEST, RESPONSE-PORT, PADDING.
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Network, UdpSocket } from '../runtime/runtime.ts'
import { readUint32 } from '../stun/attributes.ts'
import { answerBinding } from '../stun/binding-responder.ts'
import { decode, MessageWriter, type StunMessage } from '../stun/message.ts'
import { attribute, change, discoveryAttribute, errorCode, method } from '../stun/numbers.ts'

const understood = new Set<number>([
  ...Object.values(attribute),
  discoveryAttribute.changeRequest,
  discoveryAttribute.padding,
  discoveryAttribute.responsePort,
])

/** An answer, the socket it leaves from and where it goes. */
export interface DiscoveryAnswer {
  response: Uint8Array
  from: TransportAddress
  to: TransportAddress
}

/** What a server with the addresses `local` (asked) and `other` (both parts differ) answers to a Binding request (RFC 5780 7).
 *  Its four sockets are every combination of the two IP addresses with the two ports. */
export function answerDiscovery(
  request: StunMessage,
  source: TransportAddress,
  local: TransportAddress,
  other: TransportAddress,
): DiscoveryAnswer {
  const answer = (writer: MessageWriter, from: TransportAddress, to = source): DiscoveryAnswer => {
    if (request.attributes.has(attribute.fingerprint)) writer.fingerprint()
    return { response: writer.finish(), from, to }
  }
  const error = () => new MessageWriter('error', method.binding, request.transactionId)
  const unknown = [...request.attributes.keys()].filter((type) => type < 0x8000 && !understood.has(type))
  if (unknown.length > 0)
    return answer(error().errorCode(errorCode.unknownAttribute).unknownAttributes(unknown), local)
  const port = request.attributes.get(discoveryAttribute.responsePort)
  const padding = request.attributes.get(discoveryAttribute.padding)
  // RFC 5780 7.5: the two do not go together. 0xffff0000 as a port of 16 bits is no port.
  if (port && (padding || port.length < 2)) return answer(error().errorCode(errorCode.badRequest), local)
  const flags = readUint32(request, discoveryAttribute.changeRequest) ?? 0
  const from = {
    address: flags & change.address ? other.address : local.address,
    port: flags & change.port ? other.port : local.port,
  }
  const to = port ? { address: source.address, port: (port[0]! << 8) | port[1]! } : source
  const response = new MessageWriter('success', method.binding, request.transactionId)
    .xorAddress(attribute.xorMappedAddress, source)
    .address(attribute.mappedAddress, source)
    .address(discoveryAttribute.responseOrigin, from)
    .address(discoveryAttribute.otherAddress, other)
  if (padding) response.octets(discoveryAttribute.padding, padding)
  return answer(response, from, to)
}

/** The four addresses of a server of RFC 5780 with the other of each. */
export const discoveryAddresses = (
  main: TransportAddress,
  other: TransportAddress,
): { local: TransportAddress; other: TransportAddress }[] => [
  { local: main, other },
  { local: { address: main.address, port: other.port }, other: { address: other.address, port: main.port } },
  { local: { address: other.address, port: main.port }, other: { address: main.address, port: other.port } },
  { local: other, other: main },
]

/** Resolves to the function that stops the server.
 *  @param other an address that differs in both parts: then the server answers RFC 5780 on all four combinations */
export async function serveStun(
  network: Network,
  bind: TransportAddress,
  other?: TransportAddress,
): Promise<() => void> {
  const sockets = new Map<string, UdpSocket>()
  if (!other) {
    const socket = await network.openUdp(bind)
    socket.onDatagram = (data, from) => {
      const response = answerBinding(data, from)
      if (response) socket.send(response, from)
    }
    return () => socket.close()
  }
  for (const place of discoveryAddresses(bind, other)) {
    const socket = await network.openUdp(place.local)
    sockets.set(formatAddress(place.local), socket)
    socket.onDatagram = (data, source) => {
      const request = decode(data)
      if (typeof request === 'string' || request.class !== 'request' || request.method !== method.binding)
        return
      const { response, from, to } = answerDiscovery(request, source, place.local, place.other)
      sockets.get(formatAddress(from))!.send(response, to)
    }
  }
  return () => {
    for (const socket of sockets.values()) socket.close()
  }
}
