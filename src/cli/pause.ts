// A wait that does not outlive its call, so that the process can end when the call does.
import type { Call } from '../index.ts'

/** Resolves after `ms`, or when the call is over. */
export function pause(ms: number, call: Call): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    void call.ended.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
