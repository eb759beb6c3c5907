// The queue of DTMF digits that wait to be sent, and the rhythm between them. Says for each packet time whether it carries
// an event (RFC 4733) instead of audio; writes and sends nothing itself.
import { UsageError } from '../errors.ts'
import {
  type EventPacket,
  EventTrain,
  eventOfDigit,
  eventRepetitions,
  maximumEventTicks,
} from '../rtp/telephone-event.ts'
import type { Millis } from '../runtime/runtime.ts'

/** ITU-T Q.24 asks for at least 40 ms of tone and of pause; slow IVRs want more. */
export const defaultDurationMs = 100
export const defaultGapMs = 100
/** "w", as modems know it. */
export const waitMs = 500

export interface DtmfOptions {
  /** Of each digit; 40 ms and more are safely understood. Default 100. */
  durationMs?: Millis
  /** Between two digits. Default 100. */
  gapMs?: Millis
}

interface EventStep {
  digit: string
  event: number
  durationMs: Millis
}
type Step = EventStep | { pauseMs: Millis } | { done: () => void; cancelled: () => void }

export class DigitSender {
  private readonly steps: Step[] = []
  private train: EventTrain | undefined
  private pausedMs: Millis = 0

  constructor(private readonly onSent: (digit: string, durationMs: Millis) => void) {}

  /**
   * Resolves when the last digit and the gap after it are over.
   * @param digits 0-9, *, #, A-D, and w for a pause of 500 ms; UsageError for anything else
   */
  send(digits: string, options: DtmfOptions, clockRateHz: number): Promise<'ended' | 'stopped'> {
    const durationMs = options.durationMs ?? defaultDurationMs
    const gapMs = options.gapMs ?? defaultGapMs
    const longestMs = Math.floor((maximumEventTicks / clockRateHz) * 1000)
    if (!(durationMs > 0 && durationMs <= longestMs))
      throw new UsageError(`a DTMF digit lasts between 1 and ${longestMs} ms, not ${durationMs}`)
    if (!(gapMs >= 0 && gapMs < Number.POSITIVE_INFINITY))
      throw new UsageError(`the gap between DTMF digits is a number of milliseconds from 0 on, not ${gapMs}`)
    const steps: Step[] = []
    for (const digit of digits) {
      const event = eventOfDigit(digit)
      if (digit === 'w' || digit === 'W') steps.push({ pauseMs: waitMs })
      else if (event === undefined)
        throw new UsageError(`"${digit}" is no DTMF digit: use 0-9, *, #, A-D, and w for a pause`)
      else steps.push({ digit: digit.toUpperCase(), event, durationMs }, { pauseMs: gapMs })
    }
    return new Promise((resolve) => {
      steps.push({ done: () => resolve('ended'), cancelled: () => resolve('stopped') })
      this.steps.push(...steps)
    })
  }

  /**
   * What this packet time carries; undefined for audio.
   * @param timestamp of this packet time
   * @param packets packet times that have passed since the call before, 1 where none was skipped
   */
  next(timestamp: number, packets: number, ptimeMs: Millis, clockRateHz: number): EventPacket | undefined {
    for (let step = this.steps[0]; step; step = this.steps[0]) {
      if ('done' in step) {
        step.done()
      } else if ('pauseMs' in step) {
        if (this.pausedMs < step.pauseMs) {
          this.pausedMs += packets * ptimeMs
          return undefined
        }
        this.pausedMs = 0
      } else {
        return this.nextOfEvent(step, timestamp, packets, ptimeMs, clockRateHz)
      }
      this.steps.shift()
    }
    return undefined
  }

  /** The packet that began an event could not leave: begin it again. */
  repeatBeginning(): void {
    this.train = undefined
  }

  cancel(): void {
    for (const step of this.steps.splice(0)) if ('done' in step) step.cancelled()
    this.train = undefined
    this.pausedMs = 0
  }

  private nextOfEvent(
    step: EventStep,
    timestamp: number,
    packets: number,
    ptimeMs: Millis,
    clockRateHz: number,
  ): EventPacket {
    const packetTicks = (ptimeMs * clockRateHz) / 1000
    const begins = this.train === undefined
    this.train ??= new EventTrain(step.event, timestamp, Math.round((step.durationMs * clockRateHz) / 1000))
    const packet = this.train.next(begins ? packetTicks : packets * packetTicks)
    if (this.train.finished) {
      this.train = undefined
      this.steps.shift()
      // The repeated ends fell into the pause that follows.
      this.pausedMs = (eventRepetitions - 1) * ptimeMs
      this.onSent(step.digit, step.durationMs)
    }
    return packet
  }
}
