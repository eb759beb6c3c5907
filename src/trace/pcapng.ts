// A capture file (draft-ietf-opsawg-pcapng) of what one process said and heard, for Wireshark. Packets are made anew from what
// passed the sockets: IP and UDP, or IP and TCP with sequence numbers of our own. Two interfaces: the wire, and beside it
// copies of what SRTP hides there, in the clear; and the secrets that open TLS and DTLS. Leaves out Ethernet, fragments, TCP's handshakes and acknowledgements.
import { addressFamily, type TransportAddress } from '../runtime/address.ts'

/** LINKTYPE_RAW: packets begin with their IP header. */
const linkTypeRaw = 101
const blockType = { sectionHeader: 0x0a0d0d0a, interface: 1, enhancedPacket: 6, secrets: 10 } as const
/** "TLSK": lines of SSLKEYLOGFILE. */
const tlsKeyLog = 0x544c534b
const byteOrderMagic = 0x1a2b3c4d
const optionName = 2
const optionResolution = 9
/** Timestamps count microseconds. */
const microseconds = 6
const protocolNumber = { tcp: 6, udp: 17 } as const
/** What an IPv4 packet holds at most beside its headers. */
const largestPayloadBytes = 65_000
const tcpFlags = { push: 0x18 }
/** Directions of connections whose sequence numbers are kept; who has been silent for longest begins anew. */
const mostSequences = 4_096

export const captureInterface = { wire: 0, clear: 1 } as const
export type CaptureInterface = keyof typeof captureInterface

export class PcapngWriter {
  /** The next sequence number of each direction of a connection, by its ends. */
  private readonly sequences = new Map<string, number>()

  constructor(private readonly write: (block: Uint8Array) => void) {
    write(sectionHeader())
    write(interfaceBlock('wire'))
    write(interfaceBlock('in the clear'))
  }

  /** Lines of SSLKEYLOGFILE (4.7), which open what follows them. */
  secrets(lines: Uint8Array): void {
    const head = Buffer.alloc(8)
    head.writeUInt32LE(tlsKeyLog, 0)
    head.writeUInt32LE(lines.length, 4)
    this.write(block(blockType.secrets, Buffer.concat([head, lines])))
  }

  /** @param wallTimeMs since 1970 */
  packet(
    over: 'udp' | 'tcp',
    on: CaptureInterface,
    wallTimeMs: number,
    from: TransportAddress,
    to: TransportAddress,
    payload: Uint8Array,
  ): void {
    // A socket that listens everywhere does not tell where a datagram went to.
    if (addressFamily(from.address) !== addressFamily(to.address)) return
    for (let at = 0; at === 0 || at < payload.length; at += largestPayloadBytes) {
      const piece = payload.subarray(at, at + largestPayloadBytes)
      const segment = over === 'udp' ? udp(from, to, piece) : this.tcp(from, to, piece)
      this.write(
        enhancedPacket(captureInterface[on], wallTimeMs, ip(protocolNumber[over], from, to, segment)),
      )
    }
  }

  private tcp(from: TransportAddress, to: TransportAddress, payload: Uint8Array): Buffer {
    const [out, back] = [key(from, to), key(to, from)]
    const sequence = this.sequences.get(out) ?? 1
    this.sequences.delete(out)
    this.sequences.set(out, (sequence + payload.length) >>> 0)
    if (this.sequences.size > mostSequences) this.sequences.delete(this.sequences.keys().next().value!)
    const header = Buffer.alloc(20)
    header.writeUInt16BE(from.port, 0)
    header.writeUInt16BE(to.port, 2)
    header.writeUInt32BE(sequence, 4)
    header.writeUInt32BE(this.sequences.get(back) ?? 1, 8)
    header[12] = 5 << 4
    header[13] = tcpFlags.push
    header.writeUInt16BE(0xffff, 14)
    return withChecksum(header, 16, protocolNumber.tcp, from, to, payload)
  }
}

const key = (from: TransportAddress, to: TransportAddress): string =>
  `${from.address} ${from.port} ${to.address} ${to.port}`

// ── blocks ───────────────────────────────────────────────────────────────────────────────────────

function block(type: number, body: Buffer): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc(-body.length & 3)])
  const length = padded.length + 12
  const frame = Buffer.alloc(8)
  frame.writeUInt32LE(type, 0)
  frame.writeUInt32LE(length, 4)
  return Buffer.concat([frame, padded, frame.subarray(4)])
}

