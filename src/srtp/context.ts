// The cryptographic contexts of one direction (RFC 3711 3.2): from packets to protected ones and back, with the roll-over
// counter, the replay window and the limits of a key for each source. Key management is others': SDES and DTLS give a MasterKey.
// Leaves out re-keying by MKI (one key at a time; its identifier is accepted and checked) and the key derivation rate.
import { timingSafeEqual } from 'node:crypto'
import { CounterTransform } from './counter-transform.ts'
import { GcmTransform } from './gcm-transform.ts'
import { deriveSessionKeys } from './key-derivation.ts'
import { PacketRoom } from './packet-room.ts'
import { ReplayWindow } from './replay-window.ts'
import type { MasterKey } from './suite.ts'
import type { Transform } from './transform.ts'

const rtpHeaderBytes = 12
/** The part of an RTCP packet that stays readable (RFC 3711 3.4). */
const rtcpHeaderBytes = 8
const rtcpIndexBytes = 4
const encryptedFlag = 0x8000_0000
/** RFC 3711 9.2: the most packets of one key. */
const lifetime = { rtp: 2 ** 48, rtcp: 2 ** 31 }
/** Sources of one sender whose counters are kept; only who has the key can add one. */
const mostSources = 64
/** MKIs may be 128 octets (RFC 4568 6.1). */
const longestExtraBytes = 16 + rtcpIndexBytes + 128
/** What an Ethernet MTU lets through. */
const usualRoomBytes = 1_500

/** Why a packet was dropped: 'replay' is one that came before; 'authentication' is anybody's. */
export type SrtpProblem = 'too short' | 'authentication' | 'replay' | 'key identifier' | 'too many sources'

class Keys {
  readonly rtp: Transform
  readonly rtcp: Transform
  readonly mki: Uint8Array

  constructor(master: MasterKey) {
    const { suite } = master
    const make = (of: 'rtp' | 'rtcp'): Transform => {
      const keys = deriveSessionKeys(master, of)
      return suite.mode === 'gcm'
        ? new GcmTransform(keys, suite.keyBytes, of)
        : new CounterTransform(
            keys,
            suite.keyBytes,
            of === 'rtp' ? suite.rtpTagBytes : suite.rtcpTagBytes,
            of,
          )
    }
    this.rtp = make('rtp')
    this.rtcp = make('rtcp')
    this.mki = master.mki ?? new Uint8Array(0)
  }
}

export class SrtpSender {
  private readonly keys: Keys
  private readonly sources = new Map<number, { rollOver: number; last: number; rtcpIndex: number }>()
  private sentRtp = 0
  private sentRtcp = 0
  private readonly room = new PacketRoom(new Uint8Array(usualRoomBytes))
  private readonly trailer = new Uint8Array(4)

  constructor(
    master: MasterKey,
    private readonly most = lifetime,
  ) {
    this.keys = new Keys(master)
  }

  /** Packets must come in the order of their sequence numbers, give or take half of their range. The result is valid until the
   *  next call; undefined where the key is used up. */
  protectRtp(packet: Uint8Array): Uint8Array | undefined {
    if (++this.sentRtp > this.most.rtp) return undefined
    const ssrc = readSsrc(packet, 8)
    const sequence = (packet[2]! << 8) | packet[3]!
    const source = this.source(ssrc)
    if (source.last >= 0 && sequence < source.last && source.last - sequence > 0x8000) source.rollOver++
    source.last = sequence
    writeUint32(this.trailer, 0, source.rollOver)
    const index = source.rollOver * 0x1_0000 + sequence
    const out = this.room.makeAtLeast(packet.length + longestExtraBytes)
    const length = this.keys.rtp.seal(packet, rtpHeaderLength(packet), ssrc, index, this.trailer, out)
    return this.withIdentifier(out, length, this.keys.rtp.tagBytes)
  }

  /** A compound RTCP packet. The result is valid until the next call; undefined where the key is used up. */
  protectRtcp(packet: Uint8Array): Uint8Array | undefined {
    if (++this.sentRtcp > this.most.rtcp) return undefined
    const { rtcp } = this.keys
    const ssrc = readSsrc(packet, 4)
    const index = this.source(ssrc).rtcpIndex++
    writeUint32(this.trailer, 0, (encryptedFlag | index) >>> 0)
    const out = this.room.makeAtLeast(packet.length + longestExtraBytes)
    const length = rtcp.seal(packet, rtcpHeaderBytes, ssrc, index, this.trailer, out)
    // The index stands before the tag of HMAC-SHA1, and after that of GCM, which is part of the cipher (RFC 7714 9.2).
    const at = rtcpIndexAt(this.keys, length)
    out.copyWithin(at + rtcpIndexBytes, at, length)
    out.set(this.trailer, at)
    return this.withIdentifier(out, length + rtcpIndexBytes, length - at)
  }

  private source(ssrc: number): { rollOver: number; last: number; rtcpIndex: number } {
    let source = this.sources.get(ssrc)
    if (!source) {
      source = { rollOver: 0, last: -1, rtcpIndex: 1 }
      this.sources.set(ssrc, source)
    }
    return source
  }

  /** RFC 3711 3.1: the identifier stands before the tag; with GCM at the end (RFC 7714 8.2). */
  private withIdentifier(out: Uint8Array, length: number, tagBytes: number): Uint8Array {
    const { mki, rtp } = this.keys
    if (mki.length === 0) return this.room.first(length)
    const at = rtp instanceof GcmTransform ? length : length - tagBytes
    out.copyWithin(at + mki.length, at, length)
    out.set(mki, at)
    return this.room.first(length + mki.length)
  }
}

interface ReceivedSource {
  readonly rtp: ReplayWindow
  readonly rtcp: ReplayWindow
}

