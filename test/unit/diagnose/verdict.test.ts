// One trace for each cause, and the verdict and exit code that follow from it.
import { describe, expect, test } from 'vitest'
import { type CauseCode, causes } from '../../../src/diagnose/causes.ts'
import { exitCodeOfReport } from '../../../src/diagnose/exit-code.ts'
import { report } from '../../../src/diagnose/report.ts'
import type { Fact, FactBody } from '../../../src/trace/facts.ts'
import {
  answeredCall,
  candidate,
  description,
  failedPair,
  goodCall,
  heard,
  hungUp,
  ice,
  iceState,
  identity,
  invited,
  negotiated,
  nominated,
  nothingReceived,
  server,
  sip,
  state,
  statistics,
  trace,
} from './traces.ts'

const ended = (by: 'local' | 'remote' | 'network', status: number, reason: string): FactBody =>
  state('ended', { by, status, reason })
const ringing = [5, sip('received', '180 Ringing'), state('ringing', { status: 180 })]
const final = (summary: string): FactBody[] => [
  sip('received', summary),
  ended('remote', Number(summary.slice(0, 3)), summary.slice(4)),
]
const plainMode: FactBody = { layer: 'ice', type: 'mode', mode: 'peer-without-ice' }
const playing: FactBody = { layer: 'audio', type: 'play-started', what: 'hello.wav' }
const firstSent: FactBody = { layer: 'rtp', type: 'first-sent', to: server }
const problem = (message: string): FactBody => ({
  layer: 'sdp',
  type: 'problem',
  message,
  section: 'RFC 3264 6',
})

const iceServer = (
  outcome: 'answered' | 'timeout' | 'error',
  code?: number,
): Extract<FactBody, { type: 'server' }> => ({
  layer: 'ice',
  type: 'server',
  server: { address: '203.0.113.20', port: 3478 },
  protocol: 'turn-udp',
  outcome,
  afterMs: 50,
  ...(code !== undefined && { code }),
})

