// ICE in descriptions (RFC 8839): attributes in and out, what is dropped, and when ICE is used at all.
import { describe, expect, test } from 'vitest'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { g711, host, ice, lines, local, peerAudio, sdp } from './audio.ts'

const credentials = ['a=ice-ufrag:abcd', 'a=ice-pwd:0123456789012345678901']
const candidate = (rest: string) => `a=candidate:${rest}`
const peerHost = candidate('H1 1 UDP 2130706431 198.51.100.9 27110 typ host')
const read = (...attributes: string[]) => readOffer(peerAudio(...attributes), g711)

test('what we write is what the other end reads', () => {
  const description = ice({
    lite: true,
    options: ['trickle', 'ice2'],
    pacingMs: 5,
    endOfCandidates: true,
    candidates: [
      host('192.0.2.1', 40000),
      {
        ...host('203.0.113.7', 51234),
        foundation: '2',
        type: 'srflx',
        related: { address: '192.0.2.1', port: 40000 },
      },
      { ...host('2001:db8::1', 40002), foundation: '3' },
      host('192.0.2.1', 40001, 2),
      { ...host('192.0.2.1', 9), foundation: '4', transport: 'tcp', tcpType: 'active' },
      { ...host('192.0.2.1', 40003), foundation: '5', transport: 'tcp', tcpType: 'passive' },
      {
        ...host('203.0.113.7', 40004),
        foundation: '6',
        transport: 'tcp',
        type: 'srflx',
        related: { address: '192.0.2.1', port: 40004 },
        tcpType: 'so',
      },
    ],
    remoteCandidates: [
      { component: 1, address: '198.51.100.9', port: 27110 },
      { component: 2, address: '198.51.100.9', port: 27111 },
    ],
  })
  const { text } = createOffer(local({ ice: description }))
  expect(readOffer(text, g711)).toMatchObject({ ice: description, iceMismatch: false, problems: [] })
  expect(lines(text).indexOf('a=ice-options:trickle ice2')).toBeLessThan(
    lines(text).findIndex((line) => line.startsWith('m=')),
  )
})

test('an answer with rtcp-mux names the first component alone', () => {
  const offer = read(...credentials, peerHost, 'a=rtcp-mux')
  const { text } = createAnswer(
    offer,
    local({ ice: ice({ remoteCandidates: [{ component: 1, address: '1.2.3.4', port: 5 }] }) }),
  )
  expect(lines(text).filter((line) => line.includes('candidate'))).toEqual([
    'a=candidate:1 1 UDP 2130706431 192.0.2.1 40000 typ host',
  ])
})

test('digits in credentials stay as written', () => {
  const offer = read('a=ice-ufrag:0012', 'a=ice-pwd:1234567890123456789012', peerHost)
  expect(offer.ice).toMatchObject({ ufrag: '0012', pwd: '1234567890123456789012' })
  expect(read('a=ice-ufrag:12345', 'a=ice-pwd:Infinity', peerHost).ice).toMatchObject({
    ufrag: '12345',
    pwd: 'Infinity',
  })
})

test('credentials, options and lite may stand at the session level', () => {
  const text = sdp(
    'c=IN IP4 198.51.100.9',
    'a=ice-lite',
    'a=ice-options:trickle ice2',
    ...credentials,
    'm=audio 27110 RTP/AVP 0',
    peerHost,
  )
  expect(readOffer(text, g711).ice).toMatchObject({
    ufrag: 'abcd',
    lite: true,
    options: ['trickle', 'ice2'],
    candidates: [{ foundation: 'H1' }],
  })
  const own = text.replace(
    'a=candidate',
    'a=ice-ufrag:wxyz\r\na=ice-pwd:9999999999999999999999x\r\na=candidate',
  )
  expect(readOffer(own, g711).ice).toMatchObject({ ufrag: 'wxyz' })
})