export class SrtpReceiver {
  private readonly keys: Keys
  private readonly sources = new Map<number, ReceivedSource>()
  private readonly trailer = new Uint8Array(4)
  private readonly room = new PacketRoom(new Uint8Array(usualRoomBytes))

  constructor(master: MasterKey) {
    this.keys = new Keys(master)
  }

  /** The RTP packet in the clear, valid until the next call, or why it is dropped. Never throws. */
  unprotectRtp(packet: Uint8Array): Uint8Array | SrtpProblem {
    if (packet.length < rtpHeaderBytes) return 'too short'
    const header = rtpHeaderLength(packet)
    const bare = this.withoutIdentifier(packet, this.keys.rtp.tagBytes)
    if (typeof bare === 'string') return bare
    if (bare.length < header + this.keys.rtp.tagBytes) return 'too short'
    const ssrc = readSsrc(packet, 8)
    const known = this.sources.get(ssrc)
    const out = this.room.makeAtLeast(packet.length)
    const guess = indexOf((packet[2]! << 8) | packet[3]!, known?.rtp.highest ?? -1)
    if (known?.rtp.hasSeen(guess)) return 'replay'
    // A round may have ended while nothing came: its last packets lost, or half of it.
    for (let index = guess; index <= guess + 0x1_0000; index += 0x1_0000) {
      if (known?.rtp.isReplay(index)) continue
      writeUint32(this.trailer, 0, Math.floor(index / 0x1_0000))
      const clear = this.keys.rtp.open(bare, header, ssrc, index, this.trailer, true, out)
      if (clear === undefined) continue
      const source = known ?? this.addSource(ssrc)
      if (!source) return 'too many sources'
      source.rtp.mark(index)
      return this.room.first(clear)
    }
    return known?.rtp.isReplay(guess) ? 'replay' : 'authentication'
  }

  /** The compound RTCP packet in the clear, valid until the next call, or why it is dropped. Never throws. */
  unprotectRtcp(packet: Uint8Array): Uint8Array | SrtpProblem {
    const { rtcp } = this.keys
    const bare = this.withoutIdentifier(packet, rtcp.tagBytes)
    if (typeof bare === 'string') return bare
    const length = bare.length - rtcpIndexBytes
    if (length < rtcpHeaderBytes + rtcp.tagBytes) return 'too short'
    const at = rtcpIndexAt(this.keys, length)
    this.trailer.set(bare.subarray(at, at + rtcpIndexBytes))
    const word = readUint32(this.trailer, 0)
    const index = word % encryptedFlag
    const ssrc = readSsrc(bare, 4)
    const known = this.sources.get(ssrc)
    if (known?.rtcp.isReplay(index)) return 'replay'
    bare.copyWithin(at, at + rtcpIndexBytes)
    const sealed = bare.subarray(0, length)
    const out = this.room.makeAtLeast(packet.length)
    const clear = rtcp.open(sealed, rtcpHeaderBytes, ssrc, index, this.trailer, word >= encryptedFlag, out)
    if (clear === undefined) return 'authentication'
    const source = known ?? this.addSource(ssrc)
    if (!source) return 'too many sources'
    source.rtcp.mark(index)
    return this.room.first(clear)
  }

  private addSource(ssrc: number): ReceivedSource | undefined {
    if (this.sources.size >= mostSources) return undefined
    const source = { rtp: new ReplayWindow(), rtcp: new ReplayWindow() }
    this.sources.set(ssrc, source)
    return source
  }

  private withoutIdentifier(packet: Uint8Array, tagBytes: number): Uint8Array | SrtpProblem {
    const { mki, rtp } = this.keys
    if (mki.length === 0) return packet
    const end = rtp instanceof GcmTransform ? packet.length : packet.length - tagBytes
    const at = end - mki.length
    if (at < rtcpHeaderBytes) return 'too short'
    if (!timingSafeEqual(packet.subarray(at, end), mki)) return 'key identifier'
    packet.copyWithin(at, end)
    return packet.subarray(0, packet.length - mki.length)
  }
}

/** Where SRTCP's E flag and index stand in a sealed packet of that length. */
const rtcpIndexAt = ({ rtcp }: Keys, length: number): number =>
  rtcp instanceof GcmTransform ? length : length - rtcp.tagBytes

/** RFC 3711 3.3.1: the index nearest to the highest one; of a new source the roll-over counter is 0. */
function indexOf(sequence: number, highest: number): number {
  if (highest < 0) return sequence
  const rollOver = Math.floor(highest / 0x1_0000)
  const last = highest % 0x1_0000
  if (last < 0x8000)
    return (sequence - last > 0x8000 && rollOver > 0 ? rollOver - 1 : rollOver) * 0x1_0000 + sequence
  return (last - 0x8000 > sequence ? rollOver + 1 : rollOver) * 0x1_0000 + sequence
}

/** Fixed header, contributing sources and extension (RFC 3550 5.1); more than the packet where it lies about them. */
function rtpHeaderLength(packet: Uint8Array): number {
  const length = rtpHeaderBytes + 4 * (packet[0]! & 0x0f)
  if ((packet[0]! & 0x10) === 0) return length
  return length + 4 + 4 * (((packet[length + 2] ?? 0xff) << 8) | (packet[length + 3] ?? 0xff))
}

/** Signed, because such numbers leave nothing to the garbage collector; their bits are what counts. */
const readSsrc = (data: Uint8Array, at: number): number =>
  (data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!
const readUint32 = (data: Uint8Array, at: number): number => readSsrc(data, at) >>> 0
const writeUint32 = (data: Uint8Array, at: number, value: number): void => {
  data[at] = value >>> 24
  data[at + 1] = value >>> 16
  data[at + 2] = value >>> 8
  data[at + 3] = value
}
