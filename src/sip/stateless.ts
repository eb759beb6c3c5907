// A request answered without state (RFC 3261 8.2.7): no transaction, no repetition, and the same To tag whenever the request comes
// again. Towards a source that nothing has verified the answer is never longer than what it answers, so that nobody can aim
// us at a victim (UDP sources are forged easily).
import { createHash } from 'node:crypto'
import type { Flow } from './flow.ts'
import { responseTo, type SipRequest, serializeMessage } from './message.ts'
import type { HeaderField } from './message-fields.ts'

export interface StatelessAnswer {
  readonly status: number
  readonly reason: string
  readonly headers?: readonly HeaderField[]
}

/** Goes back to where the request came from: what a broken Via says is not believed.
 *  @param lengthBytes of the request; false where the answer would be longer and the source may be forged: then nothing is sent */
export function answerStateless(
  request: SipRequest,
  flow: Flow,
  lengthBytes: number,
  { status, reason, headers = [] }: StatelessAnswer,
): boolean {
  const repeated = `${request.get('Via')} ${request.callId} ${request.get('CSeq')}`
  const tag = createHash('sha256').update(repeated).digest('hex').slice(0, 16)
  const response = responseTo(request, status, reason, tag)
  response.headers.push(...headers)
  const data = serializeMessage(response)
  if (data.length <= lengthBytes || flow.protocol !== 'udp') {
    flow.send(data)
    return true
  }
  const short = serializeMessage(responseTo(request, status, '', tag), 'compact')
  if (short.length > lengthBytes || headers.length > 0) return false
  flow.send(short)
  return true
}
