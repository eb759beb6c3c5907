// The wire in virtual time, on sockets moved by hand.
import { beforeEach, expect, test } from 'vitest'
import { Door } from '../../../src/sip/door.ts'
import { placeholderHost } from '../../../src/sip/via.ts'
import { SipWire } from '../../../src/sip/wire.ts'
import type { SipFact } from '../../../src/trace/facts.ts'
import { FakeRuntime } from './fake-runtime.ts'
import { inviteText, parsed, requestText, responseText } from './messages.ts'

let runtime: FakeRuntime
let wire: SipWire
let facts: SipFact[]
beforeEach(async () => {
  runtime = new FakeRuntime()
  facts = []
  wire = new SipWire(runtime, { record: (fact) => facts.push(fact) })
  await wire.start([{ protocol: 'udp', address: '192.0.2.1', port: 5060 }])
})
const own = `SIP/2.0/UDP ${placeholderHost};branch=z9hG4bKown`
const invite = (): string => inviteText({ via: own })

test('a request is repeated until its response, each time as the same octets', () => {
  wire.sendRequest(invite())
  runtime.advance(2_000)
  const sent = runtime.take()
  expect(sent).toHaveLength(3)
  expect(new Set(sent.map(({ text }) => text)).size).toBe(1)
  expect(facts.map((fact) => fact.type === 'message' && fact.retransmission)).toEqual([false, true, true])
  runtime.receive(responseText(sent[0]!.text, 100, ''))
  runtime.advance(60_000)
  expect(runtime.take()).toEqual([])
})

test('after a pause of the process what has arrived is read before anything is repeated', () => {
  wire.sendRequest(invite())
  const ringing = responseText(runtime.take()[0]!.text, 180)
  let delivered = 0
  wire.onResponse = () => delivered++
  // The timer fires first, then the socket is read, as in a loop that was held up.
  runtime.advance(500, () => {
    if (delivered === 0) runtime.receive(ringing)
  })
  runtime.advance(30_000)
  expect(delivered).toBe(1)
  expect(runtime.take()).toEqual([])
})

test('the hop may be given: as a place, as a URI, as the flow a message came by', async () => {
  wire.sendRequest(requestText({ via: own }), { protocol: 'udp', address: '198.51.100.1', port: 5070 })
  wire.sendRequest(requestText({ via: own }), 'sip:198.51.100.2:5080;lr')
  wire.sendRequest(
    requestText({ via: own, headers: ['Route: <sip:198.51.100.3;lr>, <sip:198.51.100.9;lr>'] }),
  )
  expect(runtime.take().map(({ to }) => `${to.address}:${to.port}`)).toEqual([
    '198.51.100.1:5070',
    '198.51.100.2:5080',
    '198.51.100.3:5060',
  ])
})

test('CANCEL and the ACK to a refusal follow their INVITE, all its Route lines included', () => {
  const routed = ['Route: <sip:198.51.100.3;lr>', 'Route: <sip:198.51.100.4;lr>']
  wire.sendRequest(inviteText({ via: own, headers: routed }), {
    protocol: 'udp',
    address: '198.51.100.1',
    port: 5070,
  })
  const sent = runtime.take()[0]!
  runtime.receive(responseText(sent.text, 180), { address: '198.51.100.1', port: 5070 })
  wire.sendRequest(requestText({ method: 'CANCEL', via: own, headers: routed.slice(0, 1) }))
  runtime.receive(responseText(sent.text, 487), { address: '198.51.100.1', port: 5070 })
  wire.sendRequest(requestText({ method: 'ACK', via: own, toTag: 'to', headers: routed.slice(0, 1) }))
  for (const { to, text } of runtime.take()) {
    expect(to).toEqual({ address: '198.51.100.1', port: 5070 })
    expect(parsed(text).list('Route')).toEqual(['<sip:198.51.100.3;lr>', '<sip:198.51.100.4;lr>'])
  }
})

test('requests out of the network: delivered once, answered from memory, id for the user agent', () => {
  const ids: string[] = []
  wire.onRequest = (request, _flow, id) => {
    ids.push(id)
    wire.sendResponse(responseText(request, 486))
    wire.sendResponse(responseText(request, 486))
  }
  runtime.receive(inviteText())
  runtime.receive(inviteText())
  expect(runtime.take().map(({ text }) => text.slice(0, 11))).toEqual(['SIP/2.0 486', 'SIP/2.0 486'])
  runtime.receive(requestText({ method: 'ACK', toTag: 'to' }))
  expect(new Set(ids).size).toBe(1)
  runtime.advance(100_000)
  expect(wire.transactions).toEqual({ client: 0, server: 0 })
})

