import { expect, it } from 'vitest'
import { failedRequest } from '../../../src/sip/unanswered.ts'

const said = (...words: Parameters<typeof failedRequest>) => failedRequest(...words).message

it('says whether the peer refused, was silent, or was not reached', () => {
  const what = 'the change of the call'
  expect(said(what, 503, 'Service Unavailable', true)).toBe(
    'The peer refused the change of the call: 503 Service Unavailable.',
  )
  expect(said(what, 408, 'Request Timeout', false)).toBe(
    'The peer did not answer the change of the call in time.',
  )
  expect(said(what, 503, 'TCP 192.0.2.1:5060 refused the connection', false)).toBe(
    'The change of the call did not reach the peer: TCP 192.0.2.1:5060 refused the connection.',
  )
})
