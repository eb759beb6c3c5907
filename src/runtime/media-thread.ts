// What the main thread and a media thread say to each other. Datagrams go through two rings; words in shared memory tell who has to
// be woken, so that a busy pair needs no message at all; sockets are opened and closed by messages, which keep their order.
import type { TransportAddress } from './address.ts'
import type { Millis } from './runtime.ts'

/** What a media thread is started with. */
export interface MediaThreadData {
  /** Rings, seen from the main thread. */
  outgoing: SharedArrayBuffer
  incoming: SharedArrayBuffer
  words: SharedArrayBuffer
  /** What `performance.now()` of the main thread counts from, by the clock that all threads share. */
  originMs: Millis
}

export type ToThread =
  | { open: number; bind: TransportAddress; receiveBufferBytes: number | undefined }
  /** After what was sent before. */
  | { close: number }
  /** Everything that waits leaves at once; the word `flushed` is then this. */
  | { flush: number }
  /** There are datagrams. */
  | 'look'

export type ToMain =
  | { opened: number; local: TransportAddress }
  | { refused: number; reason: string; at: string }
  | { failed: number; error: Error }
  | 'ready'
  /** There are datagrams. */
  | 'look'

/** Places of the words. */
export const word = {
  /** What the thread is about: `threadIs`. */
  thread: 0,
  /** The thread sleeps on this one; whoever changes it and notifies wakes it. */
  bell: 1,
  /** 1: the main thread has been called, and will look. */
  mainCalled: 2,
  /** The last `flush` that was obeyed. */
  flushed: 3,
  /** Always 0: the main thread waits for its change to let go of the processor for a moment. */
  nap: 4,
} as const
export const wordCount = 5

export const threadIs = {
  /** It will look into its ring before it rests. */
  awake: 0,
  /** It sleeps for `longestSleepMs` at most; the bell wakes it. */
  asleep: 1,
  /** It waits in its event loop: a message wakes it. */
  idle: 2,
} as const

/** A sleeping thread receives nothing. */
export const longestSleepMs: Millis = 2

/** The clock that is the same in every thread. */
const sharedClockMs = (): Millis => {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

/** A thread may be put aside between two looks at clocks; the closest of some pairs tells. */
const looks = 20

/** What `performance.now()` of this thread counts from, by the clock that all threads share. */
export function clockOriginMs(): Millis {
  let closestMs = Number.POSITIVE_INFINITY
  let originMs = 0
  for (let i = 0; i < looks; i++) {
    const before = sharedClockMs()
    const own = performance.now()
    const after = sharedClockMs()
    if (after - before >= closestMs) continue
    closestMs = after - before
    originMs = (before + after) / 2 - own
  }
  return originMs
}
