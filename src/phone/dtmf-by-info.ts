// DTMF beside the media: one INFO a digit (RFC 6086's older use of INFO), with the bodies that exchanges know: application/dtmf,
// the bare digit, and application/dtmf-relay, "Signal=5" and "Duration=160". One after the other, as they are answered.
import type { Clock, Millis } from '../runtime/runtime.ts'
import type { Body } from '../sip/session.ts'
import type { FactBody } from '../trace/facts.ts'

export interface DtmfOptions {
  /** Default "rtp" where the peer takes telephone-events, else "audio". */
  by?: 'rtp' | 'info' | 'info-relay' | 'audio'
  durationMs?: Millis
  gapMs?: Millis
}

/** Long enough for any detector (ITU-T Q.24 asks for 40 ms), and what most phones send. */
const defaultDurationMs: Millis = 160
const defaultGapMs: Millis = 80
const pauseMs: Millis = 500

interface World {
  clock: Clock
  record: (fact: FactBody) => void
  /** Resolves with the answer; rejects where it is refused or the call is over. */
  send(body: Body): Promise<void>
}

export async function sendDigitsByInfo(
  digits: string,
  by: 'info' | 'info-relay',
  { durationMs = defaultDurationMs, gapMs = defaultGapMs }: DtmfOptions,
  world: World,
): Promise<void> {
  const wait = (ms: Millis): Promise<void> =>
    new Promise((resolve) => void world.clock.setTimer(ms, () => resolve()))
  for (const digit of digits.toUpperCase()) {
    if (digit === 'W') {
      await wait(pauseMs)
      continue
    }
    await world.send(
      by === 'info'
        ? { contentType: 'application/dtmf', content: `${digit}\r\n` }
        : {
            contentType: 'application/dtmf-relay',
            content: `Signal=${digit}\r\nDuration=${Math.round(durationMs)}\r\n`,
          },
    )
    world.record({ layer: 'audio', type: 'dtmf', direction: 'sent', digit, durationMs, by: 'info' })
    await wait(durationMs + gapMs)
  }
}
