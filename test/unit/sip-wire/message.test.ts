import { describe, expect, test } from 'vitest'
import { bodyOfType, bodyParts } from '../../../src/sip/body-parts.ts'
import { isIpv6, splitList } from '../../../src/sip/grammar.ts'
import { canonicalName } from '../../../src/sip/header-names.ts'
import {
  formatNameAddr,
  formatVia,
  parseChallenges,
  parseContentType,
  parseCSeq,
  parseNameAddr,
  parseVia,
} from '../../../src/sip/header-values.ts'
import { maximumMessageBytes, parseMessage, responseTo, serializeMessage } from '../../../src/sip/message.ts'
import { decodedUser, formatUri, parseUri, sipUri } from '../../../src/sip/uri.ts'
import { inviteText, parsed, request, requestText, sdp } from './messages.ts'

const problemOf = (text: string) => {
  const result = parseMessage(Buffer.from(text))
  return 'problem' in result ? result : undefined
}

describe('message', () => {
  test('an INVITE, its values, and back', () => {
    const message = parsed(inviteText())
    expect(message).toMatchObject({
      kind: 'request',
      method: 'INVITE',
      uriText: 'sip:bob@192.0.2.2',
      maxForwards: 70,
      callId: 'call-1',
      cseq: { sequence: 1, method: 'INVITE' },
      fromTag: 'from',
      toTag: '',
      contentType: { type: 'application/sdp' },
      bodyText: sdp,
    })
    expect(message.from).toMatchObject({ displayName: 'Alice', uriText: 'sip:alice@example.com' })
    expect(message.hasToken('Supported', 'timer')).toBe(true)
    expect(message.list('Allow')).toContain('INFO')
    expect(Buffer.from(serializeMessage(message)).toString()).toContain('\r\n\r\nv=0\r\n')
  })

  test('compact forms and any case become canonical names', () => {
    for (const [short, long] of [
      ['v', 'Via'],
      ['K', 'Supported'],
      ['X', 'Session-Expires'],
      ['o', 'Event'],
      ['y', 'Identity'],
      ['d', 'Request-Disposition'],
    ])
      expect(canonicalName(short!)).toBe(long)
    expect(canonicalName('call-id')).toBe('Call-ID')
    expect(canonicalName('WWW-AUTHENTICATE')).toBe('WWW-Authenticate')
    expect(canonicalName('X-Custom')).toBe('X-Custom')
  })

  test('a Via list becomes one field each, in order', () => {
    const text = requestText({ via: 'SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b;branch=z9hG4bK2' })
    expect(parsed(text).lines('Via')).toEqual([
      'SIP/2.0/UDP a;branch=z9hG4bK1',
      'SIP/2.0/TCP b;branch=z9hG4bK2',
    ])
  })

  test('bare line feeds are line ends; a body keeps its octets', () => {
    const head = requestText().split('\r\n\r\n')[0]!.replace('Content-Length: 0', 'Content-Length: 5')
    const bytes = Buffer.concat([
      Buffer.from(`${head.replaceAll('\r\n', '\n')}\n\n`),
      Buffer.from([0, 255, 13, 10, 128]),
    ])
    const result = parseMessage(bytes)
    expect('message' in result && [...result.message.body]).toEqual([0, 255, 13, 10, 128])
  })

  test('Content-Length counts octets, not characters', () => {
    const message = parsed(
      requestText({ method: 'MESSAGE', body: 'žluťoučký 🐎', headers: ['Content-Type: text/plain'] }),
    )
    expect(message.bodyText).toBe('žluťoučký 🐎')
    expect(Buffer.from(serializeMessage(message)).toString()).toContain('Content-Length: 18\r\n')
  })

  test.each([
    [(t: string) => t.replace('SIP/2.0\r\n', 'SIP/3.0\r\n'), 505],
    [(t: string) => t.replace(/^Via.*\r\n/m, ''), 400],
    [(t: string) => t.replace('CSeq: 1', 'CSeq: 2147483648'), 400],
    [(t: string) => t.replace('CSeq: 1 OPTIONS', 'CSeq: 1 INVITE'), 400],
    [(t: string) => t.replace('Max-Forwards: 70', 'Max-Forwards: -1'), 400],
    [(t: string) => t.replace('Content-Length: 0', 'Content-Length: 1'), 400],
    [(t: string) => t.replace('Content-Length: 0', 'Content-Length: 0\r\nl: 1'), 400],
    [(t: string) => t.replace('From:', 'From: <sip:x@y>;tag=1\r\nFrom:'), 400],
    [(t: string) => t.replace('Call-ID', 'No colon here\r\nCall-ID'), 400],
    [(t: string) => t.replace('Call-ID', 'X: bare\rcarriage\r\nCall-ID'), 400],
    [(t: string) => t.replace('Call-ID', `${'X: y\r\n'.repeat(300)}Call-ID`), 400],
    [(t: string) => t.replace('\r\n\r\n', `\r\nX: ${'y'.repeat(maximumMessageBytes)}\r\n\r\n`), 513],
  ])('what is wrong with the structure is refused (%#)', (spoil, status) => {
    expect(problemOf(spoil(requestText()))).toMatchObject({ status })
  })

  test('a request is answerable unless what an answer copies is missing, or it is an ACK', () => {
    expect(problemOf(requestText().replace('Max-Forwards: 70', 'Max-Forwards: x'))?.request).toBeDefined()
    expect(
      problemOf(requestText({ method: 'ACK' }).replace('Max-Forwards: 70', 'Max-Forwards: x'))?.request,
    ).toBeUndefined()
    expect(problemOf(requestText().replace(/^Call-ID.*\r\n/m, ''))?.request).toBeUndefined()
  })

  test('a response copies what RFC 3261 8.2.6.2 says', () => {
    const asked = request({ headers: ['Record-Route: <sip:p;lr>', 'Subject: not this'] })
    const answer = responseTo(asked, 486, 'Busy Here', 'mine')
    expect(answer.headers.map(({ name }) => name)).toEqual(['Via', 'From', 'To', 'Call-ID', 'CSeq'])
    expect(answer.toTag).toBe('mine')
    expect(responseTo(request({ toTag: 'theirs' }), 200, 'OK', 'mine').toTag).toBe('theirs')
    expect(responseTo(asked, 200, 'OK').get('Record-Route')).toBe('<sip:p;lr>')
  })

  test('headers can be set, put on top, replaced and removed; values follow', () => {
    const message = request()
    message.prepend('Via', 'SIP/2.0/UDP proxy;branch=z9hG4bKp')
    expect(message.topVia.host).toBe('proxy')
    message.replaceFirst('Via', undefined)
    expect(message.topVia.host).toBe('192.0.2.1')
    message.set('CSeq', '7 OPTIONS')
    expect(message.cseq.sequence).toBe(7)
    message.remove('Max-Forwards')
    expect(message.maxForwards).toBe(70)
  })
})

