// Whole calls, in virtual time, over links that lose, delay, repeat and reorder packets, and with a clock that drifts: a file is heard
// both ways, each end's audio lasts as long as it took, and the reports tell what was lost and what the play-out did about it.
import { describe, expect, it } from 'vitest'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import type { LinkQuality } from '../../../src/sim/link.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { type Mangle, mangledCall } from './mangled-call.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** Of each of the two links that a packet passes. */
const links: [string, LinkQuality, { mostDelayMs: number; mostLossPercent: number }][] = [
  ['loses a tenth', { latencyMs: 20, loss: 0.0513 }, { mostDelayMs: 60, mostLossPercent: 20 }],
  ['jitters by 10 ms', { latencyMs: 20, jitterMs: 5 }, { mostDelayMs: 60, mostLossPercent: 0 }],
  ['jitters by 30 ms', { latencyMs: 20, jitterMs: 15 }, { mostDelayMs: 80, mostLossPercent: 0 }],
  ['jitters by 100 ms', { latencyMs: 20, jitterMs: 50 }, { mostDelayMs: 140, mostLossPercent: 0 }],
  ['jitters by 300 ms', { latencyMs: 20, jitterMs: 150 }, { mostDelayMs: 340, mostLossPercent: 0 }],
  ['turns packets over', { latencyMs: 20, reordering: 0.2 }, { mostDelayMs: 100, mostLossPercent: 0 }],
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

/** Loses so many of a hundred packets, in runs of so many (two states, Gilbert). */
function losing(percent: number, meanRun: number): { mangle: Mangle; lost(): number } {
  const random = new SeededRandom(100 * meanRun + percent)
  const ends = 1 / meanRun
  const begins = (ends * percent) / (100 - percent)
  let isBad = false
  let lost = 0
  return {
    mangle: (packet) => {
      isBad = random.chance(isBad ? 1 - ends : begins)
      if (!isBad) return [packet]
      lost++
      return []
    },
    lost: () => lost,
  }
}

const plain: PhoneOptions = { ice: 'off' }

describe.each([
  ['one by one', 1],
  ['in runs of five', 5],
])('packets that are lost %s', (_, meanRun) => {
  it.each([1, 5, 10, 20])('%i percent: each is counted, and speech is heard', async (percent) => {
    const { mangle, lost } = losing(percent, meanRun)
    const options = { ...plain, codecs: ['PCMU'] }
    const { report, theirs } = await mangledCall(
      { mangle, options, play: ['hello-8k.wav', 'reply-8k.wav'] },
      async ({ answered, call, wait }) => {
        await wait(40_000)
        expect((await answered.hasHeard('hello-8k.wav')).heard).toBe(true)
        expect((await call.hasHeard('reply-8k.wav')).heard).toBe(true)
      },
    )
    const { received, quality } = theirs.statistics!
    // Of a run at the very end nobody knows.
    expect(received.lost).toBeLessThanOrEqual(lost())
    expect(received.lost).toBeGreaterThanOrEqual(lost() - 10)
    expect(received.lossPercent).toBeGreaterThan(percent / 3)
    expect(received.lossPercent).toBeLessThan(percent * 2)
    expect(report.statistics!.received.lost).toBe(0)
    expect(quality!.burstRatio).toBeGreaterThan(meanRun === 1 ? 0.5 : 1.5)
    if (meanRun === 1) expect(quality!.burstRatio).toBeLessThan(1.5)
    expect(quality!.mosListening).toBeLessThan(report.statistics!.quality!.mosListening)
  })
})

it.each([200, -200])('a caller whose clock is %i ppm fast is heard for ten minutes', async (driftPpm) => {
  const minutes = 10
  const { theirs, report } = await mangledCall({ driftPpm, options: plain }, async ({ wait, audio }) => {
    await audio()
    await wait(minutes * 60_000)
    await audio()
  })
  for (const { statistics } of [theirs, report]) {
    const { lost, late, playout } = statistics!.received
    expect([lost, late]).toEqual([0, 0])
    // Of its own accord it would have grown, or have run out, by 120 ms.
    expect(playout.delayMs).toBeGreaterThanOrEqual(20)
    expect(playout.delayMs).toBeLessThanOrEqual(80)
  }
})
