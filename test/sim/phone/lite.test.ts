// ICE-lite as our own role (RFC 8445 2.5): a phone at a public address that answers checks and makes none.
import { describe, expect, test } from 'vitest'
import type { CallReport } from '../../../src/diagnose/call-report.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

async function call(how: {
  caller: 'lite' | 'full'
  called: 'lite' | 'full'
}): Promise<{ caller: CallReport; called: CallReport; requestsOfLite: number }> {
  const simulation = world()
  const { clock, internet } = simulation
  const home = simulation.nat('home', '203.0.113.101', natKinds.portRestricted, { link: { latencyMs: 20 } })
  const behindNat = simulation.host('full', home.inside.at('192.168.1.2'))
  const publicHost = simulation.host('lite', internet.at('203.0.113.2'))
  const other = simulation.host('other', internet.at('203.0.113.3'))
  let requestsOfLite = 0
  simulation.onPacket = (_fate, { source, data }) => {
    if (source.address === '203.0.113.2' && data[0] === 0 && data[1] === 1) requestsOfLite++
  }
  const told = await clock.run(
    (async () => {
      const callersHost = how.caller === 'lite' ? publicHost : behindNat
      const calledHost = how.called === 'lite' ? (how.caller === 'lite' ? other : publicHost) : other
      const caller = await phoneOn(callersHost, { iceLite: how.caller === 'lite' })
      const called = await phoneOn(calledHost, { iceLite: how.called === 'lite' })
      const ringing = called.nextCall()
      const address = calledHost.interfaces().find((i) => !i.loopback)!.address
      const dialled = await caller.call(`sip:bob@${address}`, { play: 'hello-8k.wav', loop: true })
      const answered = await ringing
      await answered.answer({ play: 'reply-8k.wav', loop: true })
      await Promise.all([dialled.connected, answered.connected])
      await new Promise<void>((resolve) => clock.setTimer(60_000, resolve))
      const reports = { caller: await dialled.hangUp(), called: await answered.ended }
      await Promise.all([caller.stop(), called.stop()])
      return reports
    })(),
  )
  await expectNothingLeft(simulation)
  return { ...told, requestsOfLite }
}

describe('a lite phone', () => {
  test.each([
    ['called by a full one', { caller: 'full', called: 'lite' }],
    ['that calls a full one', { caller: 'lite', called: 'full' }],
  ] as const)('%s: a minute of media both ways, and not one check of its own', async (_name, how) => {
    const { caller, called, requestsOfLite } = await call(how)
    for (const report of [caller, called]) {
      expect(report.verdict).toMatchObject({ ok: true })
      expect(report.statistics?.received.packets).toBeGreaterThan(2_900)
    }
    expect(requestsOfLite).toBe(0)
    const lite = how.caller === 'lite' ? caller : called
    expect(lite.ice.role).toBe('controlled')
    expect(lite.ice.localCandidates.every(({ kind }) => kind === 'host')).toBe(true)
  })

  test('that calls a lite one: neither checks, and both take the best pair (RFC 8445 8.2)', async () => {
    const { caller, called, requestsOfLite } = await call({ caller: 'lite', called: 'lite' })
    for (const report of [caller, called]) {
      expect(report.verdict).toMatchObject({ ok: true })
      expect(report.statistics?.received.packets).toBeGreaterThan(2_900)
    }
    expect(requestsOfLite).toBe(0)
  })
})