describe('body parts', () => {
  const multipart = (type: string, body: string) =>
    parsed(requestText({ method: 'INVITE', headers: [`Content-Type: ${type}`], body }))

  test('the type is compared without case and parameters', () => {
    const message = multipart('Application/SDP;charset=utf-8', sdp)
    expect(Buffer.from(bodyOfType(message, 'application/sdp')!).toString()).toBe(sdp)
  })
  test('SDP is found in multipart/mixed', () => {
    const body = `preamble\r\n--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b1\r\nContent-Disposition: session\r\nc: application/SDP\r\n\r\n${sdp}\r\n--b1--\r\nend`
    const message = multipart('multipart/mixed; boundary="b1"', body)
    expect(bodyParts(message).map(({ type }) => type)).toEqual(['text/plain', 'application/sdp'])
    expect(Buffer.from(bodyOfType(message, 'application/sdp')!).toString()).toBe(sdp)
  })
  test('no boundary, no end, no parts: nothing is found', () => {
    expect(bodyParts(multipart('multipart/mixed', 'x'))).toEqual([])
    expect(bodyParts(multipart('multipart/mixed;boundary=b', '--b--\r\n'))).toEqual([])
    expect(
      bodyParts(multipart('multipart/mixed;boundary=b', '--b\r\nContent-Type: application/sdp')),
    ).toEqual([])
  })
})

describe('URI', () => {
  test.each([
    'sip:example.com',
    'sip:alice@example.com',
    'sips:alice:secret@example.com:5061;transport=tcp',
    'sip:user;par=u%40x@example.com;lr?subject=hello&priority=urgent',
    'sip:[2001:db8::1]:5060',
    'sip:+358-555-1234567;postd=pp22@foo.com;user=phone',
    'tel:+1-201-555-0123;ext=7',
    'urn:service:sos',
  ])('%s and back', (text) => {
    expect(formatUri(parseUri(text)!)).toBe(text)
  })
  test.each([
    '',
    'sip:',
    'sip:@host',
    'sip:a@',
    'sip:a@b@c',
    'sip:a b@c',
    'sip:a%zz@c',
    'sip:a%4@c',
    'sip:host:port',
    'sip:host:65536',
    'sip:2001:db8::1',
    'sip:[::1',
    '1a:x',
    ':x',
    'tel:',
    'http:a b',
  ])('%j is none', (text) => expect(parseUri(text)).toBeUndefined())
  test('the parts of one', () => {
    expect(sipUri('SIP:Al%69ce@EXAMPLE.com:5070;LR;Transport=TCP')).toMatchObject({
      user: 'Al%69ce',
      host: 'example.com',
      port: 5070,
    })
    const uri = sipUri('sip:al%69ce@h;LR;Transport=TCP')!
    expect(decodedUser(uri)).toBe('alice')
    expect([...uri.params]).toEqual([
      ['lr', null],
      ['transport', 'TCP'],
    ])
    expect(decodedUser(sipUri('sip:%ff@h')!)).toBe('%ff')
  })
  test('IPv6 literals', () => {
    for (const good of [
      '::',
      '::1',
      '2001:db8::1',
      '1:2:3:4:5:6:7:8',
      '::ffff:192.0.2.1',
      '1:2:3:4:5:6:192.0.2.1',
      'fe80::',
    ])
      expect(isIpv6(good), good).toBe(true)
    for (const bad of [
      '',
      ':',
      '1',
      '1:2',
      '1::2::3',
      '1:2:3:4:5:6:7:8:9',
      '12345::',
      '::1:',
      '::192.0.2.256',
      'g::',
      '1:2:3:4:5:6:7:',
    ])
      expect(isIpv6(bad), bad).toBe(false)
  })
})

