// Why a request in a dialog came to nothing, in one sentence: the peer refused it, did not answer it (408), or it could not be sent
// (503 with what the transport says). The last two are responses that nobody sent.
import { CallFailed } from '../errors.ts'

/** @param what "the change of the call"
 *  @param byPeer whether the response is the peer's */
export function failedRequest(what: string, status: number, reason: string, byPeer: boolean): CallFailed {
  const sentence = byPeer
    ? `The peer refused ${what}: ${status} ${reason}.`
    : status === 408
      ? `The peer did not answer ${what} in time.`
      : `${what.charAt(0).toUpperCase()}${what.slice(1)} did not reach the peer: ${reason}.`
  return new CallFailed(sentence, status, reason)
}
