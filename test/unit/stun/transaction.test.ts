// The retransmission schedule of RFC 8489 6.2.1.
import { describe, expect, it } from 'vitest'
import { ClientTransaction, type TransactionTiming } from '../../../src/stun/transaction.ts'

function schedule(timing?: TransactionTiming) {
  const transaction = new ClientTransaction(new Uint8Array(20), 1_000, timing)
  const sentAt = [0]
  for (;;) {
    const now = transaction.nextAt
    expect(transaction.handleTimeout(now - 0.001)).toBe('wait')
    if (transaction.handleTimeout(now) === 'timed-out') return { sentAt, endsAt: now - 1_000 }
    sentAt.push(now - 1_000)
  }
}

describe('a client transaction', () => {
  it('sends at 0, 500, 1500, 3500, 7500, 15500, 31500 ms and ends at 39500 ms, as the RFC’s example does', () => {
    expect(schedule()).toEqual({ sentAt: [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500], endsAt: 39_500 })
  })

  it('obeys RTO, Rc and Rm', () => {
    expect(schedule({ rtoMs: 100, rc: 3, rm: 4 })).toEqual({ sentAt: [0, 100, 300], endsAt: 700 })
    expect(schedule({ rtoMs: 100, rc: 1, rm: 2 })).toEqual({ sentAt: [0], endsAt: 200 })
  })

  it('measures the round trip from the latest request', () => {
    const transaction = new ClientTransaction(new Uint8Array(20), 1_000)
    expect(transaction.roundTripMs(1_042)).toBe(42)
    transaction.handleTimeout(1_500)
    expect(transaction.roundTripMs(1_542)).toBe(42)
    expect(transaction.sent).toBe(2)
  })

  it('stops doubling where it is told to, but never waits less than the RTO', () => {
    const timing = { rc: 5, rm: 1, longestIntervalMs: 500 }
    expect(schedule({ rtoMs: 200, ...timing }).sentAt).toEqual([0, 200, 600, 1_100, 1_600])
    expect(schedule({ rtoMs: 900, ...timing }).sentAt).toEqual([0, 900, 1_800, 2_700, 3_600])
  })
})
