// Codecs of a call in virtual time: L16, and one that the user brings along.
import { expect, it } from 'vitest'
import type { Codec } from '../../../src/codec/codec.ts'
import { opus } from '../../../src/codec/opus.ts'
import { UsageError } from '../../../src/errors.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** G.711 would do better: the upper octet of each sample, for the example's sake. */
const upperHalf: Codec = {
  name: 'x-upper-half',
  sampleRateHz: 16_000,
  clockRateHz: 16_000,
  channels: 1,
  createEncoder: () => ({
    encode(pcm, out) {
      pcm.forEach((sample, i) => {
        out[i] = sample >> 8
      })
      return pcm.length
    },
  }),
  createDecoder: () => ({
    decode(payload, out) {
      payload.forEach((octet, i) => {
        out[i] = octet << 8
      })
      return payload.length
    },
  }),
}

it.each<[string, string | Codec]>([
  ['L16', 'L16'],
  ['L16', 'L16/8000'],
  ['L16', 'L16/44100'],
  ['L16', 'L16/48000'],
  ['x-upper-half', upperHalf],
])('both ends hear each other in %s (%s)', async (name, codec) => {
  const simulation = world(9)
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), { codecs: [codec] })
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), {
        codecs: ['PCMU', codec],
      })
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play: 'tone:440' })
      const answered = await incoming
      await answered.answer({ play: 'tone:1000' })
      await answered.waitToHear('tone:440', 10_000)
      await call.waitToHear('tone:1000', 10_000)
      expect(call.report().codec).toMatchObject({ name })
      await call.hangUp()
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})

it('what one end wants of Opus holds for both directions', async () => {
  await opus.load!()
  const simulation = world(10)
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), {
        codecs: ['opus:bitrate=12000:cbr'],
      })
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), { codecs: ['opus'] })
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play: 'tone:440' })
      const answered = await incoming
      await answered.answer({ play: 'tone:1000' })
      await answered.waitToHear('tone:440', 10_000)
      await call.waitToHear('tone:1000', 10_000)
      await call.hangUp()
      for (const { statistics } of [call.report(), await answered.ended]) {
        // 12,000 bits a second, in 20 ms.
        expect(statistics!.sent.octets / statistics!.sent.packets).toBe(30)
      }
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})

it('codecs are loaded once, when there is to be media and not before', async () => {
  const simulation = world(11)
  const { clock, internet } = simulation
  let loads = 0
  const load = async (): Promise<void> => {
    await new Promise<void>((resolve) => clock.setTimer(70, resolve))
    loads++
  }
  const codec: Codec = {
    ...upperHalf,
    load,
    createEncoder: (fmtp) => {
      expect(loads).toBeGreaterThan(0)
      return upperHalf.createEncoder(fmtp)
    },
  }
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), { codecs: [codec] })
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), { codecs: [codec] })
      bob.onMessage = () => undefined
      await alice.message('sip:bob@203.0.113.2', 'is anybody there?')
      await new Promise<void>((resolve) => clock.setTimer(1_000, resolve))
      expect(loads).toBe(0)
      for (const expected of [2, 2]) {
        const calls: Promise<void>[] = []
        // At once, without waiting for anything.
        bob.onCall = (call) => calls.push(call.answer({ play: 'tone:1000' }))
        const call = await alice.call('sip:bob@203.0.113.2')
        await call.waitToHear('tone:1000', 10_000)
        await Promise.all(calls)
        await call.hangUp()
        expect(loads).toBe(expected)
      }
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})

it('a codec that cannot be loaded fails the call in a sentence, and nothing is left of it', async () => {
  const simulation = world(12)
  const { clock, internet } = simulation
  const broken: Codec = {
    ...upperHalf,
    load: () => Promise.reject(new UsageError('there is no x-upper-half')),
  }
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')))
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), {
        codecs: [broken, 'PCMU'],
      })
      await expect(bob.call('sip:alice@203.0.113.1')).rejects.toThrow('there is no x-upper-half')
      const refused: Promise<void>[] = []
      bob.onCall = (call) => {
        const answer = call.answer()
        answer.catch(() => undefined)
        refused.push(answer)
      }
      const call = await alice.call('sip:bob@203.0.113.2')
      await expect(call.connected).rejects.toThrow(/ 5\d\d /)
      await expect(refused[0]).rejects.toThrow('there is no x-upper-half')
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})