describe('candidate lines', () => {
  const candidates = (...rest: string[]) => {
    const offer = read(...credentials, peerHost, ...rest.map(candidate))
    return { kept: offer.ice!.candidates.slice(1), problems: offer.problems.map((p) => p.message) }
  }

  test('of other transports, with extensions, IPv6 and names are kept', () => {
    const { kept, problems } = candidates(
      '3496416974 1 tcp 1518283007 2a02:a03f:3eb0:e000:b0aa:d60a:cff2:933c 9 typ host tcptype active generation 0 network-id 2',
      '2 1 udp 2113937151 0ea1d6a6-4a4a-4d40-bd67-2b8dd2a3b9c2.local 54400 typ host generation 0',
      '3 1 UDP 1 2001:DB8:0:0::1 7 typ relay raddr 0.0.0.0 rport 0',
      '4 1 UDP 1 ::ffff:192.0.2.99 7 typ prflx raddr x.local rport 9',
    )
    expect(problems).toEqual([])
    expect(kept).toEqual([
      {
        foundation: '3496416974',
        component: 1,
        transport: 'tcp',
        priority: 1518283007,
        address: '2a02:a03f:3eb0:e000:b0aa:d60a:cff2:933c',
        port: 9,
        type: 'host',
        tcpType: 'active',
      },
      {
        foundation: '2',
        component: 1,
        transport: 'udp',
        priority: 2113937151,
        address: '0ea1d6a6-4a4a-4d40-bd67-2b8dd2a3b9c2.local',
        port: 54400,
        type: 'host',
      },
      {
        foundation: '3',
        component: 1,
        transport: 'udp',
        priority: 1,
        address: '2001:db8::1',
        port: 7,
        type: 'relay',
        related: { address: '0.0.0.0', port: 0 },
      },
      {
        foundation: '4',
        component: 1,
        transport: 'udp',
        priority: 1,
        address: '192.0.2.99',
        port: 7,
        type: 'prflx',
      },
    ])
  })

  test('of TCP tell their type, wherever it stands; UDP has none', () => {
    const { kept, problems } = candidates(
      '1 1 TCP 1 192.0.2.1 9 typ host generation 0 TCPTYPE Active',
      '1 1 TCP 1 192.0.2.1 7 typ srflx raddr 10.0.0.1 rport 7 tcptype so generation 0',
      '1 1 TCP 1 192.0.2.1 8 typ host tcptype sideways',
      '1 1 UDP 1 192.0.2.1 9 typ host tcptype active',
    )
    expect(problems).toEqual([])
    expect(kept.map((c) => c.tcpType)).toEqual(['active', 'so', undefined, undefined])
    expect(kept[1]?.related).toEqual({ address: '10.0.0.1', port: 7 })
  })

  test('that are malformed are dropped and counted', () => {
    const { kept, problems } = candidates(
      '',
      'x',
      '1 1 UDP 1 192.0.2.1 70000 typ host',
      '1 0 UDP 1 192.0.2.1 7 typ host',
      '1 1 UDP 4294967296 192.0.2.1 7 typ host',
      '1 1 UDP 1 192.0.2.256 7 typ host',
      '1 1 UDP 1 1:2:3 7 typ host',
      '1 1 UDP 1 [2001:db8::1] 7 typ host',
      '1 1 UDP 1 192.0.2.1 7 typ carrier-pigeon',
      '1 1 UDP -1 192.0.2.1 7 typ host',
      '1 1 UDP  192.0.2.1 7 typ host',
    )
    expect(kept).toEqual([])
    expect(problems).toEqual(['11 malformed candidate line(s) dropped'])
  })

  test('that repeat are one, and hundreds are bounded', () => {
    const { kept, problems } = candidates(
      ...Array.from({ length: 500 }, (_, i) => `1 1 UDP 1 192.0.2.1 ${1000 + (i >> 1)} typ host`),
    )
    expect(kept).toHaveLength(99)
    expect(problems).toEqual(['151 candidate(s) beyond the first 100 dropped'])
  })
})

