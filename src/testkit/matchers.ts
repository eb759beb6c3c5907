// What a test may expect of a call, framework-neutral: each check says whether it holds and, in one sentence, what was found.
import { TimeoutError } from '../errors.ts'
import type { Call } from '../phone/call.ts'
import type { Millis } from '../runtime/runtime.ts'

export interface CheckResult {
  pass: boolean
  message: () => string
}

/**
 * Whether the call's received audio contains the expected audio, proved by content.
 * @param expected WAV path or "tone:440"
 * @param options withinMs waits that long for it; default: it must have been heard already
 */
export async function toHaveHeard(
  call: Call,
  expected: string,
  options: { withinMs?: Millis } = {},
): Promise<CheckResult> {
  if (options.withinMs === undefined) {
    const hearing = await call.hasHeard(expected)
    return { pass: hearing.heard, message: () => `${expected}: ${hearing.detail}` }
  }
  return waited(call.waitToHear(expected, options.withinMs), `${expected} was heard`)
}

/** Whether the digits were received, in this order and without others between. */
export async function toHaveReceivedDtmf(
  call: Call,
  digits: string,
  options: { withinMs?: Millis } = {},
): Promise<CheckResult> {
  return waited(call.waitForDtmf(digits, options.withinMs ?? 0), `DTMF ${digits} was received`)
}

/** Whether the call's report so far finds no fault: media flowed as negotiated, nothing failed. */
export function toBeHealthy(call: Call): CheckResult {
  const { verdict } = call.report()
  return {
    pass: verdict.ok,
    message: () =>
      verdict.ok ? 'the call is healthy' : `${verdict.cause}: ${verdict.evidence.join('; ')}; ${verdict.fix}`,
  }
}

async function waited(what: Promise<unknown>, sentence: string): Promise<CheckResult> {
  try {
    await what
    return { pass: true, message: () => sentence }
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error
    return { pass: false, message: () => error.message }
  }
}
