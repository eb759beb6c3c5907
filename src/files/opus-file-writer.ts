// A recording in Ogg/Opus (RFC 7845). Packets of Opus are kept as they came, each at its time by RTP's timestamps; what did not come
// (lost, too late, not sent in silence or on hold) is there as packets that ask for concealment, so that the file lasts as long as it
// took. Sound that came in another codec is encoded: mono, 32 kbit/s. What a process that is killed loses is the last second.
import { Application, createEncoder, type OpusEncoderHandle } from 'libopus-wasm'
import type { EncodedSink } from '../audio/frames.ts'
import { samplesOf } from '../codec/opus-packet.ts'
import type { RandomAccessFile } from '../runtime/runtime.ts'
import { OpusPages } from './opus-pages.ts'

const sampleRateHz = 48_000
/** 20 ms, of what is encoded. */
const frameSamples = 960
const bitrate = 32_000
const complexity = 5
/** 1 s: by so much the sender's time may differ from that which has passed here; then it has begun another one. What has not come by
 *  then will not. */
const mostOffSamples = sampleRateHz

export class OpusFileWriter implements EncodedSink {
  readonly sampleRateHz = sampleRateHz
  readonly encoding = 'opus'
  private readonly pages: OpusPages
  /** Time that has passed. */
  private recordedSamples = 0
  /** Of the packet that came last: when it was to be heard by the sender's time, and its timestamp. */
  private last: { at: number; timestamp: number } | undefined
  private readonly frame = new Int16Array(frameSamples)
  private filled = 0
  /** Rather than that packets come. */
  private encodes = false
  private encoder: OpusEncoderHandle | 'coming' | undefined
  /** Why there will be no encoder: the next `write` tells. */
  private failure: unknown
  /** What came before libopus was there. */
  private early: Int16Array[] = []
  private closed = false

  /** Takes the file over and closes it. @param serial of the stream: any number of 32 bits */
  constructor(
    private readonly file: RandomAccessFile,
    serial: number,
  ) {
    this.pages = new OpusPages(file, serial)
  }

  get durationMs(): number {
    return (this.recordedSamples / sampleRateHz) * 1000
  }

  /** @throws UsageError where the file cannot be written; what was written before stays valid */
  writePacket(packet: Uint8Array, timestamp: number): void {
    if (this.closed || samplesOf(packet) === 0) return
    // Of a frame that is not full the gap says how long it was.
    this.filled = 0
    this.early = []
    this.encodes = false
    const at = Math.max(this.placeOf(timestamp), this.pages.position)
    this.pages.fill(at)
    this.pages.push(packet)
    this.last = { at, timestamp }
  }

  elapse(samples: number): void {
    if (this.closed) return
    this.recordedSamples += samples
    this.pages.fill(this.recordedSamples - mostOffSamples)
  }

  /** @throws UsageError where the file cannot be written; what was written before stays valid */
  write(samples: Int16Array): void {
    if (this.closed) return
    if (this.failure) throw this.failure
    this.recordedSamples += samples.length
    if (this.encoder === undefined) this.open()
    if (typeof this.encoder === 'object') this.encode(samples, this.encoder)
    else this.early.push(samples.slice())
  }

  /** @throws UsageError where the last page cannot be written; the file is closed and valid all the same */
  close(): void {
    if (this.closed) return
    this.closed = true
    const { encoder, pages, recordedSamples } = this
    try {
      if (typeof encoder === 'object' && (this.encodes || this.early.length > 0)) {
        this.encode(new Int16Array(0), encoder)
        // What the encoder still holds comes out behind silence.
        while (!pages.reaches(recordedSamples)) this.push(new Int16Array(frameSamples - this.filled), encoder)
      }
      pages.finish(recordedSamples)
    } finally {
      if (typeof encoder === 'object') encoder.free()
      this.encoder = undefined
      this.file.close()
    }
  }

  private placeOf(timestamp: number): number {
    const { last, recordedSamples } = this
    if (!last) return recordedSamples
    const place = last.at + ((timestamp - last.timestamp) | 0)
    return Math.abs(place - recordedSamples) <= mostOffSamples ? place : recordedSamples
  }

  private open(): void {
    this.encoder = 'coming'
    const settings = { sampleRate: sampleRateHz, channels: 1, complexity, bitrate } as const
    createEncoder({ ...settings, application: Application.Audio }).then(
      (encoder) => {
        if (this.closed) encoder.free()
        else this.encoder = encoder
      },
      (error) => {
        this.failure = error
      },
    )
  }

  private encode(samples: Int16Array, encoder: OpusEncoderHandle): void {
    const pieces = [...this.early.splice(0), samples]
    if (!this.encodes)
      this.pages.fill(this.recordedSamples - pieces.reduce((sum, { length }) => sum + length, 0))
    this.encodes = true
    this.last = undefined
    for (const piece of pieces) this.push(piece, encoder)
  }

  private push(samples: Int16Array, encoder: OpusEncoderHandle): void {
    for (let at = 0; at < samples.length; ) {
      const piece = samples.subarray(at, at + frameSamples - this.filled)
      this.frame.set(piece, this.filled)
      this.filled += piece.length
      at += piece.length
      if (this.filled < frameSamples) return
      this.filled = 0
      this.pages.push(encoder.encode(this.frame, { frameSize: frameSamples }))
    }
  }
}
