// From packets in order to a time line without holes: decodes what is due, puts it where its timestamp says, and fills the
// rest, so that what comes out lasts exactly as long as it took: from the next packet where that says what the lost one held
// (FEC), by concealment for a moment, then with silence.

import { Concealment } from '../audio/concealment.ts'
import type { Codec, Decoder } from '../codec/codec.ts'
import type { JitterBuffer } from '../rtp/reorder-buffer.ts'

/** A decoder that conceals by itself is not asked for longer: what it makes up then is noise at best. */
const concealedMs = 100
/** The most audio one packet may decode to; more than any ptime in use (RFC 3551 4.2 asks for 200 ms). */
const maximumPacketMs = 240

export type Rates = Pick<Codec, 'sampleRateHz' | 'clockRateHz'>

export class Playout {
  private readonly samplesPerTick: number
  private readonly decoded: Int16Array
  /** Decoded samples beyond the end of the frame: they begin the next one. */
  private readonly ahead: Int16Array
  private aheadSamples = 0
  /** By payload type. One that is not received any more stays for the packets that are still queued. */
  private readonly decoders = new Map<number, { codec: Codec; decoder: Decoder }>()
  /** Whose sound was heard last. */
  private speaking: { codec: Codec; decoder: Decoder } | undefined
  private readonly concealment: Concealment
  private missingSamples = 0
  private readonly concealedSamples: number
  /** Samples that were made up since somebody was first heard. */
  private madeUpSamples = 0

  constructor(
    private readonly rates: Rates,
    private readonly buffer: JitterBuffer,
  ) {
    const { sampleRateHz, clockRateHz } = rates
    this.samplesPerTick = sampleRateHz / clockRateHz
    const maximumSamples = (sampleRateHz * maximumPacketMs) / 1000
    this.concealment = new Concealment(sampleRateHz)
    this.concealedSamples = (sampleRateHz * concealedMs) / 1000
    this.decoded = new Int16Array(maximumSamples)
    this.ahead = new Int16Array(maximumSamples)
  }

  /** Packets of this type are `codec`'s, whose rates are those of the play-out. A codec that had the type before goes on. */
  use(payloadType: number, codec: Codec): void {
    if (this.decoders.get(payloadType)?.codec === codec) return
    this.decoders.get(payloadType)?.decoder.close?.()
    this.decoders.set(payloadType, { codec, decoder: codec.createDecoder() })
  }

  /** Another source, or its time line anew: nothing of before runs into it. */
  reset(): void {
    this.concealment.reset()
    this.speaking = undefined
  }

  get concealedMs(): number {
    return (1000 * this.madeUpSamples) / this.rates.sampleRateHz
  }

  close(): void {
    for (const { decoder } of this.decoders.values()) decoder.close?.()
    this.decoders.clear()
    this.speaking = undefined
  }

  /** Fills the whole frame with the next stretch of time; returns the samples that came from packets. */
  read(frame: Int16Array): number {
    const leapt = this.buffer.advance(frame.length / this.samplesPerTick)
    this.takeAhead(Math.min(this.aheadSamples, leapt * this.samplesPerTick))
    let filled = Math.min(this.aheadSamples, frame.length)
    frame.set(this.ahead.subarray(0, filled))
    this.takeAhead(filled)
    this.heard(frame.subarray(0, filled))
    let fromPackets = filled
    for (let due = this.buffer.next(); due; due = this.buffer.next()) {
      const start = Math.min(frame.length, Math.max(filled, due.offsetTicks * this.samplesPerTick))
      this.fillGap(frame, filled, start, due.payload)
      this.speaking = this.decoders.get(due.payloadType) ?? this.speaking
      const length = this.decoders.get(due.payloadType)?.decoder.decode(due.payload, this.decoded) ?? 0
      const fits = Math.min(length, frame.length - start)
      frame.set(this.decoded.subarray(0, fits), start)
      this.heard(frame.subarray(start, start + fits))
      filled = start + fits
      fromPackets += fits
      this.keep(this.decoded.subarray(fits, length))
    }
    const upcoming = filled < frame.length ? this.buffer.upcoming() : undefined
    const follows = upcoming?.offsetTicks === frame.length / this.samplesPerTick
    this.fillGap(frame, filled, frame.length, follows ? upcoming.payload : undefined)
    return fromPackets
  }

  private heard(samples: Int16Array): void {
    if (samples.length === 0) return
    this.missingSamples = 0
    if (this.speaking?.codec.concealment === 'waveform') this.concealment.heard(samples)
  }

  /** @param next the packet that begins where the gap ends */
  private fillGap(frame: Int16Array, from: number, to: number, next: Uint8Array | undefined): void {
    if (from >= to) return
    const gap = frame.subarray(from, to)
    this.missingSamples += gap.length
    if (this.speaking) this.madeUpSamples += gap.length
    const { codec, decoder } = this.speaking ?? {}
    if (next && decoder?.recover?.(next, gap)) return
    if (decoder?.conceal && this.missingSamples <= this.concealedSamples) decoder.conceal(gap)
    else if (codec?.concealment === 'waveform') this.concealment.fill(gap)
    else gap.fill(0)
  }

  private takeAhead(samples: number): void {
    this.ahead.copyWithin(0, samples, this.aheadSamples)
    this.aheadSamples -= samples
  }

  /** What a peer sends beyond the time its timestamps claim is bounded by the buffer and otherwise dropped. */
  private keep(samples: Int16Array): void {
    const room = this.ahead.subarray(this.aheadSamples)
    const kept = samples.length > room.length ? samples.subarray(0, room.length) : samples
    room.set(kept)
    this.aheadSamples += kept.length
  }
}
