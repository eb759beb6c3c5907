// What Via, Contact and URIs say of each transport (RFC 3261 18, RFC 7118 5, RFC 5923 9).
import { describe, expect, test } from 'vitest'
import { formatVia, parseVia } from '../../../src/sip/header-values.ts'
import type { SipRequest } from '../../../src/sip/message.ts'
import { serverUri, sipUri, webSocketPath } from '../../../src/sip/uri.ts'
import { aliasPort, responseDestination, rewriteContact, rewriteOwnVia } from '../../../src/sip/via.ts'
import { parsed, requestText } from './messages.ts'

const request = (headers: string[] = []): SipRequest => parsed(requestText({ headers })) as SipRequest
const sentBy = { address: '192.0.2.1', port: 5061 }

describe('a Via', () => {
  test.each([
    ['udp', 'UDP'],
    ['tcp', 'TCP'],
    ['tls', 'TLS'],
    ['ws', 'WS'],
    ['wss', 'WSS'],
  ] as const)('of %s says %s, and is understood', (protocol, token) => {
    const message = request()
    rewriteOwnVia(message, protocol, sentBy)
    const via = message.topVia
    expect(via).toMatchObject({ transport: token, host: '192.0.2.1', port: 5061 })
    expect(parseVia(formatVia(via))?.transport).toBe(token)
    expect(responseDestination(via)).toEqual({ protocol, host: '192.0.2.1', port: 5061 })
  })

  test.each([
    ['TLS', 'tls', 5061],
    ['WS', 'ws', 80],
    ['WSS', 'wss', 443],
    ['SCTP', 'udp', 5060],
  ])('of %s without a port means %s at %i', (token, protocol, port) => {
    expect(responseDestination(parseVia(`SIP/2.0/${token} pbx.example;branch=z9hG4bK1`)!)).toEqual({
      protocol,
      host: 'pbx.example',
      port,
    })
  })

  test('of a WebSocket’s client leads to its connection, and never to a port of its address', () => {
    const via = parseVia('SIP/2.0/WS abc.invalid;branch=z9hG4bK1;received=192.0.2.9;rport=40000')!
    expect(responseDestination(via)).toMatchObject({ protocol: 'ws', host: 'abc.invalid' })
  })

  test('of a WebSocket’s client has a name that nobody can resolve, and no port', () => {
    const message = request()
    rewriteOwnVia(message, 'wss', { address: 'abc.invalid', port: 0 })
    expect(message.get('Via')).toMatch(/^SIP\/2.0\/WSS abc.invalid;/)
  })

  test('offers an alias over TLS alone', () => {
    const message = request()
    rewriteOwnVia(message, 'tls', sentBy, true)
    expect(aliasPort(message.topVia)).toBe(5061)
    expect(aliasPort(parseVia('SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1')!)).toBeUndefined()
    expect(aliasPort(parseVia('SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1;alias')!)).toBeUndefined()
  })
})

describe('a Contact', () => {
  test.each([
    ['udp', false, '<sip:a@192.0.2.1:5061>'],
    ['tls', false, '<sip:a@192.0.2.1:5061;transport=tls>'],
    ['tls', true, '<sips:a@192.0.2.1:5061>'],
    ['ws', false, '<sip:a@192.0.2.1:5061;transport=ws>'],
    ['wss', false, '<sip:a@192.0.2.1:5061;transport=ws>'],
    ['wss', true, '<sips:a@192.0.2.1:5061;transport=ws>'],
    // Never promised over what is not TLS.
    ['tcp', true, '<sip:a@192.0.2.1:5061>'],
  ] as const)('over %s, sips %s', (protocol, sips, contact) => {
    const message = request(['Contact: <sip:a@floe.invalid>'])
    rewriteContact(message, 'floe.invalid', protocol, sentBy, sips)
    expect(message.get('Contact')).toBe(contact)
  })
})

describe('a server as people write it', () => {
  test.each([
    ['pbx.example:5080', 'sip:pbx.example:5080', undefined],
    ['sips:pbx.example', 'sips:pbx.example', undefined],
    ['wss://pbx.example:8089/ws', 'sip:pbx.example:8089;transport=wss;ws-path=/ws', '/ws'],
    ['WS://[2001:db8::1]:8088', 'sip:[2001:db8::1]:8088;transport=ws;ws-path=/', '/'],
    [
      'wss://pbx.example/sip/ws?token=a&b=c',
      'sip:pbx.example;transport=wss;ws-path=/sip/ws%3Ftoken%3Da%26b%3Dc',
      '/sip/ws?token=a&b=c',
    ],
  ])('%s', (text, uri, path) => {
    expect(serverUri(text)).toBe(uri)
    expect(webSocketPath(sipUri(uri)!)).toBe(path)
  })
})
