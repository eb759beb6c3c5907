// Watches what leaves the hosts of a simulated network, and knows nothing of floe: nothing but STUN may go to an address that has
// not agreed to it within the last 30 s (RFC 7675 5.1), by answering a Binding request that was sent to it from the same socket.
// What goes to servers is theirs to refuse; what a relay sends on counts as sent from the relayed address.
import { formatAddress, type TransportAddress } from '../../../src/runtime/address.ts'
import type { Packet } from '../../../src/sim/link.ts'

const CONSENT_MS = 30_000
/** What the way between a relay and its client adds: the client counts from when the answer is with it. */
const RELAYED_MS = 2_000
const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101

export interface Watched {
  /** Where hosts may send what they like: IP addresses of STUN servers, proxies, SIP servers; sockets of TURN servers. */
  servers: ReadonlySet<string>
  /** Hosts that make no checks of their own (RFC 8445 2.5): to be asked is their consent. */
  lite: ReadonlySet<string>
  now: () => number
}

export class ConsentWatch {
  /** What was sent without consent, in words. */
  readonly breaches: string[] = []
  /** Of Binding requests, by transaction ID. */
  private readonly asked = new Map<string, string>()
  private readonly agreedAt = new Map<string, number>()

  constructor(private readonly watched: Watched) {}

  sent(packet: Packet, host: string): void {
    const data = payload(packet)
    if (!data || this.isServer(packet.source) || this.isServer(packet.destination)) return
    const path = `${host} ${packet.protocol} ${formatAddress(packet.source)} ${formatAddress(packet.destination)}`
    if (isStun(data)) {
      if (typeOf(data) === BINDING_REQUEST) this.asked.set(transactionOf(data), path)
      return
    }
    const agreed = this.agreedAt.get(path)
    const now = this.watched.now()
    const limitMs = CONSENT_MS + (host.startsWith('relay') ? RELAYED_MS : 0)
    if (agreed === undefined || now - agreed > limitMs)
      this.breaches.push(`${now.toFixed(1)} ms: ${path}: ${data.length} octets without consent`)
  }

  delivered(packet: Packet, host: string): void {
    const data = payload(packet)
    if (!data || !isStun(data)) return
    const path = `${host} ${packet.protocol} ${formatAddress(packet.destination)} ${formatAddress(packet.source)}`
    const isAnswer = typeOf(data) === BINDING_SUCCESS && this.asked.get(transactionOf(data)) === path
    const isQuestion = typeOf(data) === BINDING_REQUEST && this.watched.lite.has(host)
    if (isAnswer || isQuestion) this.agreedAt.set(path, this.watched.now())
  }

  private isServer(address: TransportAddress): boolean {
    return this.watched.servers.has(formatAddress(address)) || this.watched.servers.has(address.address)
  }
}

/** A datagram, or one framed on TCP (RFC 4571); undefined for segments without data. */
function payload({ protocol, data, segment }: Packet): Uint8Array | undefined {
  if (protocol === 'udp') return data
  return segment?.flag === 'data' ? data.subarray(2) : undefined
}

const isStun = (data: Uint8Array): boolean =>
  data.length >= 20 &&
  data[0]! < 4 &&
  data[4] === 0x21 &&
  data[5] === 0x12 &&
  data[6] === 0xa4 &&
  data[7] === 0x42

const typeOf = (data: Uint8Array): number => (data[0]! << 8) | data[1]!
const transactionOf = (data: Uint8Array): string => Buffer.from(data.subarray(8, 20)).toString('latin1')
