// From packets in order to a time line without holes: decodes what is due, puts it where its timestamp says, and fills the
// rest: from the next packet where that says what the lost one held (FEC), by concealment for a moment, then with silence. What
// comes out lasts exactly as long as it took; by making sound a little longer or shorter the delay is brought to what the
// jitter asks for, and a sender's clock that drifts is followed.

import { ComfortNoise } from '../audio/comfort-noise.ts'
import { Concealment } from '../audio/concealment.ts'
import { isQuiet, TimeScaling } from '../audio/time-scaling.ts'
import type { Codec, Decoder } from '../codec/codec.ts'
import type { DuePacket, JitterBuffer } from '../rtp/jitter-buffer.ts'

/** A decoder that conceals by itself is not asked for longer: what it makes up then is noise at best. */
const concealedMs = 100
/** The most audio one packet may decode to; more than any ptime in use (RFC 3551 4.2 asks for 200 ms). */
const maximumPacketMs = 240
/** In sound the delay may differ so much from its target before anything is done to it; in silence not at all. */
const toleratedMs = { short: 5, long: 20 }
/** Between two cuts in sound, for each millisecond by which the delay is off: 200 ms at 20 ms, and never less than that of a
 *  frame. So a third of the sound is left out at the very most, and mostly a twentieth. */
const restMs = { least: 40, byMs: 4000 }
/** By so much off, a cut that can be heard is better than waiting. */
const urgentMs = 80

export type Rates = Pick<Codec, 'sampleRateHz' | 'clockRateHz'>

export class Playout {
  /** Told of each packet that is heard, in order, ahead of its sound. The octets are the buffer's again after the call. */
  onPacket: ((encoding: string, packet: Uint8Array, timestamp: number) => void) | undefined
  private readonly samplesPerTick: number
  private readonly samplesPerMs: number
  private readonly decoded: Int16Array
  /** What was played last, up to `now`; what is to be played, `stock` samples of it. */
  private readonly line: Int16Array
  private readonly now: number
  private stock = 0
  /** How far the buffer has been asked for what follows `now`. The last packet may reach beyond. */
  private fetched = 0
  /** Up to which sample after `now` there is sound from packets. */
  private receivedUntil = 0
  /** By payload type. One that is not received any more stays for the packets that are still queued. */
  private readonly decoders = new Map<number, { codec: Codec; decoder: Decoder }>()
  /** Whose sound was heard last. */
  private speaking: { codec: Codec; decoder: Decoder } | undefined
  /** Payload types of comfort noise; since its last packet there has been no other. */
  private readonly noiseTypes = new Set<number>()
  private readonly noise = new ComfortNoise()
  private pauses = false
  private readonly concealment: Concealment
  private missingSamples = 0
  private readonly concealedSamples: number
  private packetSamples = 0
  private readonly scaling: TimeScaling
  private sinceScaled = 0
  /** Since the beginning. */
  private madeUp = 0
  private stretched = 0
  private shortened = 0

  constructor(
    { sampleRateHz, clockRateHz }: Rates,
    private readonly buffer: JitterBuffer,
  ) {
    this.samplesPerTick = sampleRateHz / clockRateHz
    this.samplesPerMs = sampleRateHz / 1000
    this.concealedSamples = this.samplesPerMs * concealedMs
    const maximumSamples = this.samplesPerMs * maximumPacketMs
    this.concealment = new Concealment(sampleRateHz)
    this.scaling = new TimeScaling(sampleRateHz)
    this.now = this.scaling.longestSamples
    this.decoded = new Int16Array(maximumSamples)
    // A frame, the most that is looked at beside it, and the rest of a packet.
    this.line = new Int16Array(this.now + 3 * maximumSamples)
  }

  /** Packets of this type are `codec`'s, whose rates are those of the play-out. A codec that had the type before goes on. */
  use(payloadType: number, codec: Codec): void {
    if (this.decoders.get(payloadType)?.codec === codec) return
    this.decoders.get(payloadType)?.decoder.close?.()
    this.decoders.set(payloadType, { codec, decoder: codec.createDecoder() })
  }

  /** Packets of these types are comfort noise (RFC 3389): it fills the time up to the next sound, and nothing is missing there. */
  useNoise(payloadTypes: Iterable<number>): void {
    this.noiseTypes.clear()
    for (const type of payloadTypes) this.noiseTypes.add(type)
  }

  /** Another source, or its time line anew: nothing of before runs into it. */
  reset(): void {
    this.pauses = false
    this.concealment.reset()
    this.speaking = undefined
  }

  /** Of the packets that were heard last; undefined before there were any. */
  get encoding(): string | undefined {
    return this.speaking?.codec.name
  }

  /** How long a packet waits that took as long as most. */
  get delayMs(): number {
    return this.buffer.delayMs + this.fetched / this.samplesPerMs
  }

  /** How much sound was changed so far. */
  get changes(): { stretchedMs: number; shortenedMs: number; concealedMs: number } {
    return {
      stretchedMs: this.stretched / this.samplesPerMs,
      shortenedMs: this.shortened / this.samplesPerMs,
      concealedMs: this.madeUp / this.samplesPerMs,
    }
  }

