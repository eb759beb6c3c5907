// `import 'floe/vitest'` in a test or a set-up file: expect(call).toHaveHeard(…), toHaveReceivedDtmf(…), toBeHealthy().
import { expect } from 'vitest'
import type { Millis } from '../runtime/runtime.ts'
import { toBeHealthy, toHaveHeard, toHaveReceivedDtmf } from './matchers.ts'

expect.extend({ toHaveHeard, toHaveReceivedDtmf, toBeHealthy })

interface CallMatchers<R> {
  /** Proved by content; see `toHaveHeard` in floe/testkit. */
  toHaveHeard(expected: string, options?: { withinMs?: Millis }): Promise<R>
  toHaveReceivedDtmf(digits: string, options?: { withinMs?: Millis }): Promise<R>
  toBeHealthy(): R
}

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: has to repeat vitest's own declaration
  interface Matchers<T = any> extends CallMatchers<T> {}
}
