// Streams of TURN over TCP and of ICE over TCP, sound, damaged and invented: whatever the pieces they come in, they give the same
// messages and the same end, nothing throws, and no more is kept than one message. FUZZ_RUNS counts the streams.
import { expect, test } from 'vitest'
import { MessageWriter } from '../../../src/stun/message.ts'
import { attribute } from '../../../src/stun/numbers.ts'
import { writeChannelData } from '../../../src/turn/channel-data.ts'
import { Deframer, type Framing, rfc4571Framing, turnFraming } from '../../../src/wire/framing.ts'
import { seededRandom } from '../../unit/ice/network.ts'
import { mutate } from '../stun/mutate.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 20_000)
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_127)

const stun = new MessageWriter('request', 1, new Uint8Array(12)).text(attribute.software, 'floe').finish()
const sound = (framing: Framing, random: { integer(n: number): number }): Uint8Array =>
  Uint8Array.from(
    [stun, ...Array.from({ length: random.integer(5) }, () => random.integer(20))].flatMap((part) => {
      if (typeof part !== 'number') return [...framing.wrap(part)]
      const message = part === 0 ? stun : writeChannelData(0x4000 + part, new Uint8Array(part), true)
      return [...framing.wrap(message)]
    }),
  )

function deframe(framing: Framing, stream: Uint8Array, size: () => number): string {
  const told: string[] = []
  let bytes = 0
  const deframer = new Deframer(framing, (message) => {
    bytes += message.length
    told.push(Buffer.from(message).toString('latin1'))
  })
  let end = ''
  for (let at = 0; at < stream.length && end === ''; ) {
    const next = Math.min(stream.length, at + size())
    end = deframer.push(stream.subarray(at, next)) ?? ''
    at = next
  }
  expect(bytes).toBeLessThanOrEqual(stream.length)
  return JSON.stringify([told, end])
}

test(`${runs} streams, seed ${seed}`, { timeout: 30_000 + runs }, () => {
  for (let run = 0; run < runs; run++) {
    const random = seededRandom(seed + run)
    const framing = run % 2 === 0 ? turnFraming : rfc4571Framing
    const whole = sound(framing, random)
    const stream =
      run % 3 === 0 ? whole : run % 3 === 1 ? mutate(whole, random) : random.bytes(random.integer(100))
    try {
      const atOnce = deframe(framing, stream, () => stream.length)
      expect(deframe(framing, stream, () => 1 + random.integer(7))).toBe(atOnce)
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed + run} FUZZ_RUNS=1: ${Buffer.from(stream).toString('hex')}`, {
        cause: error,
      })
    }
  }
})
