// How exactly this machine sends packets of 20 ms: the pacer of every media stream, for a moment, with nothing to send.
import type { Millis } from '../runtime/runtime.ts'
import { WheelPacer } from '../stream/pacer.ts'
import type { Kit } from './kit.ts'

export interface Pacing {
  frames: number
  /** Frames whose time had passed before they could be sent. */
  skipped: number
  p50Ms: Millis
  p99Ms: Millis
  maximumMs: Millis
}

const periodMs: Millis = 20
const durationMs: Millis = 2_000
/** By then the other probes have begun, which takes this program more time than they do. */
const beginsAfterMs: Millis = 500

export async function measurePacing(kit: Kit): Promise<Pacing> {
  await kit.wait(beginsAfterMs)
  const pacer = new WheelPacer(kit.clock)
  const task = pacer.add(periodMs, () => undefined)
  await kit.wait(durationMs)
  task.cancel()
  const { error } = pacer
  return {
    frames: error.frames,
    skipped: error.skipped,
    p50Ms: error.quantileMs(0.5),
    p99Ms: error.quantileMs(0.99),
    maximumMs: error.maximumMs,
  }
}