  close(): void {
    for (const { decoder } of this.decoders.values()) decoder.close?.()
    this.decoders.clear()
    this.speaking = undefined
  }

  /** Fills the whole frame with the next stretch of time; returns whether any of it came from packets. */
  read(frame: Int16Array): boolean {
    const { line, now } = this
    const { length } = frame
    this.fetch(length)
    this.approachTarget(length)
    for (let i = 0; i < length; i++) frame[i] = line[now + i]!
    const heard = this.receivedUntil > 0
    line.copyWithin(0, length, now + this.stock)
    this.stock -= length
    this.fetched -= length
    this.receivedUntil -= length
    this.buffer.elapse(length / this.samplesPerTick)
    return heard
  }

  /** A cut, where the delay is not what it should be and this is a place for it. */
  private approachTarget(length: number): void {
    const { line, now, scaling, samplesPerMs } = this
    this.sinceScaled += length
    const { spareTicks } = this.buffer
    if (spareTicks === undefined) return
    const spare = this.fetched + spareTicks * this.samplesPerTick
    if (spare === 0) return
    const offMs = Math.abs(spare) / samplesPerMs
    if (!isQuiet(line, now, length)) {
      if (offMs < (spare > 0 ? toleratedMs.long : toleratedMs.short)) return
      if (this.sinceScaled < samplesPerMs * Math.max(restMs.least, restMs.byMs / offMs)) return
    }
    const urgent = offMs > urgentMs
    let cut: number
    if (spare > 0) {
      const most = Math.min(spare, scaling.longestSamples)
      this.fetch(Math.max(length + most, 2 * most))
      cut = -scaling.shorten(line, now, now + this.stock, most, urgent)
      this.shortened -= cut
    } else {
      cut = scaling.lengthen(line, now, now + this.stock, -spare, urgent)
      this.stretched += cut
    }
    if (cut === 0) return
    this.sinceScaled = 0
    this.stock += cut
    this.fetched += cut
    this.receivedUntil += cut
  }

  /** Sees to it that the next `samples` are there. */
  private fetch(samples: number): void {
    if (samples <= this.fetched) return
    const ticks = Math.ceil((samples - this.fetched) / this.samplesPerTick)
    this.buffer.advance(ticks)
    for (let due = this.buffer.next(); due; due = this.buffer.next()) {
      const at = this.fetched + due.offsetTicks * this.samplesPerTick
      if (at > this.stock) this.fillGap(at, due)
      this.place(due, at)
    }
    const until = this.fetched + ticks * this.samplesPerTick
    if (this.stock < until) {
      const upcoming = this.buffer.upcoming()
      // Of a lost packet the whole gap at once: what follows may say what it held.
      const follows = upcoming ? this.fetched + upcoming.offsetTicks * this.samplesPerTick : 0
      if (upcoming && follows - this.stock <= this.packetSamples) this.fillGap(follows, upcoming)
      else this.fillGap(until, undefined)
    }
    this.fetched = until
  }

  /** Decodes a packet to its place on the line. What it holds beyond the time that its timestamp claims, the next one overwrites. */
  private place(due: DuePacket, at: number): void {
    const { line, now, decoded } = this
    if (this.noiseTypes.has(due.payloadType)) {
      this.noise.describe(due.payload)
      this.pauses = true
      this.concealment.reset()
      return
    }
    this.pauses = false
    const speaker = this.decoders.get(due.payloadType)
    this.speaking = speaker ?? this.speaking
    const length = Math.min(speaker?.decoder.decode(due.payload, decoded) ?? 0, line.length - now - at)
    if (!speaker || length <= 0) return
    this.onPacket?.(speaker.codec.name, due.payload, due.timestamp)
    if (this.speaking?.codec.concealment === 'waveform') this.concealment.heard(decoded, length)
    this.missingSamples = 0
    this.packetSamples = length
    for (let i = 0; i < length; i++) line[now + at + i] = decoded[i]!
    this.stock = at + length
    this.receivedUntil = this.stock
  }

  /** @param follower the packet that begins where the gap ends */
  private fillGap(until: number, follower: DuePacket | undefined): void {
    const { line, speaking } = this
    const from = this.now + this.stock
    const to = this.now + until
    this.stock = until
    if (this.pauses) {
      this.noise.fill(line, from, to)
      this.missingSamples = 0
      this.receivedUntil = until
      return
    }
    const next = follower && !this.noiseTypes.has(follower.payloadType) ? follower.payload : undefined
    const nobodySpeaks = !speaking || (!next && this.missingSamples > this.concealedSamples)
    this.missingSamples += to - from
    if (speaking) this.madeUp += to - from
    if (nobodySpeaks) {
      line.fill(0, from, to)
      return
    }
    const { codec, decoder } = speaking
    const gap = line.subarray(from, to)
    if (next && decoder.recover?.(next, gap)) return
    if (decoder.conceal && this.missingSamples <= this.concealedSamples) decoder.conceal(gap)
    else if (codec.concealment === 'waveform') this.concealment.fill(gap)
    else gap.fill(0)
  }
}
