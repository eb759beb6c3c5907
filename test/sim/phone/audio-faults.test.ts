// Whole calls, in virtual time, over links that lose, delay, repeat and reorder packets: a file is heard both ways, each end's audio lasts
// as long as it took, and the reports tell what the play-out did about it.
import { expect, it } from 'vitest'
import type { LinkQuality } from '../../../src/sim/link.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** Of each of the two links that a packet passes. */
const links: [string, LinkQuality, { mostDelayMs: number; mostLossPercent: number }][] = [
  ['loses a tenth', { latencyMs: 20, loss: 0.0513 }, { mostDelayMs: 60, mostLossPercent: 20 }],
  ['jitters by 100 ms', { latencyMs: 20, jitterMs: 50 }, { mostDelayMs: 140, mostLossPercent: 0 }],
  ['jitters by 300 ms', { latencyMs: 20, jitterMs: 150 }, { mostDelayMs: 340, mostLossPercent: 0 }],
  [
    'does a little of everything',
    { latencyMs: 20, jitterMs: 20, loss: 0.02, duplication: 0.05, reordering: 0.05 },
    { mostDelayMs: 120, mostLossPercent: 10 },
  ],
]

it.each(links)('both ends hear each other where the network %s', async (_, link, limits) => {
  const simulation = world(9)
  const { clock, internet } = simulation
  const reports = await clock.run(
    (async () => {
      const caller = await phoneOn(simulation.host('alice', internet.at('203.0.113.1', link)))
      const callee = await phoneOn(simulation.host('bob', internet.at('203.0.113.2', link)))
      const incoming = callee.nextCall()
      const call = await caller.call('sip:bob@203.0.113.2', { play: 'hello-8k.wav', loop: true })
      const answered = await incoming
      await answered.answer({ play: 'reply-8k.wav', loop: true })
      await call.connected
      const startedAt = clock.now()
      const before = call.heardSamples().samples.length
      await Promise.all([
        answered.waitToHear('hello-8k.wav', 20_000),
        call.waitToHear('reply-8k.wav', 20_000),
      ])
      const heardMs = (call.heardSamples().samples.length - before) / 8
      expect(Math.abs(heardMs - (clock.now() - startedAt))).toBeLessThanOrEqual(20)
      const report = await call.hangUp()
      const theirs = await answered.ended
      await caller.stop()
      await callee.stop()
      return [report, theirs]
    })(),
  )
  for (const { statistics } of reports) {
    const { lossPercent, playout } = statistics!.received
    expect(lossPercent).toBeLessThanOrEqual(limits.mostLossPercent)
    expect(playout.delayMs).toBeLessThanOrEqual(limits.mostDelayMs)
    expect(playout.delayMs).toBeGreaterThanOrEqual(20)
  }
  await expectNothingLeft(simulation)
})
