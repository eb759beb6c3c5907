// An Ogg/Opus stream as it grows (RFC 7845): its headers, packets onto pages, a page a second, and the end, which cuts the last packet.
// What is missing is there as packets that ask for concealment (4.1). It takes its packets from whoever has them.
import { isStereo, packetsOfGap, samplesOf } from '../codec/opus-packet.ts'
import type { RandomAccessFile } from '../runtime/runtime.ts'
import { mostSegments, OggWriter, segmentsOf } from './ogg.ts'

/** Granule positions count samples at this rate, whatever was encoded (RFC 7845 4). */
const sampleRateHz = 48_000
/** 6.5 ms: by so much encoders are late, libopus's always, so that sound then plays at its time (RFC 7845 4.2). */
const preSkipSamples = 312
const pageSamples = sampleRateHz

export class OpusPages {
  /** Samples of all packets so far. */
  position = 0
  private readonly ogg: OggWriter
  /** Of the page that is begun; once there was a packet, at least one of them, for the end to cut. */
  private packets: Uint8Array[] = []
  private segments = 0
  private pageAt = 0
  private previous: Uint8Array | undefined
  private channels: 1 | 2 = 1

  /** @param serial of the stream: any number of 32 bits
   *  @throws UsageError where the file cannot be written */
  constructor(file: RandomAccessFile, serial: number) {
    this.ogg = new OggWriter(file, serial)
    this.ogg.write([this.head()], 0)
    const vendor = Buffer.from('floe')
    const tags = Buffer.alloc(8 + 4 + vendor.length + 4)
    tags.write('OpusTags')
    tags.writeUInt32LE(vendor.length, 8)
    vendor.copy(tags, 12)
    this.ogg.write([tags], 0)
  }

  /** @param packet is copied
   *  @throws UsageError where the file cannot be written; what was written before stays valid */
  push(packet: Uint8Array): void {
    if (isStereo(packet) && this.channels === 1) {
      this.channels = 2
      this.ogg.replaceFirst(this.head())
    }
    const own = packet.slice()
    if (this.position - this.pageAt >= pageSamples || this.segments + segmentsOf(own) > mostSegments) {
      this.ogg.write(this.packets.splice(0), this.position)
      this.pageAt = this.position
      this.segments = 0
    }
    this.packets.push(own)
    this.segments += segmentsOf(own)
    this.previous = own
    this.position += samplesOf(own)
  }

  /** What is missing up to there, to 2.5 ms. */
  fill(until: number): void {
    for (const packet of packetsOfGap(this.previous, until - this.position)) this.push(packet)
  }

  /** Whether there is enough for so much sound. */
  reaches(samples: number): boolean {
    return this.position >= preSkipSamples + samples
  }

  /** @param samples of sound, which is as long as that then */
  finish(samples: number): void {
    const end = preSkipSamples + samples
    for (const packet of packetsOfGap(this.previous, Number.POSITIVE_INFINITY)) {
      if (this.reaches(samples) && this.packets.length > 0) break
      this.push(packet)
    }
    this.ogg.write(this.packets.splice(0), Math.max(this.pageAt, Math.min(end, this.position)), true)
  }

  /** RFC 7845 5.1. */
  private head(): Uint8Array {
    const head = new Uint8Array(19)
    head.set(Buffer.from('OpusHead'))
    head[8] = 1
    head[9] = this.channels
    const view = new DataView(head.buffer)
    view.setUint16(10, preSkipSamples, true)
    view.setUint32(12, sampleRateHz, true)
    return head
  }
}
