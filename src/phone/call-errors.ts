// What a call that came to nothing rejects with.
import { CallFailed, FloeError, InvariantError, RemoteError, TimeoutError } from '../errors.ts'
import type { EndInfo, ResponseInfo } from '../sip/session.ts'
import type { Trace } from '../trace/trace.ts'

/** Of a call that ended before it was answered. */
export function refusal(remote: string, end: EndInfo, rejected: ResponseInfo | undefined): Error {
  const who = remote || 'the far end'
  // Where we gave up ringing, the 487 that answers our CANCEL is not the reason.
  const gaveUp = end.status === 408
  const status = gaveUp ? 408 : (rejected?.status ?? end.status)
  const reason = gaveUp ? end.reason : rejected?.reason || end.reason
  if (status === 408) return new TimeoutError(`${who} did not answer: ${reason}`, 0)
  if (end.by === 'network' && !rejected)
    return new CallFailed(`${who} could not be reached: ${reason}`, status, reason)
  const redirect = rejected?.contacts?.length ? `; it points to ${rejected.contacts.join(', ')}` : ''
  return new CallFailed(`${who} refused the call: ${status} ${reason}${redirect}`, status, reason)
}

/** What the far end has got wrong stands in the trace. */
export function recordProblem(trace: Trace, error: unknown): void {
  if (error instanceof RemoteError)
    trace.record({ layer: 'sdp', type: 'problem', message: error.message, section: error.section })
}

export const toError = (error: unknown): Error =>
  error instanceof FloeError || error instanceof Error ? error : new InvariantError(String(error))