function sectionHeader(): Buffer {
  const body = Buffer.alloc(16)
  body.writeUInt32LE(byteOrderMagic, 0)
  body.writeUInt16LE(1, 4)
  // The section's length is not known.
  body.fill(0xff, 8)
  return block(blockType.sectionHeader, body)
}

function interfaceBlock(name: string): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt16LE(linkTypeRaw, 0)
  return block(
    blockType.interface,
    Buffer.concat([
      head,
      option(optionName, Buffer.from(name)),
      option(optionResolution, Buffer.of(microseconds)),
      option(0, Buffer.alloc(0)),
    ]),
  )
}

function option(code: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(code, 0)
  head.writeUInt16LE(value.length, 2)
  return Buffer.concat([head, value, Buffer.alloc(-value.length & 3)])
}

function enhancedPacket(interfaceId: number, wallTimeMs: number, packet: Buffer): Buffer {
  const time = BigInt(Math.round(wallTimeMs * 1_000))
  const head = Buffer.alloc(20)
  head.writeUInt32LE(interfaceId, 0)
  head.writeUInt32LE(Number(time >> 32n), 4)
  head.writeUInt32LE(Number(time & 0xffff_ffffn), 8)
  head.writeUInt32LE(packet.length, 12)
  head.writeUInt32LE(packet.length, 16)
  return block(blockType.enhancedPacket, Buffer.concat([head, packet]))
}

// ── headers ──────────────────────────────────────────────────────────────────────────────────────

function udp(from: TransportAddress, to: TransportAddress, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(from.port, 0)
  header.writeUInt16BE(to.port, 2)
  header.writeUInt16BE(8 + payload.length, 4)
  return withChecksum(header, 6, protocolNumber.udp, from, to, payload)
}

/** RFC 768, RFC 9293 3.1, RFC 8200 8.1: the sum covers a pseudo-header of addresses, length and protocol. */
function withChecksum(
  header: Buffer,
  at: number,
  protocol: number,
  from: TransportAddress,
  to: TransportAddress,
  payload: Uint8Array,
): Buffer {
  const segment = Buffer.concat([header, payload])
  const pseudo = Buffer.alloc(8)
  pseudo.writeUInt32BE(segment.length, 0)
  pseudo.writeUInt32BE(protocol, 4)
  const sum = checksum(Buffer.concat([octets(from.address), octets(to.address), pseudo, segment]))
  segment.writeUInt16BE(sum === 0 ? 0xffff : sum, at)
  return segment
}

function ip(protocol: number, from: TransportAddress, to: TransportAddress, segment: Buffer): Buffer {
  const addresses = Buffer.concat([octets(from.address), octets(to.address)])
  if (addressFamily(from.address) === 6) {
    const header = Buffer.alloc(8)
    header[0] = 6 << 4
    header.writeUInt16BE(segment.length, 4)
    header[6] = protocol
    header[7] = 64
    return Buffer.concat([header, addresses, segment])
  }
  const header = Buffer.alloc(12)
  header[0] = 0x45
  header.writeUInt16BE(20 + segment.length, 2)
  header[8] = 64
  header[9] = protocol
  const whole = Buffer.concat([header, addresses])
  whole.writeUInt16BE(checksum(whole), 10)
  return Buffer.concat([whole, segment])
}

/** RFC 1071. */
function checksum(data: Buffer): number {
  let sum = 0
  for (let i = 0; i + 1 < data.length; i += 2) sum += data.readUInt16BE(i)
  if (data.length % 2 === 1) sum += data.at(-1)! << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

/** Of an IP literal. */
function octets(address: string): Buffer {
  if (addressFamily(address) === 4) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('%', 1)[0]!.split('::')
  const groups = (text: string): number[] =>
    text === ''
      ? []
      : text.split(':').flatMap((group) => {
          if (!group.includes('.')) return [Number.parseInt(group, 16)]
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
          return [(a << 8) | b, (c << 8) | d]
        })
  const [before, after] = [groups(head), groups(tail ?? '')]
  const all =
    tail === undefined ? before : [...before, ...Array(8 - before.length - after.length).fill(0), ...after]
  const out = Buffer.alloc(16)
  for (const [i, group] of all.entries()) out.writeUInt16BE(group & 0xffff, 2 * i)
  return out
}
