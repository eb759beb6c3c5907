// Codecs of a call in virtual time: L16, and one that the user brings along.
import { expect, it } from 'vitest'
import type { Codec } from '../../../src/codec/codec.ts'
import { opus } from '../../../src/codec/opus.ts'
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
