// Facts in any order, repeated or left out: there is always a report, it survives JSON, and its text is whole.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { exitCodeOfReport } from '../../../src/diagnose/exit-code.ts'
import { formatReport } from '../../../src/diagnose/format-report.ts'
import { ladder } from '../../../src/diagnose/ladder.ts'
import { report } from '../../../src/diagnose/report.ts'
import type { FactBody } from '../../../src/trace/facts.ts'
import {
  answered,
  candidate,
  description,
  failedPair,
  goodCall,
  iceState,
  identity,
  invited,
  negotiated,
  nothingReceived,
  server,
  sip,
  state,
  statistics,
} from './traces.ts'

const bodies: FactBody[] = [
  ...[...invited, ...answered].filter((body): body is FactBody => typeof body !== 'number'),
  ...goodCall().map(({ at: _, ...body }) => body as FactBody),
  sip('received', '401 Unauthorized'),
  sip('received', 'INVITE sip:alice@192.0.2.1'),
  { layer: 'sip', type: 'dropped', remote: server, reason: 'malformed' },
  identity('incoming'),
  state('ended', { by: 'local', status: 0, reason: 'ICE failed' }),
  state('ended', { by: 'remote', status: 488, reason: 'Not Acceptable Here' }),
  state('ended', { by: 'network' }),
  state('ended'),
  { layer: 'call', type: 'warning', message: 'no media received for 30 s' },
  description('received', 'offer', { ice: 'mismatch', codecs: [] }),
  negotiated({ mediaDirection: 'inactive' }),
  { layer: 'sdp', type: 'problem', message: 'odd', section: 'RFC 3264 6' },
  { layer: 'ice', type: 'server', server, outcome: 'timeout', afterMs: 500.123 },
  { layer: 'ice', type: 'gathered', candidates: 1, afterMs: 12.345 },
  { layer: 'ice', type: 'role-conflict', now: 'controlled' },
  { layer: 'ice', type: 'consent-lost', stream: 0, component: 1 },
  { layer: 'ice', type: 'state', state: 'closed' },
  { layer: 'ice', type: 'mode', mode: 'peer-lite' },
  candidate('remote', '2001:db8::1'),
  failedPair,
  iceState('failed'),
  { layer: 'rtp', type: 'latched', from: server },
  statistics({ received: nothingReceived, dropped: { 'unknown payload type 8': 9 } }),
  statistics({ sent: 0 }),
  { layer: 'audio', type: 'play-ended', what: 'x' },
  { layer: 'audio', type: 'dtmf', direction: 'sent', digit: '#', durationMs: 100 },
  { layer: 'audio', type: 'recording', path: 'x.wav', durationMs: 1234.5 },
  { layer: 'audio', type: 'hearing', expected: 'x', heard: false, score: 0, detail: 'silence' },
]

test('any facts give a whole report', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...bodies), fc.double({ min: 0, max: 5000, noNaN: true })), {
        maxLength: 25,
      }),
      (steps) => {
        let at = 0
        const facts = steps.map(([body, afterMs]) => {
          at += afterMs
          return { at, ...body }
        })
        const result = report(facts)
        expect(JSON.parse(JSON.stringify(result))).toStrictEqual(result)
        const text = `${formatReport(result)}\n${ladder(facts).join('\n')}`
        expect(text).not.toMatch(/undefined|NaN|\[object/)
        expect(exitCodeOfReport(result)).toBeTypeOf('number')
        if (!result.verdict.ok) expect(result.verdict.evidence.every((line) => line !== '')).toBe(true)
      },
    ),
    { numRuns: 500 },
  )
})