describe('whether ICE is used', () => {
  const at = (c: string, m: string, ...attributes: string[]) =>
    readOffer(sdp(c, `m=audio ${m} RTP/AVP 0`, ...credentials, ...attributes), g711)
  const c = 'c=IN IP4 198.51.100.9'

  test('the default destination among the candidates: yes', () => {
    expect(at(c, '27110', peerHost)).toMatchObject({ ice: { ufrag: 'abcd' }, iceMismatch: false })
    const sixth = candidate('1 1 UDP 1 2001:db8::9 27110 typ host')
    expect(at('c=IN IP6 2001:0DB8::0:9', '27110', sixth).ice).toBeDefined()
  })

  test('another default destination: mismatch, said so in the answer, without our ICE', () => {
    const offer = at(c, '30000', peerHost)
    expect(offer).toMatchObject({ iceMismatch: true, problems: [{ section: 'RFC 8839 4.2.5' }] })
    expect(offer.ice).toBeUndefined()
    const { text, negotiated } = createAnswer(offer, local({ ice: ice() }))
    expect(lines(text)).toContain('a=ice-mismatch')
    expect(text).not.toMatch(/ice-ufrag|ice-pwd|candidate|ice-options/)
    expect(negotiated).toMatchObject({
      iceMismatch: true,
      remoteRtp: { address: '198.51.100.9', port: 30000 },
    })
    expect(negotiated.ice).toBeUndefined()
  })

  test('the loopback as default destination of a peer that does not know its own name: no mismatch', () => {
    expect(at('c=IN IP4 127.0.0.1', '27110', peerHost)).toMatchObject({ ice: { ufrag: 'abcd' } })
    expect(at('c=IN IP4 127.0.1.1', '27110', peerHost)).toMatchObject({ iceMismatch: false })
    expect(at('c=IN IP4 127.0.0.1', '30000', peerHost)).toMatchObject({ iceMismatch: true })
  })

  test('the default of RTCP alone does not decide', () => {
    const second = candidate('H1 2 UDP 2130706430 198.51.100.9 40000 typ host')
    expect(at(c, '27110', peerHost, second).ice?.candidates).toHaveLength(2)
  })

  test('an unspecified address or a name: yes, and no hold', () => {
    for (const connection of ['c=IN IP4 0.0.0.0', 'c=IN IP6 ::', 'c=IN IP4 x.local']) {
      const offer = at(connection, '9', peerHost)
      expect(offer).toMatchObject({ ice: { ufrag: 'abcd' }, direction: 'sendrecv', iceMismatch: false })
      expect(offer.remoteRtp).toBeUndefined()
    }
    expect(at('c=IN IP4 0.0.0.0', '9').ice?.candidates).toEqual([])
  })

  test('no candidates: no, unless they trickle', () => {
    expect(at(c, '27110')).toMatchObject({ iceMismatch: false })
    expect(at(c, '27110').ice).toBeUndefined()
    expect(at(c, '27110', 'a=ice-options:trickle').ice).toBeDefined()
  })

  test('half of the credentials, or odd ones: no, and told of', () => {
    for (const attributes of [
      ['a=ice-ufrag:abcd', peerHost],
      ['a=ice-pwd:0123456789012345678901', peerHost],
      ['a=ice-ufrag:a:b', 'a=ice-pwd:0123456789012345678901', peerHost],
      [`a=ice-ufrag:${'x'.repeat(257)}`, 'a=ice-pwd:0123456789012345678901', peerHost],
    ]) {
      const offer = read(...attributes)
      expect(offer.ice).toBeUndefined()
      expect(offer.problems).toMatchObject([{ section: 'RFC 8839 5.4' }])
    }
  })

  test('an answer with ice-mismatch ends it', () => {
    const offer = createOffer(local({ ice: ice() })).text
    const negotiated = readAnswer(offer, peerAudio('a=ice-mismatch'))
    expect(negotiated).toMatchObject({ iceMismatch: true })
    expect(negotiated.ice).toBeUndefined()
  })

  test('only where both sides speak it', () => {
    expect(readAnswer(createOffer(local()).text, peerAudio(...credentials, peerHost)).ice).toBeUndefined()
    const { text, negotiated } = createAnswer(read(...credentials, peerHost), local())
    expect(text).not.toContain('ice-')
    expect(negotiated.ice).toBeUndefined()
    const answered = readAnswer(createOffer(local({ ice: ice() })).text, peerAudio(...credentials, peerHost))
    expect(answered.ice?.candidates).toHaveLength(1)
  })
})

test('pacing is read where it is a time', () => {
  const withPacing = (value: string) =>
    readOffer(
      sdp(
        `a=ice-pacing:${value}`,
        'c=IN IP4 198.51.100.9',
        'm=audio 27110 RTP/AVP 0',
        ...credentials,
        peerHost,
      ),
      g711,
    ).ice?.pacingMs
  expect(['50', '1', '0', '-5', '5.5', 'x', '', '99999999'].map(withPacing)).toEqual([
    50,
    1,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

test('the end of candidates may be told at either level', () => {
  expect(read(...credentials, peerHost).ice).not.toHaveProperty('endOfCandidates')
  expect(read(...credentials, peerHost, 'a=end-of-candidates').ice).toMatchObject({ endOfCandidates: true })
  const head = sdp(
    'a=end-of-candidates',
    'c=IN IP4 198.51.100.9',
    'm=audio 27110 RTP/AVP 0',
    ...credentials,
    peerHost,
  )
  expect(readOffer(head, g711).ice).toMatchObject({ endOfCandidates: true })
})

test('broken remote-candidates are passed over', () => {
  expect(read(...credentials, peerHost, 'a=remote-candidates:1 192.0.2.3').ice).not.toHaveProperty(
    'remoteCandidates',
  )
  expect(read(...credentials, peerHost, 'a=remote-candidates:x 192.0.2.3 9').ice).not.toHaveProperty(
    'remoteCandidates',
  )
  expect(read(...credentials, peerHost, 'a=remote-candidates:1 192.0.2.3 45664').ice).toMatchObject({
    remoteCandidates: [{ component: 1, address: '192.0.2.3', port: 45664 }],
  })
})