const cases: [name: string, cause: CauseCode, facts: Fact[]][] = [
  [
    'no response to the INVITE',
    'not-reached',
    trace(...invited, 32_000, ended('network', 408, 'Request Timeout')),
  ],
  [
    'the connection is refused',
    'not-reached',
    trace(...invited, 3, ended('network', 503, 'Connection refused')),
  ],
  [
    'the connection breaks while it rings',
    'network',
    trace(...invited, ...ringing, ended('network', 503, 'Connection closed')),
  ],
  [
    'the network ends an answered call',
    'network',
    trace(...goodCall().slice(0, -2), ended('network', 503, 'Connection closed')),
  ],
  ['401 again after the answer to a challenge', 'auth', trace(...invited, ...final('401 Unauthorized'))],
  [
    '403 after a challenge',
    'auth',
    trace(...invited, sip('received', '407 Proxy Authentication Required'), ...final('403 Forbidden')),
  ],
  ['403 at once', 'rejected', trace(...invited, ...final('403 Forbidden'))],
  ['503 from the server', 'rejected', trace(...invited, ...final('503 Service Unavailable'))],
  ['486', 'busy', trace(...invited, ...final('486 Busy Here'))],
  ['603', 'busy', trace(...invited, ...ringing, ...final('603 Decline'))],
  ['404', 'not-found', trace(...invited, ...final('404 Not Found'))],
  ['302', 'redirected', trace(...invited, ...final('302 Moved Temporarily'))],
  ['488', 'codec-mismatch', trace(...invited, ...final('488 Not Acceptable Here'))],
  ['480 without ringing', 'unavailable', trace(...invited, ...final('480 Temporarily Unavailable'))],
  ['480 after ringing', 'no-answer', trace(...invited, ...ringing, ...final('480 Temporarily Unavailable'))],
  [
    '408 by our own ring timer',
    'no-answer',
    trace(...invited, ...ringing, 30_000, ended('local', 408, 'no answer')),
  ],
  [
    'we hang up while it rings',
    'cancelled',
    trace(...invited, ...ringing, 900, ended('local', 487, 'hung up')),
  ],
  ['looked at while it rings', 'unfinished', trace(...invited, ...ringing)],
  [
    'an answer without a common codec',
    'codec-mismatch',
    trace(
      ...invited,
      sip('received', '200 OK'),
      problem('The answer cannot be used: no common codec: the peer names G729, we PCMU'),
      ended('local', 0, 'unusable answer'),
    ),
  ],
  [
    'an answer with too few m-lines',
    'bad-description',
    trace(
      ...invited,
      sip('received', '200 OK'),
      problem('The answer has 0 m-line(s) where the offer had 1'),
      ended('local', 0, 'unusable answer'),
    ),
  ],
  [
    'an incoming call that is given up',
    'caller-gave-up',
    trace(
      identity('incoming'),
      sip('received', 'INVITE sip:alice@192.0.2.1'),
      state('ringing'),
      ended('remote', 487, 'Request Terminated'),
    ),
  ],
  [
    'an incoming call that we refuse',
    'busy',
    trace(
      identity('incoming'),
      sip('received', 'INVITE sip:alice@192.0.2.1'),
      state('ringing'),
      ended('local', 486, 'rejected'),
    ),
  ],
  [
    'an incoming call with SRTP only',
    'codec-mismatch',
    trace(
      identity('incoming'),
      sip('received', 'INVITE sip:alice@192.0.2.1'),
      problem('the audio uses RTP/SAVP and only RTP/AVP is spoken here'),
      ended('local', 488, 'rejected'),
    ),
  ],
  [
    'every pair fails',
    'ice-failed',
    answeredCall(...ice, 5000, failedPair, iceState('failed', 'no pair works')),
  ],
  [
    'no remote candidates',
    'ice-no-candidates',
    answeredCall(ice[0]!, candidate('local', '192.0.2.1'), iceState('failed')),
  ],
  [
    'IPv4 here, IPv6 there',
    'ice-no-common-family',
    answeredCall(
      ice[0]!,
      candidate('local', '192.0.2.1'),
      candidate('remote', '2001:db8::1'),
      iceState('failed'),
    ),
  ],
  [
    'an answer without ICE where it is required',
    'ice-required',
    trace(
      ...invited,
      sip('received', '200 OK'),
      description('received', 'answer', { ice: 'none' }),
      negotiated({ ice: false }),
      problem('1 malformed candidate line(s) dropped'),
      ended('local', 200, 'the far end does not speak ICE and this phone requires it'),
    ),
  ],
  [
    'an offer with an ICE mismatch where ICE is required',
    'ice-required',
    trace(
      identity('incoming'),
      sip('received', 'INVITE sip:alice@192.0.2.1'),
      description('received', 'offer', { ice: 'mismatch' }),
      ended('local', 488, 'the caller offers no ICE and this phone requires it'),
    ),
  ],
  [
    'an offer that is no description',
    'bad-description',
    trace(
      identity('incoming'),
      sip('received', 'INVITE sip:alice@192.0.2.1'),
      ended('local', 400, 'The session description does not begin with v=0'),
    ),
  ],
  [
    'the far end gives up on ICE before we do',
    'ice-failed',
    [...answeredCall(...ice).slice(0, -2), { at: 9000, ...ended('remote', 200, 'BYE') }],
  ],
  [
    'two NATs, and no relay',
    'relay-missing',
    answeredCall(
      ...ice,
      candidate('local', '203.0.113.1', 'srflx'),
      failedPair,
      iceState('failed', 'none works'),
    ),
  ],
  [
    'two NATs, no relay, and the far end gives up first',
    'relay-missing',
    [
      ...answeredCall(...ice, candidate('local', '203.0.113.1', 'srflx')).slice(0, -2),
      { at: 41_000, ...ended('remote', 200, 'BYE') },
    ],
  ],
  [
    'a STUN server that is silent, and no relay: UDP may be blocked',
    'relay-missing',
    answeredCall(
      ...ice,
      { ...iceServer('timeout'), protocol: 'stun' },
      failedPair,
      iceState('failed', 'none'),
    ),
  ],
  [
    'a TURN server that is full, and a relay of the far end that does not help',
    'relay-full',
    answeredCall(
      ...ice,
      iceServer('error', 486),
      candidate('remote', '203.0.113.20', 'relay'),
      failedPair,
      iceState('failed', 'none works'),
    ),
  ],
  [
    'a TURN server that refuses the password',
    'relay-credentials',
    answeredCall(...ice, iceServer('error', 401), failedPair, iceState('failed', 'none works')),
  ],
  [
    'a TURN server that is full',
    'relay-full',
    answeredCall(...ice, iceServer('error', 508), failedPair, iceState('failed', 'none works')),
  ],
  [
    'a TURN server that does not answer',
    'relay-unreachable',
    answeredCall(...ice, iceServer('timeout'), failedPair, iceState('failed', 'none works')),
  ],
  [
    'a TURN server that forbids relays',
    'relay-denied',
    answeredCall(...ice, iceServer('error', 403), failedPair, iceState('failed', 'none works')),
  ],
  [
    'consent is lost',
    'consent-lost',
    trace(
      ...goodCall()
        .slice(0, -2)
        .map(({ at: _, ...body }) => body as FactBody),
      34_000,
      { layer: 'ice', type: 'consent-lost', stream: 0, component: 1 },
      ended('local', 0, 'consent lost'),
    ),
  ],
  [
    'the TURN server dies in mid-call',
    'relay-unreachable',
    answeredCall(
      ...ice,
      iceServer('answered'),
      5000,
      iceServer('timeout'),
      { ...iceServer('answered'), protocol: 'stun' },
      iceState('failed', 'none works'),
    ),
  ],
  [
    'our own line dies, and with it every server',
    'ice-failed',
    answeredCall(
      ...ice,
      iceServer('answered'),
      candidate('local', '203.0.113.20', 'relay'),
      5000,
      iceServer('timeout'),
      { ...iceServer('timeout'), protocol: 'stun' },
      iceState('failed', 'none works'),
    ),
  ],
  [
    'hung up during the checks',
    'bye-before-media',
    [...answeredCall(...ice).slice(0, -2), { at: 1900, ...ended('remote', 200, 'BYE') }],
  ],
  [
    'hung up right after the answer',
    'bye-before-media',
    trace(
      ...invited,
      100,
      sip('received', '200 OK'),
      negotiated(),
      state('answered'),
      plainMode,
      300,
      statistics({ sent: 5, received: nothingReceived }),
      ended('remote', 200, 'BYE'),
    ),
  ],
  [
    'something to play and nothing sent',
    'no-rtp-sent',
    answeredCall(plainMode, playing, 4000, statistics({ sent: 0, received: nothingReceived })),
  ],
  [
    'the handshake for SRTP fails',
    'no-keys',
    answeredCall(
      ...ice,
      ...nominated,
      { layer: 'srtp', type: 'failed', reason: 'the far end shows no certificate' },
      statistics({ sent: 0, received: nothingReceived }),
    ),
  ],
  [
    'no packet can be opened',
    'srtp-refused',
    answeredCall(
      ...ice,
      ...nominated,
      { layer: 'srtp', type: 'keyed', by: 'sdes', suite: 'AES_CM_128_HMAC_SHA1_80' },
      playing,
      firstSent,
      4000,
      statistics({ received: nothingReceived }),
      { layer: 'srtp', type: 'refused', packets: { authentication: 190 } },
    ),
  ],
  [
    'nothing arrives',
    'no-rtp-received',
    answeredCall(plainMode, playing, firstSent, 4000, statistics({ received: nothingReceived })),
  ],
  [
    'nothing sent by choice, nothing arrives',
    'no-rtp-received',
    answeredCall(plainMode, 4000, statistics({ sent: 0, received: nothingReceived })),
  ],
  [
    'nothing arrives, but the far end reports ours',
    'one-way',
    answeredCall(
      plainMode,
      playing,
      firstSent,
      4000,
      statistics({ received: nothingReceived, remote: { lossPercent: 0, jitterMs: 1 } }),
    ),
  ],
  [
    'the far end loses all of ours',
    'one-way',
    answeredCall(
      ...ice,
      ...nominated,
      ...heard,
      4000,
      statistics({ remote: { lossPercent: 100, jitterMs: 0 } }),
    ),
  ],
  [
    'private addresses across the Internet',
    'private-address-without-ice',
    trace(
      ...invited,
      100,
      sip('received', '200 OK'),
      description('received', 'answer', { ice: 'none', audio: { address: '192.168.1.20', port: 4000 } }),
      negotiated({ ice: false }),
      state('answered'),
      plainMode,
      playing,
      firstSent,
      4000,
      statistics({ received: nothingReceived }),
      ...hungUp,
    ),
  ],
  [
    'packets of another payload type',
    'wrong-payload-type',
    answeredCall(
      plainMode,
      playing,
      firstSent,
      4000,
      statistics({ received: nothingReceived, dropped: { 'unknown payload type': 190 } }),
    ),
  ],
  [
    'packets full of silence',
    'silent-audio',
    answeredCall(
      ...ice,
      ...nominated,
      ...heard.slice(0, -2),
      4000,
      statistics({ received: { heardMs: 0, levelDbfs: Number.NEGATIVE_INFINITY } }),
    ),
  ],
  [
    'media stops in mid-call',
    'media-lost',
    trace(
      ...goodCall()
        .slice(0, -2)
        .map(({ at: _, ...body }) => body as FactBody),
      20_000,
      { layer: 'call', type: 'warning', message: 'no media received for 30 s' },
      ended('local', 200, 'no media was received for 30 s'),
    ),
  ],
  [
    'inactive from the start',
    'remote-hold',
    answeredCall(negotiated({ mediaDirection: 'inactive' })).filter(
      (f) => f.type !== 'negotiated' || f.mediaDirection === 'inactive',
    ),
  ],
  [
    'another announcement than expected',
    'not-heard',
    answeredCall(...ice, ...nominated, ...heard, 4000, statistics(), {
      layer: 'audio',
      type: 'hearing',
      expected: 'hello.wav',
      heard: false,
      score: 0.1,
      detail: 'best match 0.10',
    }),
  ],
]

