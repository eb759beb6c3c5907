// Reads Opus in Ogg (RFC 7845) as mono PCM of 48 kHz, or packet by packet where a call carries Opus with the same packet time.
// Pre-skip, output gain and chained streams are heeded. Leaves out more than two channels (mapping family 1) and seeking.
import { createDecoder, DecoderCtl, type OpusDecoderHandle } from 'libopus-wasm'
import type { EncodedSource, RewindableSource } from '../audio/frames.ts'
import { longestPacketSamples, samplesOf } from '../codec/opus-packet.ts'
import { UsageError } from '../errors.ts'
import type { RandomAccessFile } from '../runtime/runtime.ts'
import { type OggPacket, OggReader } from './ogg.ts'

/** Granule positions count samples at this rate, whatever was encoded (RFC 7845 4). */
const sampleRateHz = 48_000
const ascii = (data: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...data.subarray(from, to))

/** RFC 7845 5.1. */
interface OpusHead {
  preSkip: number
  gain: number
}

function readHead({ data }: OggPacket): OpusHead | string {
  if (data.length < 19 || ascii(data, 0, 8) !== 'OpusHead')
    return 'it is an Ogg file, but not of Opus; convert it first, for instance with "ffmpeg -i input output.opus"'
  const view = new DataView(data.buffer, data.byteOffset)
  if (data[8]! >> 4 !== 0) return `its version of Opus in Ogg is ${data[8]}, which nobody knows yet`
  if (data[18] !== 0 || data[9]! < 1 || data[9]! > 2)
    return `it has ${data[9]} channels; only mono and stereo are read`
  return { preSkip: view.getUint16(10, true), gain: view.getInt16(16, true) }
}

const makeDecoder = (): Promise<OpusDecoderHandle> =>
  createDecoder({ sampleRate: sampleRateHz, channels: 1, maxFrameSize: longestPacketSamples })

export class OpusFileReader implements EncodedSource, RewindableSource {
  readonly sampleRateHz = sampleRateHz
  readonly encoding = 'opus'
  /** Until then there is silence. Rejects where libopus cannot be had. */
  readonly ready: Promise<void>
  private ogg: OggReader
  private head: OpusHead
  private decoder: OpusDecoderHandle | undefined
  /** For the next stream, or the same one over again: a decoder cannot forget what it has heard. */
  private spare: OpusDecoderHandle | undefined
  /** Decoded and not yet read. */
  private left: Int16Array = new Int16Array(0)
  /** Samples of this stream so far, the pre-skip among them. */
  private position = 0
  private closed = false
  private next: OggPacket | undefined
  private ended = false

  /** Takes the file over and closes it.
   *  @throws UsageError in one sentence where it is no such file; the file is closed then */
  constructor(private readonly file: RandomAccessFile) {
    this.ogg = new OggReader(file)
    const first = this.ogg.next()
    const head = first ? readHead(first) : 'the file is empty or damaged'
    if (typeof head === 'string') {
      file.close()
      throw new UsageError(`${file.path} cannot be played: ${head}.`)
    }
    this.head = head
    this.ready = this.load()
  }

  private async load(): Promise<void> {
    const decoder = await makeDecoder()
    if (this.closed) decoder.free()
    else this.useDecoder(decoder)
    await this.loadSpare()
  }

  private async loadSpare(): Promise<void> {
    const decoder = await makeDecoder()
    if (this.closed) decoder.free()
    else this.spare = decoder
  }

  private useDecoder(decoder: OpusDecoderHandle): void {
    this.decoder?.free()
    this.decoder = decoder
    decoder.decoderCtl(DecoderCtl.SetGain, this.head.gain)
  }

  read(into: Int16Array): number {
    let written = 0
    while (written < into.length) {
      if (this.left.length === 0) {
        const packet = this.peek()
        if (!packet) break
        this.left = this.hear(packet)
        continue
      }
      const piece = this.left.subarray(0, into.length - written)
      into.set(piece, written)
      written += piece.length
      this.left = this.left.subarray(piece.length)
    }
    return written
  }

  rewind(): void {
    this.ogg = new OggReader(this.file)
    this.left = new Int16Array(0)
    this.position = 0
    this.next = undefined
    this.ended = false
  }

  readPacket(into: Int16Array, takes = (_: Uint8Array): boolean => true): Uint8Array | undefined {
    if (this.left.length > 0) return undefined
    let packet = this.peek()
    for (; packet && this.position + samplesOf(packet.data) <= this.head.preSkip; packet = this.peek())
      this.hear(packet)
    // One that is cut at the end is encoded anew.
    if (!packet || packet.ends || samplesOf(packet.data) !== into.length) return undefined
    // Nobody would apply the gain to it (RFC 7845 5.1).
    if (this.head.gain !== 0 || !takes(packet.data)) return undefined
    // Of the pre-skip a part of a packet may be left: those few milliseconds are sent.
    this.position = Math.max(this.position, this.head.preSkip)
    const samples = this.hear(packet)
    if (samples.length !== into.length) {
      this.left = samples
      return undefined
    }
    into.set(samples)
    return packet.data
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.decoder?.free()
    this.spare?.free()
    this.decoder = this.spare = undefined
    this.file.close()
  }

  /** The next packet of sound, past the headers of the streams. */
  private peek(): OggPacket | undefined {
    while (!this.next && !this.ended) {
      const packet = this.ogg.next()
      if (!packet) this.ended = true
      else if (packet.begins) this.beginStream(packet)
      else if (ascii(packet.data, 0, 8) !== 'OpusTags' && packet.data.length > 0) this.next = packet
    }
    return this.next
  }

  private beginStream(packet: OggPacket): void {
    const head = readHead(packet)
    if (typeof head === 'string') {
      this.ended = true
      return
    }
    this.head = head
    this.position = 0
    if (!this.spare) return
    this.useDecoder(this.spare)
    this.spare = undefined
    void this.loadSpare()
  }

  /** Takes the packet that was peeked at. What is to be heard of it: not the pre-skip, nor what lies beyond the end of the stream. */
  private hear(packet: OggPacket): Int16Array {
    this.next = undefined
    const samples = this.decode(packet.data)
    const from = Math.max(0, this.head.preSkip - this.position)
    const to = packet.ends && packet.granule !== undefined ? packet.granule - this.position : samples.length
    this.position += samples.length
    return samples.subarray(from, Math.max(0, to))
  }

  private decode(data: Uint8Array): Int16Array {
    try {
      // Samples of a call are libopus's own until the next one.
      return this.decoder ? this.decoder.decode(data).slice() : new Int16Array(samplesOf(data))
    } catch {
      // A packet that is none.
      return new Int16Array(0)
    }
  }
}
