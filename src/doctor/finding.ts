// What the doctor says: one line a fact, with its mark and, where something can be done about it, the fix in one sentence.
import { FloeError } from '../errors.ts'

export type Mark = 'ok' | 'warning' | 'problem' | 'unknown'

export interface Finding {
  /** What was looked at: "interface", "DNS", "SIP/UDP", "STUN", "mapping", "TURN/TLS", "calls". */
  about: string
  /** Where the same is told of IPv4 and of IPv6. */
  family?: 4 | 6
  mark: Mark
  fact: string
  fix?: string
  /** The same for programs: `rttMs`, `mapping`, `relayed` and the like. */
  data?: Record<string, unknown>
}

/** Errors of floe are "what failed: what to do". */
export function problem(about: string, sentence: string, data?: Finding['data']): Finding {
  const colon = sentence.lastIndexOf(': ')
  const [fact, fix] =
    colon < 0 ? [sentence, undefined] : [sentence.slice(0, colon), sentence.slice(colon + 2)]
  return {
    about,
    mark: 'problem',
    fact,
    ...(fix !== undefined && { fix }),
    ...(data !== undefined && { data }),
  }
}

/** What was thrown, if it is more than a bug of ours. */
export function problemOf(about: string, error: unknown): Finding {
  if (error instanceof FloeError && error.code !== 'INVARIANT') return problem(about, error.message)
  throw error
}

/** "3.4 ms", "61 ms", "1,031 ms". */
export const milliseconds = (ms: number): string =>
  `${ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en-US')} ms`
export const seconds = (ms: number): string => `${ms / 1000} s`
