import { expect, it } from 'vitest'
import { WatchedRegistration } from '../../../src/cli/watched-registration.ts'
import type { RegistrationState } from '../../../src/index.ts'

const registered: RegistrationState = {
  state: 'registered',
  expiresSeconds: 300,
  contact: 'sip:alice@192.0.2.1:5060',
  registrar: 'sip:pbx.example',
  server: 'sip:edge.example',
  seenAs: '203.0.113.9:40000',
  rttMs: 12.4,
  refreshInMs: 270_000,
  flows: [],
}

it('tells in one line, as time passes, how a registration stands and what it went through', () => {
  let now = 0
  const watched = new WatchedRegistration('sip:alice@pbx.example', () => now)
  expect(watched.line).toBe('sip:alice@pbx.example  registering')
  watched.take(registered)
  now = 20_000
  expect(watched.line).toBe(
    'sip:alice@pbx.example  registered at sip:edge.example · for 280 s · refresh in 250 s · RTT 12 ms · seen as 203.0.113.9:40000 · contact sip:alice@192.0.2.1:5060',
  )
  watched.take({ state: 'failed', status: 503, reason: 'Down', retryInMs: 4_000 })
  now = 21_000
  expect(watched.line).toBe('sip:alice@pbx.example  failed: 503 Down, next try in 3 s · lost once')
  watched.take({ state: 'registering' })
  watched.take(registered)
  expect(watched.line).toMatch(/RTT 12 ms · lost once · last failure \d\d:\d\d:\d\d: 503 Down · seen as/)
  expect(watched.event).toMatchObject({
    type: 'registration',
    registrations: 2,
    flaps: 1,
    lastFailure: { status: 503 },
  })
  expect(watched.isOver).toBe(false)
  watched.take({ state: 'failed', status: 403, reason: 'Forbidden' })
  expect([watched.isOver, watched.flaps]).toEqual([true, 2])
  expect(watched.line).toContain('failed: 403 Forbidden, not tried again')
  watched.take({ state: 'failed', status: 503, reason: 'nobody listens there', unanswered: true })
  expect(watched.line).toContain('failed: nobody listens there, not tried again')
})
