// How long received packets may wait, as people say it, and how that is checked.
import { UsageError } from '../errors.ts'
import type { DelayBounds } from '../rtp/playout-delay.ts'
import type { Millis } from '../runtime/runtime.ts'

/** A delay that stays, or bounds of one that follows the jitter. */
export type PlayoutDelayOption = Millis | Partial<DelayBounds>

/** A packet time at the least, so that what jitters by a little is not late; beyond the maximum nobody likes to talk. */
const bounds: DelayBounds = { minimumMs: 20, maximumMs: 400 }
const longestMs: Millis = 5_000

/** @throws UsageError for what is no delay */
export function playoutBounds(option: PlayoutDelayOption = bounds): DelayBounds {
  const { minimumMs, maximumMs } =
    typeof option === 'number'
      ? { minimumMs: option, maximumMs: option }
      : { ...bounds, maximumMs: Math.max(bounds.maximumMs, option.minimumMs ?? 0), ...option }
  if (!(minimumMs >= 0 && minimumMs <= maximumMs && maximumMs <= longestMs))
    throw new UsageError(
      `playoutDelay cannot be ${minimumMs} to ${maximumMs} ms: give a number, or minimumMs and maximumMs, from 0 to ${longestMs}`,
    )
  return { minimumMs, maximumMs }
}
