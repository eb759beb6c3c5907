// The report of a good call as data, as text and as a ladder, word for word.
import { expect, test } from 'vitest'
import { formatPairs, formatReport } from '../../../src/diagnose/format-report.ts'
import { formatFact, ladder } from '../../../src/diagnose/ladder.ts'
import { report } from '../../../src/diagnose/report.ts'
import type { Fact } from '../../../src/trace/facts.ts'
import {
  answeredCall,
  failedPair,
  goodCall,
  ice,
  iceState,
  nothingReceived,
  statistics,
  trace,
} from './traces.ts'

test('timings count from the INVITE and pairs know which is selected', () => {
  const result = report(goodCall())
  expect(result.timings).toEqual({
    ringing: 12,
    answered: 120,
    negotiated: 120,
    iceNominated: 151,
    iceMs: 31,
    firstRtpSent: 170,
    firstRtpReceived: 182,
    firstAudioHeard: 205,
    ended: 4200,
    durationMs: 4080,
  })
  expect(result.pairs).toMatchObject([{ selected: true, rttMs: 3.3, state: 'succeeded' }])
  expect(result.selected).toMatchObject([
    { component: 1, why: 'highest priority pair that works', rttMs: 3.3 },
  ])
  expect(result.statistics?.received).toMatchObject({ levelDbfs: -18, jitterMs: 1.2 })
  expect(result.codec).toMatchObject({ name: 'PCMU', payloadType: 0, ptimeMs: 20 })
  expect(result.warnings).toEqual([])
})

test('a report survives JSON unchanged, silence and all', () => {
  const silent = answeredCall(...ice, failedPair, statistics({ received: nothingReceived }))
  for (const facts of [goodCall(), silent, []]) {
    const result = report(facts)
    expect(JSON.parse(JSON.stringify(result))).toStrictEqual(result)
  }
  expect(report(silent).statistics?.received.levelDbfs).toBeNull()
})

test('no facts, and any prefix of a call, give a report', () => {
  expect(report([])).toMatchObject({ callId: '', outcome: { state: 'calling' }, verdict: { ok: false } })
  const call = goodCall()
  for (let n = 0; n <= call.length; n++) {
    const result = report(call.slice(0, n))
    expect(formatReport(result)).not.toContain('undefined')
    expect(ladder(call.slice(0, n)).join('\n')).not.toContain('undefined')
  }
})

test('warnings tell of what did not break the call', () => {
  const facts: Fact[] = [
    ...goodCall().slice(0, -2),
    {
      at: 1200,
      layer: 'ice',
      type: 'server',
      server: { address: '203.0.113.5', port: 3478 },
      outcome: 'timeout',
      afterMs: 500,
    },
    {
      at: 1300,
      layer: 'rtp',
      type: 'latched',
      from: { address: '203.0.113.7', port: 6000 },
      signalled: { address: '10.0.0.7', port: 6000 },
    },
    {
      at: 1300,
      layer: 'sdp',
      type: 'problem',
      message: '1 malformed candidate line(s) dropped',
      section: 'RFC 8839 5.1',
    },
    {
      ...trace(
        statistics({
          received: { lossPercent: 12.25 },
          dropped: { 'unknown payload type 8': 3, 'foreign SSRC': 1 },
        }),
      )[0]!,
      at: 5000,
    },
  ]
  expect(report(facts).warnings).toEqual([
    '1 malformed candidate line(s) dropped (RFC 8839 5.1)',
    'the STUN server 203.0.113.5:3478 did not answer: check the address, and that UDP gets through',
    'media comes from 203.0.113.7:6000, not from the signalled 10.0.0.7:6000',
    "12.3 % of the far end's packets were lost",
    '3 packets dropped: unknown payload type 8',
  ])
})

test('the ladder of a good call', () => {
  expect(`\n${ladder(goodCall()).join('\n')}\n`).toMatchInlineSnapshot(`
    "
            ms  us                                    far end
           0.0  ·  SDP offer sent: PCMU telephone-event at 192.0.2.1:40000, sendrecv, ICE full, 1 candidate, rtcp-mux
           0.0  │── INVITE sip:bob@example.com ─────────────▶│  udp 198.51.100.9:5060, 1021 bytes, SDP
           2.0  │◀───────────────────────────── 100 Trying ──│  udp 198.51.100.9:5060, 700 bytes
          12.0  │◀──────────────────────────── 180 Ringing ──│  udp 198.51.100.9:5060, 700 bytes
         120.0  │◀───────────────────────────────── 200 OK ──│  udp 198.51.100.9:5060, 700 bytes, SDP
         120.0  ·  SDP answer received: PCMU telephone-event at 198.51.100.9:27110, sendrecv, ICE full, 1 candidate, rtcp-mux
         120.0  ·  SDP agreed: PCMU (0), 20 ms, sendrecv
         120.0  │── ACK sip:bob@198.51.100.9 ───────────────▶│  udp 198.51.100.9:5060, 700 bytes
         120.0  ·  call answered
         120.0  ·  ICE full, we are controlling
         120.0  ·  ICE checking
         151.0  ·  ICE pair succeeded: component 1 host 192.0.2.1:40000 -> host 198.51.100.9:27110
         151.0  ·  ICE selected component 1 host 192.0.2.1:40000 -> host 198.51.100.9:27110 (highest priority pair that works)
         151.0  ·  ICE completed
         170.0  ·  RTP first packet to 198.51.100.9:27110
         170.0  ·  playing media/hello-8k.wav
         182.0  ·  RTP first packet from 198.51.100.9:27110, payload type 0
         205.0  ·  first audio heard, -21 dBFS
        4200.0  │── BYE sip:bob@198.51.100.9 ───────────────▶│  udp 198.51.100.9:5060, 700 bytes
        4200.0  ·  call ended by us: 200 hung up
    "
  `)
})

