// Mutated and random octets through the SIP parser, its lazy values, the serializer and the TCP framer: nothing may throw,
// and what is accepted must survive another round. FUZZ_RUNS=1000000 for the long run; a failure prints its seed.
import { expect, test } from 'vitest'
import { bodyParts } from '../../../src/sip/body-parts.ts'
import { MessageFramer } from '../../../src/sip/framing.ts'
import { parseMessage, responseTo, serializeMessage } from '../../../src/sip/message.ts'
import { dialogKey, serverKey } from '../../../src/sip/reliability.ts'
import { responseDestination, stampReceived } from '../../../src/sip/via.ts'
import { seeded } from '../seeded.ts'
import { corpus, mutate, randomBytes } from './mutation.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 20_000)

function readEverything(bytes: Uint8Array): void {
  const result = parseMessage(bytes)
  if ('problem' in result) {
    if (result.request) serializeMessage(responseTo(result.request, result.status, result.problem, 'tag'))
    return
  }
  const { message } = result
  for (const { name } of message.headers) {
    message.nameAddrs(name)
    message.challenges(name)
    message.number(name)
  }
  bodyParts(message)
  serverKey(message)
  dialogKey(message)
  responseDestination(message.topVia)
  if (message.kind === 'request') stampReceived(message, { address: '2001:db8::1', port: 5060 })
  const again = parseMessage(serializeMessage(message))
  if ('problem' in again) throw new Error(`does not survive another round: ${again.problem}`)
  expect(again.message.startLine).toBe(message.startLine)
}

test(`${runs} mutated and random messages`, () => {
  const start = Number(process.env['FUZZ_SEED'] ?? 1)
  for (let seed = start; seed < start + runs; seed++) {
    const random = seeded(seed)
    const bytes = random(10) === 0 ? randomBytes(random) : mutate(corpus[random(corpus.length)]!, random)
    try {
      readEverything(bytes)
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed}: ${JSON.stringify(bytes.toString('latin1'))}`, { cause: error })
    }
  }
}, 3_600_000)

test(`${Math.ceil(runs / 4)} mutated streams: pieces of any size give the same messages`, () => {
  for (let seed = 1; seed <= runs / 4; seed++) {
    const random = seeded(seed)
    const stream = Buffer.concat(
      Array.from({ length: 1 + random(4) }, () => {
        const message = corpus[random(corpus.length)]!
        return random(3) === 0 ? mutate(message, random) : message
      }),
    )
    const cut = (largest: number) => {
      const seen: string[] = []
      const framer = new MessageFramer({
        onMessage: (message) => {
          seen.push(Buffer.from(message).toString('latin1'))
          parseMessage(message)
        },
        onPing: () => seen.push('ping'),
      })
      let broken: string | undefined
      for (let i = 0; i < stream.length && broken === undefined; ) {
        const length = Math.min(stream.length - i, 1 + random(largest))
        broken = framer.push(stream.subarray(i, i + length))
        i += length
      }
      return { seen, broken }
    }
    expect(cut(7), `seed ${seed}`).toEqual(cut(100_000))
  }
}, 3_600_000)
