// Mutated and random messages over TCP, TLS, WS and WSS at a wire, on real loopback sockets: what is in a connection or a frame goes
// to the same parser as a datagram. None ends the process, and afterwards an honest request is answered.
import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { Door } from '../../../src/sip/door.ts'
import type { Protocol } from '../../../src/sip/flow.ts'
import { SipTransport } from '../../../src/sip/transport.ts'
import { SipWire } from '../../../src/sip/wire.ts'
import { requestText, responseText } from '../../unit/sip-wire/messages.ts'
import { seeded } from '../seeded.ts'
import { corpus, mutate, randomBytes } from './mutation.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 300)
const start = Number(process.env['FUZZ_SEED'] ?? 1)
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const pem = (name: string): string => readFileSync(`test/fixtures/tls/${name}`, 'utf8')
const tls = { ca: pem('ca.pem'), cert: pem('server.pem'), key: pem('server.key') }

test.each<Protocol>(['tcp', 'tls', 'ws', 'wss'])(
  `${runs} messages over %s`,
  async (protocol) => {
    // What is fuzzed is what stands behind the door.
    const door = new Door(nodeRuntime.clock, { messagesPerSecond: 1e9, burst: 1e9 })
    const wire = new SipWire(nodeRuntime, { tls, door, record: () => undefined })
    closers.push(() => wire.stop())
    const [point] = await wire.start([{ protocol, address: '127.0.0.1', port: 0 }])
    wire.onRequest = (request) => {
      if (request.method !== 'ACK') wire.sendResponse(responseText(request, 200))
    }
    const client = new SipTransport(nodeRuntime, { tls })
    closers.push(() => client.stop())
    const hop = { protocol, address: '127.0.0.1', port: point!.port }
    for (let seed = start; seed < start + runs; seed++) {
      const random = seeded(seed)
      const bytes = random(20) === 0 ? randomBytes(random) : mutate(corpus[random(corpus.length)]!, random)
      // What cannot be followed ends its connection: the next one is opened.
      const flow = await client.flowTo(hop)
      flow.send(bytes)
      if (random(10) === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const honest = new SipTransport(nodeRuntime, { tls })
    closers.push(() => honest.stop())
    const answered = new Promise<number>((resolve) => {
      honest.onMessage = (message) => {
        if (message.kind === 'response') resolve(message.status)
      }
    })
    const via = `SIP/2.0/${protocol.toUpperCase()} 127.0.0.1;branch=z9hG4bKhonest`
    const flow = await honest.flowTo(hop)
    flow.send(Buffer.from(requestText({ uri: 'sip:bob@127.0.0.1', via })))
    expect(await answered).toBe(200)
  },
  600_000,
)