describe('header values', () => {
  test.each([
    ['<sip:a@b>', undefined, 'sip:a@b'],
    ['"A, \\"B\\" <C>" <sip:a@b>;tag=1', 'A, "B" <C>', 'sip:a@b'],
    ['Plain Name <sip:a@b>', 'Plain Name', 'sip:a@b'],
    ['sip:a@b;tag=1', undefined, 'sip:a@b'],
    ['<tel:+1>;tag=1', undefined, 'tel:+1'],
    ['"" <sip:b>', '', 'sip:b'],
  ])('name-addr %s', (text, displayName, uriText) => {
    const value = parseNameAddr(text)!
    expect(value.displayName).toBe(displayName)
    expect(value.uriText).toBe(uriText)
    expect(parseNameAddr(formatNameAddr(value))).toEqual(value)
  })
  test.each([
    '',
    '<>',
    '"open <sip:a@b>',
    '<sip:a@b',
    'A, B <sip:a@b>',
    'sip:a@b?x=y',
    '"A" sip:a@b',
    '<sip:a@b>tag=1',
    '<sip:a@b>;tag=<',
  ])('name-addr %j is malformed', (text) => expect(parseNameAddr(text)).toBeUndefined())
  test('without brackets parameters are the header’s', () => {
    expect(parseNameAddr('sip:a@b;tag=1')?.params.get('tag')).toBe('1')
    expect(parseNameAddr('<sip:a@b;tag=2>')?.params.size).toBe(0)
  })
  test('Via with white space everywhere', () => {
    expect(
      parseVia(
        'SIP  / 2.0 /  UDP   first.example.com : 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1',
      ),
    ).toMatchObject({
      transport: 'UDP',
      host: 'first.example.com',
      port: 4000,
    })
    const text = 'SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bK1;rport;received=2001:db8::2'
    expect(formatVia(parseVia(text)!)).toBe(text)
    for (const bad of [
      '',
      'SIP/2.0/UDP',
      'SIP/1.0/UDP a',
      'SIP/2.0/UDP a:99999',
      'SIP/2.0/UDPa',
      'SIP/2.0/UDP a b',
    ])
      expect(parseVia(bad), bad).toBeUndefined()
  })
  test('CSeq', () => {
    expect(parseCSeq('0009  INVITE')).toEqual({ sequence: 9, method: 'INVITE' })
    for (const bad of ['', '1', 'INVITE', '1INVITE', '2147483648 BYE', '1 IN VITE'])
      expect(parseCSeq(bad), bad).toBeUndefined()
  })
  test('several challenges on one line', () => {
    const found = parseChallenges(
      'Digest realm="a, b", nonce="x\\"y" ,qop="auth,auth-int", Basic realm=c,Digest realm="d",algorithm=MD5',
    )!
    expect(found.map(({ scheme, params }) => [scheme, params.get('realm')])).toEqual([
      ['digest', 'a, b'],
      ['basic', 'c'],
      ['digest', 'd'],
    ])
    expect(found[0]?.params.get('nonce')).toBe('x"y')
    for (const bad of ['realm="x"', 'Digest realm="open', 'Digest realm="a" nonce="b"', '='])
      expect(parseChallenges(bad), bad).toBeUndefined()
  })
  test('Content-Type', () => {
    expect(parseContentType('Multipart / Mixed; Boundary="a;b"')).toMatchObject({ type: 'multipart/mixed' })
    expect(parseContentType('Multipart/Mixed; Boundary="a;b"')?.params.get('boundary')).toBe('a;b')
    for (const bad of ['', 'x', '/', 'a/b c=d;"']) expect(parseContentType(bad), bad).toBeUndefined()
  })
  test('lists split outside of quotes and brackets', () => {
    expect(splitList('"a,b" <sip:x,y>, <sip:c>,, d')).toEqual(['"a,b" <sip:x,y>', '<sip:c>', 'd'])
    expect(splitList('"a, b')).toBeUndefined()
    expect(splitList('<a, b')).toBeUndefined()
  })
})
