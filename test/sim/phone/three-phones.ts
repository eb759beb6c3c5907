// Three phones, Alice, Bob and Carol, that call each other without a server, and what a test needs to say about their audio.
import { expect } from 'vitest'
import { parseTone } from '../../../src/audio/named-tones.ts'
import { hasHeard } from '../../../src/audio/recognise.ts'
import type { Call } from '../../../src/phone/call.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import type { Phone } from '../../../src/phone/phone.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import type { LinkQuality } from '../../../src/sim/link.ts'
import type { Simulation } from '../../../src/sim/simulate.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

export const uris = {
  alice: 'sip:alice@203.0.113.1',
  bob: 'sip:bob@203.0.113.2',
  carol: 'sip:carol@203.0.113.3',
}
/** What each of them plays, so that everybody is told from everybody. */
export const tones = { alice: 'tone:440', bob: 'tone:620', carol: 'tone:880' }

export interface ThreePhones {
  alice: Phone
  bob: Phone
  carol: Phone
  hosts: Record<'alice' | 'bob' | 'carol', VirtualHost>
  world: Simulation
  wait(ms: number): Promise<void>
  now(): number
}

export async function threePhones(
  act: (phones: ThreePhones) => Promise<void>,
  how: { link?: LinkQuality; seed?: number; options?: PhoneOptions } = {},
): Promise<void> {
  const simulation = world(how.seed)
  const { clock, internet } = simulation
  const host = (name: string, address: string) => simulation.host(name, internet.at(address, how.link))
  const hosts = {
    alice: host('alice', '203.0.113.1'),
    bob: host('bob', '203.0.113.2'),
    carol: host('carol', '203.0.113.3'),
  }
  await clock.run(
    (async () => {
      const start = (name: keyof typeof uris) =>
        phoneOn(hosts[name], { account: uris[name], register: false, ...how.options })
      const [alice, bob, carol] = await Promise.all([start('alice'), start('bob'), start('carol')])
      await act({
        alice,
        bob,
        carol,
        hosts,
        world: simulation,
        wait: (ms) => new Promise((resolve) => clock.setTimer(ms, resolve)),
        now: () => clock.now(),
      })
      await Promise.all([alice.stop(), bob.stop(), carol.stop()])
    })(),
  )
  await expectNothingLeft(simulation)
}

/** An answered call, each end playing its tone for ever. */
export async function connect(
  from: Phone,
  to: Phone,
  names: { from: keyof typeof uris; to: keyof typeof uris },
): Promise<[Call, Call]> {
  const incoming = to.nextCall()
  const call = await from.call(uris[names.to], { play: tones[names.from] })
  const answered = await incoming
  await answered.answer({ play: tones[names.to] })
  await Promise.all([call.connected, answered.connected])
  return [call, answered]
}

/** From now on, and not before, both ends hear each other. */
export async function expectAudioBothWays(
  phones: Pick<ThreePhones, 'wait'>,
  ends: [call: Call, hears: string][],
): Promise<void> {
  const before = ends.map(([call]) => call.report().statistics?.received.heardMs ?? 0)
  await phones.wait(1_500)
  for (const [i, [call, hears]] of ends.entries()) {
    expect(call.state).toBe('answered')
    expect((call.report().statistics?.received.heardMs ?? 0) - before[i]!).toBeGreaterThan(1_000)
    const { samples, sampleRateHz } = call.heardSamples()
    const recent = samples.subarray(-sampleRateHz)
    expect(hasHeard({ samples: recent, sampleRateHz }, parseTone(hears)!).heard).toBe(true)
  }
}