test('the report of a good call as text', () => {
  expect(`\n${formatReport(report(goodCall()))}\n`).toMatchInlineSnapshot(`
    "
    sip:alice@example.com -> sip:bob@example.com
    verdict   ✓ ok
              - ICE selected host to host
              - 200 packets sent, 198 received
              - first audio heard at 205 ms
    outcome   ended by us: 200 hung up
    timings   ringing 12 ms · answered 120 ms · ICE nominated 151 ms · first RTP in 182 ms · first audio heard 205 ms · ended 4200 ms · lasted 4.1 s
    path      RTP  host 192.0.2.1:40000 -> host 198.51.100.9:27110 (highest priority pair that works)
    codec     PCMU (0), 20 ms, sendrecv, telephone-event, rtcp-mux
    sent      200 packets, 32000 octets; far end reports 0 % lost, jitter 0.5 ms, round trip 3.0 ms
    received  198 packets, 2 lost (1.0 %), jitter 1.2 ms, played after 40 ms, -18 dBFS, 3.6 s of sound
    pairs     * 1  host 192.0.2.1:40000  host 198.51.100.9:27110  succeeded  3.3 ms, 2 checks
    "
  `)
})

test('how good it sounded is said to be an estimate, ours and theirs', () => {
  const quality = {
    ...{ rFactor: 87.4, mosListening: 4.2, mosConversational: 4.06, delayMs: 112.5 },
    ...{
      discardPercent: 0.5,
      burstRatio: 1.4,
      bursts: 2,
      burstMs: 80,
      burstLossPercent: 40,
      gapLossPercent: 0.2,
    },
  }
  const theirs = {
    ...{ mosListening: 4.1, lossPercent: 1.2, discardPercent: 0 },
    ...{ endSystemDelayMs: 80, jitterBufferMs: 60 },
  }
  const lines = (over: Parameters<typeof statistics>[0]) =>
    formatReport(report(answeredCall(statistics(over)))).split('\n')
  const remote = { lossPercent: 1.2345, jitterMs: 2 }
  expect(lines({ quality, roundTripMs: 85, remote: { ...remote, quality: theirs } })).toEqual(
    expect.arrayContaining([
      'sent      200 packets, 32000 octets; far end reports 1.2 % lost, jitter 2.0 ms, round trip 85.0 ms',
      'quality   estimated MOS 4.2 to listen to, 4.1 in conversation (E-model R 87, 113 ms from mouth to ear, 0.5 % too late, 2 bursts of loss of 80 ms)',
      '          far end estimates MOS 4.1 to listen to for ours, 1.2 % lost, 0 % too late',
    ]),
  )
  const { mosConversational: _, delayMs: __, ...alone } = quality
  expect(lines({ quality: { ...alone, discardPercent: 0, bursts: 0 } })).toContain(
    'quality   estimated MOS 4.2 to listen to (E-model R 87)',
  )
})

test('the report of a failed call as text, styled', () => {
  const facts = answeredCall(...ice, 5000, failedPair, iceState('failed', 'no pair works'))
  const style = (kind: string, text: string): string => (kind === 'bad' ? `<${text}>` : text)
  expect(`\n${formatReport(report(facts), { style })}\n`).toMatchInlineSnapshot(`
    "
    sip:alice@example.com -> sip:bob@example.com
    verdict   <✗ ice-failed> (ice): No candidate pair works.
              - no pair works
              - 1 pair(s) tried
              - host 192.0.2.1:40000 -> host 198.51.100.9:27110: no response
    fix       Give a STUN server (--stun) where a NAT stands between the ends; two symmetric NATs need a relay (--turn). Check that UDP passes the firewall.
    outcome   ended by us: 200 hung up
    timings   ringing 12 ms · answered 120 ms · ended 4200 ms · lasted 4.1 s
    path      ICE full, failed
    codec     PCMU (0), 20 ms, sendrecv, telephone-event, rtcp-mux
    pairs       1  host 192.0.2.1:40000  host 198.51.100.9:27110  failed  7 checks, no response
    "
  `)
})

test('a long request line is cut so that the lanes stay straight', () => {
  const facts = trace({
    layer: 'sip',
    type: 'message',
    direction: 'sent',
    summary: `INVITE sip:${'x'.repeat(200)}@example.com`,
    method: 'INVITE',
    callId: 'c',
    cseq: 1,
    protocol: 'tcp',
    local: { address: '::1', port: 1 },
    remote: { address: '2001:db8::1', port: 5060 },
    lengthBytes: 900,
    retransmission: true,
    hasBody: true,
  })
  const [, line] = ladder(facts)
  const straight = ladder(goodCall()).find((row) => row.includes('INVITE'))
  expect(line!.indexOf('▶│')).toBe(straight!.indexOf('▶│'))
  expect(line).toMatch(/…[ ─]+▶│ {2}tcp \[2001:db8::1\]:5060, 900 bytes, SDP, again$/)
})

test('facts that say nothing to a reader give no line', () => {
  const start = 1000
  const lines = goodCall().map((fact) => [fact.type, formatFact(fact, start)] as const)
  expect(lines.filter(([, line]) => line === undefined).map(([type]) => type)).toEqual([
    'identity',
    'state',
    'state',
    'candidate',
    'candidate',
    'statistics',
  ])
})

test('pairs stand in columns', () => {
  const rows = formatPairs(report(answeredCall(...ice, failedPair)).pairs)
  expect(rows).toEqual(['  1  host 192.0.2.1:40000  host 198.51.100.9:27110  failed  7 checks, no response'])
})