test('what belongs to nothing is dropped and said', () => {
  runtime.receive(responseText(requestText(), 200))
  runtime.receive(requestText({ method: 'ACK', toTag: 'x' }))
  runtime.receive('garbage\r\n\r\n')
  runtime.receive('\r\n\r\n')
  expect(facts.map((fact) => fact.type === 'dropped' && fact.reason)).toEqual([
    'SIP/2.0 200 Whatever: no transaction',
    'ACK sip:bob@192.0.2.2 SIP/2.0: no transaction',
    'no SIP start line',
  ])
})

test('facts hold neither bodies nor credentials', () => {
  wire.sendRequest(
    inviteText({ via: own, headers: ['Authorization: Digest username="a", response="hidden"'] }),
  )
  expect(facts[0]).toEqual({
    layer: 'sip',
    type: 'message',
    direction: 'sent',
    summary: 'INVITE sip:bob@192.0.2.2',
    method: 'INVITE',
    callId: 'call-1',
    cseq: 1,
    protocol: 'udp',
    local: { address: '192.0.2.1', port: 5060 },
    remote: { address: '192.0.2.2', port: 5060 },
    lengthBytes: runtime.take()[0]!.data.length,
    retransmission: false,
    hasBody: true,
  })
})

test('a wildcard socket learns its address from the route to the peer, once', async () => {
  runtime = new FakeRuntime()
  wire = new SipWire(runtime)
  await wire.start([{ protocol: 'udp', address: '0.0.0.0', port: 5060 }])
  runtime.source = '192.0.2.77'
  for (let i = 0; i < 3; i++) {
    wire.sendRequest(requestText({ via: `${own}${i}`, headers: [`Contact: <sip:a@${placeholderHost}>`] }))
    await new Promise((resolve) => setImmediate(resolve))
  }
  const sent = runtime.take()
  expect(sent).toHaveLength(3)
  expect(parsed(sent[0]!.text).topVia).toMatchObject({ host: '192.0.2.77', port: 5060 })
  expect(parsed(sent[0]!.text).get('Contact')).toBe('<sip:a@192.0.2.77:5060>')
  expect(runtime.lookups).toBe(1)
})

test('a flood of one source is cut off, another source is not', async () => {
  runtime = new FakeRuntime()
  wire = new SipWire(runtime, { door: new Door(runtime.clock, { messagesPerSecond: 10, burst: 5 }) })
  await wire.start([{ protocol: 'udp', address: '192.0.2.1', port: 5060 }])
  let seen = 0
  wire.onRequest = () => seen++
  for (let i = 0; i < 100; i++) runtime.receive(requestText({ branch: `z9hG4bK${i}` }))
  expect(seen).toBe(5)
  runtime.receive(requestText({ branch: 'z9hG4bKother' }), { address: '192.0.2.3', port: 5060 })
  expect(seen).toBe(6)
})

test('stop ends every timer', () => {
  wire.sendRequest(invite())
  expect(runtime.pendingTimers).toBeGreaterThan(0)
  wire.stop()
  expect(runtime.pendingTimers).toBe(0)
})

test.each([
  ['quotes what must not stand twice', ';x="a;\\;b"'],
  ['quotes a comma', ';x="a, b"'],
  ['is empty', ';x=""'],
])('a Via parameter of a peer that %s is stamped and answered, not thrown over', (_, parameter) => {
  wire.onRequest = (request) => wire.sendResponse(responseText(request, 200))
  const via = `SIP/2.0/UDP phone.example;branch=z9hG4bKx${parameter};rport`
  expect(() => runtime.receive(requestText({ via }))).not.toThrow()
  expect(runtime.take()[0]!.text).toContain(`;branch=z9hG4bKx${parameter.replace('\\', '')}`)
})

test('an answer goes back to the address its request came from, whatever its Via says', () => {
  wire.onRequest = (request) => wire.sendResponse(responseText(request, 200))
  const via = 'SIP/2.0/UDP phone.example:5070;branch=z9hG4bKm;maddr=198.51.100.9;received=198.51.100.9'
  runtime.receive(requestText({ via }))
  expect(runtime.take()[0]!.to).toEqual({ address: '192.0.2.2', port: 5070 })
})

test('what goes wrong within while a message is taken in is recorded and goes no further', () => {
  wire.onRequest = () => {
    throw new Error('a bug')
  }
  expect(() => runtime.receive(requestText({}))).not.toThrow()
  expect(facts.at(-1)).toMatchObject({ type: 'dropped', reason: 'internal error: a bug' })
})