describe('causes', () => {
  test.each(cases)('%s: %s', (_name, cause, facts) => {
    const result = report(facts)
    expect(result.verdict).toMatchObject({ ok: false, cause, layer: causes[cause].layer })
    if (result.verdict.ok) return
    expect(result.verdict.evidence.length).toBeGreaterThan(0)
    expect(result.verdict.evidence.every((line) => line.trim() !== '' && !line.includes('undefined'))).toBe(
      true,
    )
    expect(exitCodeOfReport(result)).toBe(causes[cause].exitCode)
  })

  test('every cause has a trace here', () => {
    expect([...new Set(cases.map(([, cause]) => cause))].sort()).toEqual(Object.keys(causes).sort())
  })

  test('exit codes are those of the documented table', () => {
    expect([...new Set(Object.values(causes).map((cause) => cause.exitCode))].sort((a, b) => a - b)).toEqual([
      1, 10, 11, 12, 13, 20, 21, 22, 130,
    ])
  })
})

describe('what is no fault', () => {
  const ok: [string, Fact[]][] = [
    ['a call with audio both ways', goodCall()],
    ['the far end hangs up', [...goodCall().slice(0, -1), { at: 6000, ...ended('remote', 200, 'BYE') }]],
    [
      'consent lost while the far end says BYE',
      [
        ...goodCall().slice(0, -1),
        { at: 5999, layer: 'ice', type: 'consent-lost', stream: 0, component: 1 },
        { at: 6000, ...ended('remote', 200, 'BYE') },
      ],
    ],
    [
      'a sendonly call that receives nothing',
      answeredCall(plainMode, playing, firstSent, 4000, statistics({ received: nothingReceived })).map((f) =>
        f.type === 'negotiated' ? { ...f, mediaDirection: 'sendonly' } : f,
      ),
    ],
    [
      'a recvonly call that sends nothing',
      answeredCall(...ice, ...nominated, ...heard, 4000, statistics({ sent: 0 })).map((f) =>
        f.type === 'negotiated' ? { ...f, mediaDirection: 'recvonly' } : f,
      ),
    ],
    [
      'nothing to play, so nothing sent',
      answeredCall(...ice, ...nominated, ...heard.slice(3), 4000, statistics({ sent: 0 })),
    ],
    [
      'digits instead of speech',
      answeredCall(
        ...ice,
        ...nominated,
        ...heard.slice(0, 5),
        4000,
        { layer: 'audio', type: 'dtmf', direction: 'received', digit: '5', durationMs: 100 },
        statistics({ received: { heardMs: 0 } }),
      ),
    ],
    [
      'hold in mid-call',
      answeredCall(
        ...ice,
        ...nominated,
        ...heard,
        3000,
        negotiated({ mediaDirection: 'inactive' }),
        statistics(),
      ),
    ],
    [
      'a hearing that succeeds at the second look',
      answeredCall(
        ...ice,
        ...nominated,
        ...heard,
        3000,
        { layer: 'audio', type: 'hearing', expected: 'a.wav', heard: false, score: 0, detail: 'too early' },
        { layer: 'audio', type: 'hearing', expected: 'a.wav', heard: true, score: 0.9, detail: 'match' },
        statistics(),
      ),
    ],
    ['answered a moment ago', goodCall().slice(0, 12)],
    [
      'an answered call looked at before media is due',
      trace(
        ...invited,
        100,
        sip('received', '200 OK'),
        negotiated(),
        state('answered'),
        plainMode,
        400,
        statistics({ sent: 10, received: nothingReceived }),
      ),
    ],
  ]
  test.each(ok)('%s', (_name, facts) => {
    const result = report(facts)
    expect(result.verdict).toMatchObject({ ok: true })
    expect(exitCodeOfReport(result)).toBe(0)
  })
})

