// DTMF within the audio (ITU-T Q.23), for peers that take no telephone-events: tones that are sent in place of what plays, and
// digits that are found in what is received. Digits that come another way too are not told twice: who sends those is believed.
import { DtmfDetector, dtmfRateHz } from '../audio/dtmf-detector.ts'
import type { AudioSink, AudioSource } from '../audio/frames.ts'
import { sequence } from '../audio/sources.ts'
import { dtmfTone, silenceFor, toneBurst } from '../audio/tones.ts'
import { UsageError } from '../errors.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { AudioStream } from '../stream/audio-stream.ts'
import { defaultDurationMs, defaultGapMs, waitMs } from '../stream/digit-sender.ts'
import type { DtmfOptions } from './dtmf-by-info.ts'
import type { ReceivedDigit } from './received-digits.ts'

/** @param digits 0-9, *, #, A-D, and w for a pause
 *  @param onSent told when a digit has been sent
 *  @throws UsageError where a duration cannot be */
export function digitTones(
  digits: string,
  { durationMs = defaultDurationMs, gapMs = defaultGapMs }: DtmfOptions,
  sampleRateHz: number,
  onSent: (digit: string, durationMs: Millis) => void,
): AudioSource {
  if (
    !(
      durationMs > 0 &&
      durationMs < Number.POSITIVE_INFINITY &&
      gapMs >= 0 &&
      gapMs < Number.POSITIVE_INFINITY
    )
  )
    throw new UsageError(
      `a DTMF digit and the gap after it last a number of milliseconds, not ${durationMs} and ${gapMs}`,
    )
  return sequence(
    sampleRateHz,
    [...digits.toUpperCase()].flatMap((digit) => {
      if (digit === 'W') return [() => silenceFor(waitMs, sampleRateHz)]
      const tone = dtmfTone(digit)
      return [
        () => toneBurst(tone, durationMs, sampleRateHz),
        () => {
          onSent(digit, durationMs)
          return silenceFor(gapMs, sampleRateHz)
        },
      ]
    }),
  )
}

export class HeardDigits {
  /** undefined: where the peer takes no telephone-events, since then it will hardly send any. */
  wanted: boolean | undefined
  private stream: AudioStream | undefined
  private listening = false
  private toldOtherwise = false
  private readonly detector: DtmfDetector
  private readonly sink: AudioSink

  constructor(onDigit: (digit: ReceivedDigit) => void) {
    this.detector = new DtmfDetector((digit) => onDigit({ ...digit, by: 'audio' }))
    this.sink = {
      sampleRateHz: dtmfRateHz,
      write: (samples) => this.detector.hear(samples),
      close: () => undefined,
    }
  }

  /** The stream whose audio it is, once there is one. */
  attach(stream: AudioStream): void {
    this.stream = stream
    stream.onUpdate = () => this.listenIfWanted()
    this.listenIfWanted()
  }

  /** A digit has come as a telephone-event, or by INFO. */
  cameOtherwise(): void {
    this.toldOtherwise = true
    this.listenIfWanted()
  }

  /** No more will come: a digit that lasts has ended. */
  close(): void {
    if (this.listening) this.detector.end()
  }

  private listenIfWanted(): void {
    const { stream } = this
    if (!stream) return
    const listens = !this.toldOtherwise && (this.wanted ?? !stream.takesEvents)
    if (listens === this.listening) return
    this.listening = listens
    if (listens) stream.addSink(this.sink)
    else stream.removeSink(this.sink)
  }
}
