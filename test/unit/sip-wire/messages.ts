// Messages as peers write them, for the tests of the wire.
import { parseMessage, type SipMessage, SipRequest, SipResponse } from '../../../src/sip/message.ts'

export const sdp =
  'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n' +
  'a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n'

export interface Parts {
  method?: string
  uri?: string
  via?: string
  branch?: string
  fromTag?: string
  toTag?: string
  callId?: string
  cseq?: number
  headers?: string[]
  body?: string
}

export function requestText(parts: Parts = {}): string {
  const {
    method = 'OPTIONS',
    uri = 'sip:bob@192.0.2.2',
    branch = 'z9hG4bK1',
    fromTag = 'from',
    toTag,
    body = '',
  } = parts
  return [
    `${method} ${uri} SIP/2.0`,
    `Via: ${parts.via ?? `SIP/2.0/UDP 192.0.2.1:5060;branch=${branch};rport`}`,
    'Max-Forwards: 70',
    `From: "Alice" <sip:alice@example.com>;tag=${fromTag}`,
    `To: <sip:bob@example.com>${toTag ? `;tag=${toTag}` : ''}`,
    `Call-ID: ${parts.callId ?? 'call-1'}`,
    `CSeq: ${parts.cseq ?? 1} ${method}`,
    ...(parts.headers ?? []),
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')
}

export const inviteText = (parts: Parts = {}): string =>
  requestText({
    method: 'INVITE',
    body: sdp,
    ...parts,
    headers: [
      'Contact: <sip:alice@192.0.2.1:5060>',
      'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE',
      'Supported: replaces, timer',
      'User-Agent: test/1.0',
      'Content-Type: application/sdp',
      ...(parts.headers ?? []),
    ],
  })

export function responseText(
  request: SipRequest | string,
  status: number,
  toTag = 'to',
  headers: string[] = [],
): string {
  const asked = typeof request === 'string' ? parsed(request) : request
  const to = asked.get('To')!
  return [
    `SIP/2.0 ${status} Whatever`,
    ...asked.lines('Via').map((via) => `Via: ${via}`),
    `From: ${asked.get('From')}`,
    `To: ${to}${toTag === '' || to.includes(';tag=') ? '' : `;tag=${toTag}`}`,
    `Call-ID: ${asked.callId}`,
    `CSeq: ${asked.get('CSeq')}`,
    ...headers,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
}

export function parsed(text: string): SipMessage {
  const result = parseMessage(Buffer.from(text))
  if ('problem' in result) throw new Error(`${result.problem}: ${text}`)
  return result.message
}

export function request(parts: Parts = {}): SipRequest {
  const message = parsed(parts.method === 'INVITE' ? inviteText(parts) : requestText(parts))
  if (!(message instanceof SipRequest)) throw new Error('a request was expected')
  return message
}

export function response(to: SipRequest, status: number, toTag = 'to', headers: string[] = []): SipResponse {
  const message = parsed(responseText(to, status, toTag, headers))
  if (!(message instanceof SipResponse)) throw new Error('a response was expected')
  return message
}