test('evidence names addresses and the fix names a setting', () => {
  const { verdict } = report(cases.find(([, cause]) => cause === 'private-address-without-ice')![2])
  expect(verdict).toMatchObject({ direction: 'both', fix: expect.stringContaining('external_media_address') })
  expect(verdict.evidence).toContain('the far end asked for media at the private 192.168.1.20:4000')
})

test('a private address is no fault where both ends are on the same private network', () => {
  const lan = cases
    .find(([, cause]) => cause === 'private-address-without-ice')![2]
    .map((f): Fact => (f.type === 'message' ? { ...f, remote: { address: '192.168.1.2', port: 5060 } } : f))
  expect(report(lan).verdict).toMatchObject({ cause: 'no-rtp-received' })
})

test('the best of evidence for a failed ICE is every pair', () => {
  const { verdict, pairs } = report(cases.find(([, cause]) => cause === 'ice-failed')![2])
  expect(pairs.map((pair) => pair.text)).toEqual([
    'host 192.0.2.1:40000 -> host 198.51.100.9:27110: no response',
  ])
  expect(verdict.evidence).toEqual(['no pair works', '1 pair(s) tried', pairs[0]!.text])
})

describe('restarts', () => {
  const path = {
    stream: 0,
    component: 1 as const,
    local: { type: 'host', address: { address: '192.0.2.1', port: 40000 } },
    remote: { type: 'host', address: { address: '198.51.100.9', port: 27110 } },
  }
  const restart: FactBody = { layer: 'ice', type: 'restart', by: 'local', why: 'the interface is gone' }
  const mode: FactBody = { layer: 'ice', type: 'mode', mode: 'full', role: 'controlling' }
  const before = goodCall()
    .slice(0, -2)
    .map(({ at: _, ...body }) => body as FactBody)

  test('one that worked is told with the time until audio, and the verdict stays good', () => {
    const { verdict, ice: told } = report(
      trace(
        ...before,
        5_000,
        restart,
        5_100,
        mode,
        5_200,
        { layer: 'ice', type: 'selected', why: 'nominated', checksSent: 1, ...path },
        5_250,
        { layer: 'rtp', type: 'resumed', silentMs: 1_450 },
        ...hungUp,
      ),
    )
    expect(told.restarts).toEqual([
      {
        atMs: expect.any(Number),
        by: 'local',
        why: 'the interface is gone',
        pathAfterMs: 200,
        silentMs: 1_450,
      },
    ])
    expect(verdict).toMatchObject({ ok: true })
    expect(verdict.evidence.join()).toContain('media came back after 1.4 s')
  })

  test('one that found no pair leaves the old one in place', () => {
    const { selected, ice: told } = report(trace(...before, 5_000, restart, 5_100, mode, ...hungUp))
    expect(selected).toHaveLength(1)
    expect(told.restarts[0]).not.toHaveProperty('pathAfterMs')
  })
})
