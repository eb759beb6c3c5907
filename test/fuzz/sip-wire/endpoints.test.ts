// Mutated and random datagrams at the ports of a wire and of a server: no exception may reach the socket, no table may grow
// without end, and time must be able to pass afterwards.
import { expect, test } from 'vitest'
import { startServer } from '../../../src/serve/server.ts'
import { SipWire } from '../../../src/sip/wire.ts'
import { FakeRuntime } from '../../unit/sip-wire/fake-runtime.ts'
import { requestText, responseText } from '../../unit/sip-wire/messages.ts'
import { seeded } from '../seeded.ts'
import { corpus, mutate, randomBytes } from './mutation.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 8_000)
const start = Number(process.env['FUZZ_SEED'] ?? 1)
const listen = [{ protocol: 'udp', address: '192.0.2.1', port: 5060 }] as const

function feed(runtime: FakeRuntime, more: Buffer[]): void {
  const seeds = [...corpus, ...more]
  for (let seed = start; seed < start + runs; seed++) {
    const random = seeded(seed)
    const bytes = random(20) === 0 ? randomBytes(random) : mutate(seeds[random(seeds.length)]!, random)
    try {
      runtime.receive(bytes, { address: `198.51.100.${random(256)}`, port: 1 + random(65_535) })
      if (random(100) === 0) runtime.advance(runtime.clock.now() + random(3_000))
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed}: ${JSON.stringify(bytes.toString('latin1'))}`, { cause: error })
    }
  }
}

test(`${runs} datagrams at a wire that answers`, async () => {
  const runtime = new FakeRuntime()
  const wire = new SipWire(runtime, { record: () => undefined })
  await wire.start(listen)
  let seen = 0
  wire.onRequest = (request) => {
    seen++
    if (request.method !== 'ACK') wire.sendResponse(responseText(request, 200))
  }
  wire.sendRequest(requestText({ method: 'INVITE', branch: 'z9hG4bKours' }))
  const own = runtime.take()[0]!.text
  // Of one branch only the first is seen: the others are its repetitions.
  const requests = Array.from({ length: 30 }, (_, i) => requestText({ branch: `z9hG4bK${i}` }))
  const responses = [180, 200, 486].map((status) => responseText(own, status))
  feed(
    runtime,
    [...requests, ...responses].map((text) => Buffer.from(text)),
  )
  expect(seen).toBeGreaterThan(runs / 80)
  runtime.advance(runtime.clock.now() + 1_000_000)
  expect(wire.transactions).toEqual({ client: 0, server: 0 })
  wire.stop()
}, 3_600_000)

test(`${runs} datagrams at a server`, async () => {
  const runtime = new FakeRuntime()
  const server = await startServer({ runtime, listen, users: { bob: 'secret' }, challengeCalls: true })
  const open = await startServer({ runtime, listen })
  const contact = 'Contact: <sip:bob@192.0.2.2:5070>'
  const register = requestText({ method: 'REGISTER', uri: 'sip:192.0.2.1', headers: [contact] })
  runtime.receive(register, undefined, 1)
  const seeds = [
    register,
    requestText({ method: 'REGISTER', uri: 'sip:192.0.2.1', headers: ['Contact: *', 'Expires: 0'] }),
    requestText({
      uri: 'sip:bob@192.0.2.1',
      headers: ['Route: <sip:192.0.2.1;lr>, <sip:192.0.2.1;transport=tcp;lr>'],
    }),
    requestText({
      uri: 'sip:bob@192.0.2.2:5070',
      toTag: 'x',
      headers: ['Route: <sip:192.0.2.1;lr>', 'Proxy-Require: a'],
    }),
    requestText({
      headers: [
        'Authorization: Digest username="bob", realm="floe", nonce="0.0", uri="sip:x", response="00", qop=auth, nc=1, cnonce="c"',
      ],
    }),
    responseText(
      requestText({
        via: 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2;floe-connection=31, SIP/2.0/UDP 192.0.2.2;received=192.0.2.3;rport=9',
      }),
      200,
    ),
  ].map((text) => Buffer.from(text))
  feed(runtime, seeds)
  const first = runtime.sockets.shift()
  feed(runtime, seeds)
  expect(first).toBeDefined()
  expect(runtime.sent.length).toBeGreaterThan(runs / 20)
  server.stop()
  open.stop()
}, 3_600_000)
