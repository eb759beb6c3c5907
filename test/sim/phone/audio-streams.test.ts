// A call's audio as Web streams, in virtual time.
import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** Alice has called Bob, who has answered. */
async function inCall(
  act: (s: {
    call: Call
    answered: Call
    advance(ms: number): Promise<void>
    now(): number
  }) => Promise<void>,
  play?: string,
) {
  const simulation = world(3)
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')))
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')))
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', play === undefined ? {} : { play })
      const answered = await incoming
      await answered.answer()
      await call.connected
      const advance = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve))
      await act({ call, answered, advance, now: () => clock.now() })
      await call.hangUp()
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}
const tone = (frequencyHz: number, ms: number, rateHz = 16_000): Uint8Array => {
  const octets = Buffer.alloc(Math.round((ms * rateHz) / 1_000) * 2)
  for (let i = 0; i < octets.length / 2; i++)
    octets.writeInt16LE(Math.round(8_000 * Math.sin((2 * Math.PI * frequencyHz * i) / rateHz)), 2 * i)
  return octets
}

it('what is read can be written: an echo of one line', () =>
  inCall(async ({ call, answered }) => {
    const echoing = answered.audio.readable().pipeTo(answered.audio.writable())
    await call.waitToHear('hello-8k.wav', 20_000)
    await call.hangUp()
    await echoing.catch(() => undefined) // it ends with the call
  }, 'hello-8k.wav'))

it('writing waits for what lies ahead, and closing for the last sample', () =>
  inCall(async ({ call, answered, now }) => {
    const writer = call.audio.writable().getWriter()
    const startedAt = now()
    const octets = tone(440, 2_000)
    // Pieces of any length, odd ones too.
    for (let at = 0; at < octets.length; at += 3_199) await writer.write(octets.subarray(at, at + 3_199))
    const written = now() - startedAt
    expect(written).toBeGreaterThan(1_600)
    expect(written).toBeLessThan(2_000)
    await writer.close()
    expect(now() - startedAt).toBeGreaterThan(1_950)
    expect(now() - startedAt).toBeLessThan(2_150)
    await answered.waitToHear('tone:440', 1_000)
  }))

it('what was written is forgotten where the speaker is interrupted', () =>
  inCall(async ({ call, answered, advance }) => {
    const spoken = call.audio.writable({ sampleRateHz: 8_000 })
    const writer = spoken.getWriter()
    const written = writer.write(tone(440, 10_000, 8_000))
    await advance(1_000)
    spoken.clear()
    await written
    await advance(500)
    const before = answered.heardSamples().samples.length
    await advance(1_000)
    expect(
      answered
        .heardSamples()
        .samples.subarray(before)
        .some((sample) => sample !== 0),
    ).toBe(false)
    await writer.write(tone(620, 1_500, 8_000))
    await answered.waitToHear('tone:620', 2_000)
  }))

it('another source takes its place, and whoever goes on writing is told', () =>
  inCall(async ({ call, answered, advance }) => {
    const writer = call.audio.writable().getWriter()
    await writer.write(tone(440, 200))
    void call.play('tone:620')
    await advance(500)
    await expect(writer.write(tone(440, 100))).rejects.toThrow(/Something else is played/)
    await answered.waitToHear('tone:620', 2_000)
  }))

it('a reader that is too slow misses something, and what is kept for it is bounded', () =>
  inCall(async ({ call, answered, advance }) => {
    void call.play('tone:440')
    const readable = answered.audio.readable()
    await advance(20_000)
    const reader = readable.getReader()
    let octets = 0
    for (let more = true; more; ) {
      const next = await Promise.race([reader.read(), advance(0).then(() => undefined)])
      more = next?.value !== undefined
      octets += next?.value?.byteLength ?? 0
    }
    expect(octets / 32_000).toBeGreaterThan(4.9)
    expect(octets / 32_000).toBeLessThan(5.2)
    await reader.cancel()
  }))

it('ends with the call; as a stream of Node it is read with for await', () =>
  inCall(async ({ call, answered, advance }) => {
    void call.play('tone:440')
    const readable = answered.audio.readable({ sampleRateHz: 8_000 })
    const read = (async () => {
      let octets = 0
      for await (const chunk of Readable.fromWeb(readable as never)) octets += (chunk as Buffer).length
      return octets
    })()
    await advance(2_000)
    await call.hangUp()
    await answered.ended
    expect((await read) / 16_000).toBeCloseTo(2, 0)
  }))
