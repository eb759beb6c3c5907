// A call's audio as streams of the Web and of Node, in virtual time.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, it } from 'vitest'
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
    const written = [writer.write(tone(440, 10_000, 8_000)), writer.write(tone(440, 5_000, 8_000))]
    await advance(1_000)
    // What waits behind it counts as well.
    const unsentMs = spoken.clear()
    expect(spoken.sentMs + unsentMs).toBeCloseTo(15_000)
    expect(spoken.sentMs).toBeGreaterThan(900)
    expect(spoken.sentMs).toBeLessThan(1_100)
    expect(spoken.clear()).toBe(0)
    await Promise.all(written)
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
    await expect(writer.write(tone(440, 100))).rejects.toThrow(
      /^This stream is not heard any more: something else is played/,
    )
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

it('is closed in vain where the call ends before the last sample is sent', () =>
  inCall(async ({ call, answered, advance }) => {
    const writer = call.audio.writable().getWriter()
    await writer.write(tone(440, 100))
    void writer.write(tone(440, 3_000)).catch(() => undefined)
    const closed = writer.close().then(
      () => 'closed',
      (error: Error) => error.message,
    )
    await advance(500)
    await answered.hangUp()
    expect(await closed).toMatch(/^[^\n]*(ended|hung up)[^\n]*$/)
  }))

it('is heard by several at once, each at its rate', () =>
  inCall(async ({ call, answered, advance }) => {
    const count = async (readable: ReadableStream<Uint8Array>): Promise<number> => {
      let octets = 0
      for await (const chunk of readable as never as AsyncIterable<Uint8Array>) octets += chunk.length
      return octets
    }
    const rates = [8_000, 16_000, 24_000, 44_100]
    const counts = rates.map((sampleRateHz) => count(answered.audio.readable({ sampleRateHz })))
    await advance(3_000)
    await call.hangUp()
    await answered.ended
    const seconds = (await Promise.all(counts)).map((octets, i) => octets / 2 / rates[i]!)
    for (const each of seconds) expect(each).toBeCloseTo(seconds[0]!, 1)
    expect(seconds[0]).toBeGreaterThan(2.9)
  }))

it('says when the far end speaks and when it has ceased', () =>
  inCall(async ({ call, answered, advance, now }) => {
    const told: { speaks: boolean; at: number }[] = []
    answered.audio.onVoice = (speaks) => told.push({ speaks, at: now() })
    await advance(1_000)
    expect(answered.audio.voice).toBe(false)
    const startedAt = now()
    const played = call.play('reply-8k.wav')
    await advance(1_000)
    expect(answered.audio.voice).toBe(true)
    await played
    await advance(1_000)
    expect(answered.audio.voice).toBe(false)
    expect(told.length % 2).toBe(0)
    expect(told[0]!.at - startedAt).toBeLessThan(500)
    expect(told.at(-1)!.at - startedAt).toBeGreaterThan(4_000)
    answered.audio.onVoice = undefined
    await call.play('reply-8k.wav')
    expect(answered.audio.voice).toBe(false)
  }))

describe('as one stream of Node', () => {
  it('is an echo of one word', () =>
    inCall(async ({ call, answered }) => {
      const line = answered.audio.duplex()
      line.pipe(line)
      await call.waitToHear('hello-8k.wav', 20_000)
    }, 'hello-8k.wav'))

  it('makes its writer wait, and has finished when the last sample is sent', () =>
    inCall(async ({ call, answered, now }) => {
      const line = call.audio.duplex({ sampleRateHz: 24_000 })
      const octets = tone(440, 2_000, 24_000)
      const pieces = Array.from({ length: 41 }, (_, i) => octets.subarray(i * 2_399, (i + 1) * 2_399))
      const startedAt = now()
      await pipeline(Readable.from(pieces), line, { end: true })
      expect(line.sentMs).toBeCloseTo(2_000, -2)
      expect(now() - startedAt).toBeGreaterThan(1_950)
      expect(now() - startedAt).toBeLessThan(2_200)
      await answered.waitToHear('tone:440', 1_000)
    }))

  it('forgets what was written where the speaker is interrupted, and says how much', () =>
    inCall(async ({ call, answered, advance }) => {
      const line = call.audio.duplex({ sampleRateHz: 8_000 })
      for (let i = 0; i < 5; i++) line.write(tone(440, 2_000, 8_000))
      await advance(1_000)
      const unsentMs = line.clear()
      expect(line.sentMs + unsentMs).toBeCloseTo(10_000)
      expect(unsentMs).toBeGreaterThan(8_900)
      line.write(tone(620, 1_500, 8_000))
      await answered.waitToHear('tone:620', 2_500)
      line.destroy()
    }))

  it('ends with the call: what was heard can be read, and nothing throws', () =>
    inCall(async ({ call, answered, advance }) => {
      void call.play('tone:440')
      const line = answered.audio.duplex({ sampleRateHz: 8_000 })
      const events: string[] = []
      for (const name of ['end', 'finish', 'close', 'error']) line.on(name, () => events.push(name))
      const written: (Error | null | undefined)[] = []
      for (let i = 0; i < 3; i++) line.write(tone(620, 1_500, 8_000), (error) => written.push(error))
      const read = (async () => {
        let octets = 0
        for await (const chunk of line) octets += (chunk as Buffer).length
        return octets
      })()
      await advance(2_000)
      await call.hangUp()
      await answered.ended
      expect((await read) / 16_000).toBeCloseTo(2, 0)
      await advance(10)
      expect(events).toEqual(['end', 'close'])
      expect(written.map((error) => error instanceof Error)).toEqual([false, true, true])
      expect(line.write(tone(620, 100))).toBe(false)
    }))

  it('closes where only its writer cares', () =>
    inCall(async ({ call, answered }) => {
      const line = answered.audio.duplex()
      const endless = Readable.from(
        (function* () {
          for (;;) yield tone(620, 100)
        })(),
      )
      const piped = pipeline(endless, line).then(
        () => 'finished',
        (error: NodeJS.ErrnoException) => error.code,
      )
      await call.waitToHear('tone:620', 5_000)
      await call.hangUp()
      expect(await piped).toBe('ERR_STREAM_PREMATURE_CLOSE')
    }))

  it('tells what it left out, where nobody reads', () =>
    inCall(async ({ answered, advance }) => {
      const line = answered.audio.duplex()
      const readable = answered.audio.readable()
      await advance(8_000)
      for (const missedMs of [line.missedMs, readable.missedMs]) {
        expect(missedMs).toBeGreaterThan(2_800)
        expect(missedMs).toBeLessThan(3_100)
      }
      line.destroy()
      await readable.cancel()
    }))
})
