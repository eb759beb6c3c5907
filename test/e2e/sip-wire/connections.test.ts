// Connections between wires on real loopback sockets, TCP, TLS, WS and WSS alike: opened once, reused, cut at every place, and never
// trusted with what is not theirs.
import { readFileSync } from 'node:fs'
import { createServer, connect as netConnect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import type { Flow, ListeningPoint, Protocol } from '../../../src/sip/flow.ts'
import type { SipRequest, SipResponse } from '../../../src/sip/message.ts'
import type { TlsSettings } from '../../../src/sip/tls-settings.ts'
import { placeholderHost } from '../../../src/sip/via.ts'
import { SipWire, type WireOptions } from '../../../src/sip/wire.ts'
import type { SipFact } from '../../../src/trace/facts.ts'
import { requestText, responseText } from '../../unit/sip-wire/messages.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const pem = (name: string): string => readFileSync(`test/fixtures/tls/${name}`, 'utf8')
const serving: TlsSettings = { ca: pem('ca.pem'), cert: pem('server.pem'), key: pem('server.key') }
const streams: readonly Protocol[] = ['tcp', 'tls', 'ws', 'wss']

interface End {
  wire: SipWire
  points: ListeningPoint[]
  dropped: string[]
  /** Local ends of the connections that messages came over. */
  remotes: Set<number>
}

async function open(protocols: readonly Protocol[], options: WireOptions = {}): Promise<End> {
  const dropped: string[] = []
  const remotes = new Set<number>()
  const record = (fact: SipFact): void => {
    if (fact.type === 'dropped') dropped.push(fact.reason)
    else if (fact.type === 'message') remotes.add(fact.remote.port)
  }
  const wire = new SipWire(nodeRuntime, { record, tls: serving, ...options })
  closers.push(() => wire.stop())
  const points = await wire.start(protocols.map((protocol) => ({ protocol, address: '127.0.0.1', port: 0 })))
  return { wire, points, dropped, remotes }
}

const uriOf = ({ points }: End, host = '127.0.0.1'): string =>
  `sip:bob@${host}:${points[0]!.port};transport=${points[0]!.protocol}`
const via = (branch: string): string => `SIP/2.0/UDP ${placeholderHost};branch=z9hG4bK${branch}`
const contact = `Contact: <sip:me@${placeholderHost}>`
const request = ({ wire }: End): Promise<{ request: SipRequest; flow: Flow }> =>
  new Promise((resolve) => {
    wire.onRequest = (message, flow) => resolve({ request: message, flow })
  })
const response = ({ wire }: End): Promise<SipResponse> =>
  new Promise((resolve) => {
    wire.onResponse = (message) => resolve(message)
  })
const failure = ({ wire }: End): Promise<string> =>
  new Promise((resolve) => {
    wire.onTransportError = (_branch, _method, error) => resolve(error.message)
  })
const answering = (end: End): void => {
  end.wire.onRequest = (message) => end.wire.sendResponse(responseText(message, 200, 'bob', [contact]))
}
const seen = async (end: End, reason: RegExp): Promise<void> =>
  await expect.poll(() => end.dropped.join('\n'), { timeout: 10_000 }).toMatch(reason)

describe.each(streams)('%s', (protocol) => {
  test('twenty requests at once open one connection, and so do those of the other direction', async () => {
    const alice = await open(['udp'])
    const bob = await open([protocol])
    answering(bob)
    let answers = 0
    const done = new Promise<void>((resolve) => {
      alice.wire.onResponse = () => {
        if (++answers === 20) resolve()
      }
    })
    for (let i = 0; i < 20; i++)
      alice.wire.sendRequest(requestText({ uri: uriOf(bob), via: via(`${i}`), headers: [contact] }))
    await done
    expect(bob.remotes.size).toBe(1)
    // Bob reaches alice at her Contact, over the connection that she opened.
    const asked = request(bob)
    alice.wire.sendRequest(requestText({ uri: uriOf(bob), via: via('more'), headers: [contact] }))
    const target = (await asked).request.nameAddrs('Contact')[0]!.uriText
    const back = request(alice)
    bob.wire.sendRequest(requestText({ uri: target, via: via('back') }))
    const { request: arrived } = await back
    expect(arrived.topVia.transport).toBe(protocol.toUpperCase())
    expect(bob.remotes.size).toBe(1)
  })

  test('Via and Contact tell of the connection', async () => {
    const alice = await open(['udp'])
    const bob = await open([protocol])
    const asked = request(bob)
    alice.wire.sendRequest(requestText({ uri: uriOf(bob), via: via('tell'), headers: [contact] }))
    const { request: arrived, flow } = await asked
    const isWebSocket = protocol.startsWith('w')
    expect(flow.protocol).toBe(protocol)
    expect(arrived.topVia.host).toMatch(isWebSocket ? /^[0-9a-f]{12}\.invalid$/ : /^127\.0\.0\.1$/)
    expect(arrived.topVia.params.get('received')).toBe('127.0.0.1')
    expect(arrived.get('Contact')).toContain(`;transport=${isWebSocket ? 'ws' : protocol}>`)
  })

  test('a server that goes while it is waited for is told, and the next request opens another connection', async () => {
    const alice = await open(['udp'])
    const bob = await open([protocol])
    const asked = request(bob)
    const failed = failure(alice)
    const uri = uriOf(bob)
    alice.wire.sendRequest(requestText({ uri, via: via('cut') }))
    await asked
    bob.wire.stop()
    expect(await failed).toMatch(/closed the connection|reset|broke|ECONNRESET/)
    const again = new SipWire(nodeRuntime, { tls: serving })
    closers.push(() => again.stop())
    await again.start([bob.points[0]!])
    again.onRequest = (message) => again.sendResponse(responseText(message, 200, 'bob'))
    const answered = response(alice)
    alice.wire.sendRequest(requestText({ uri, via: via('again') }))
    expect((await answered).status).toBe(200)
  })

  test('what nobody uses is closed', async () => {
    const alice = await open(['udp'], { idleMs: 100 })
    const bob = await open([protocol])
    answering(bob)
    const closed = new Promise<void>((resolve) => {
      bob.wire.onFlowClosed = () => resolve()
    })
    alice.wire.sendRequest(requestText({ uri: uriOf(bob), via: via('idle') }))
    await closed
  })
})

describe('what comes over a connection', () => {
  const raw = async (protocol: 'tcp' | 'tls', port: number) => {
    const socket =
      protocol === 'tcp'
        ? netConnect(port, '127.0.0.1')
        : tlsConnect({ port, host: '127.0.0.1', ca: pem('ca.pem') })
    closers.push(() => socket.destroy())
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once(protocol === 'tcp' ? 'connect' : 'secureConnect', resolve))
    return socket
  }
  const message = (branch: string): string =>
    requestText({ uri: 'sip:bob@127.0.0.1', via: `SIP/2.0/TCP 127.0.0.1:1;branch=z9hG4bK${branch}` })

  test.each(['tcp', 'tls'] as const)(
    '%s: in pieces of one octet, or many messages in one',
    async (protocol) => {
      const bob = await open([protocol])
      let count = 0
      bob.wire.onRequest = () => count++
      const socket = await raw(protocol, bob.points[0]!.port)
      for (const octet of Buffer.from(message('piece'))) socket.write(Buffer.of(octet))
      socket.write(Array.from({ length: 50 }, (_, i) => message(`many${i}`)).join('\r\n\r\n'))
      await expect.poll(() => count, { timeout: 10_000 }).toBe(51)
      // RFC 5626 4.4.1: the empty lines between them were pings.
      socket.resume()
    },
  )

  test.each(['tcp', 'tls'] as const)('%s: cut in mid-message it leaves nothing', async (protocol) => {
    const bob = await open([protocol])
    let count = 0
    bob.wire.onRequest = () => count++
    const closed = new Promise<void>((resolve) => {
      bob.wire.onFlowClosed = () => resolve()
    })
    const socket = await raw(protocol, bob.points[0]!.port)
    socket.write(`${message('whole')}${message('half').slice(0, 60)}`)
    await expect.poll(() => count, { timeout: 10_000 }).toBe(1)
    socket.destroy()
    await closed
    expect(count).toBe(1)
  })

  test.each(['tcp', 'tls'] as const)('%s: a Content-Length that cannot be ends it', async (protocol) => {
    const bob = await open([protocol])
    const socket = await raw(protocol, bob.points[0]!.port)
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.resume()
    socket.write(message('wrong').replace(/Content-Length: \d+/, 'Content-Length: 99999999'))
    await gone
    await seen(bob, /connection closed: a message too large/)
  })

  test('ws: one message in each frame, whatever Content-Length says; keep-alives; a frame too large', async () => {
    const bob = await open(['ws'])
    const seenRequests: SipRequest[] = []
    bob.wire.onRequest = (arrived) => seenRequests.push(arrived)
    const client = new WebSocket(`ws://127.0.0.1:${bob.points[0]!.port}/`, ['sip'])
    closers.push(() => client.terminate())
    client.on('error', () => undefined)
    await new Promise((resolve) => client.once('open', resolve))
    const text = requestText({
      uri: 'sip:bob@127.0.0.1',
      via: 'SIP/2.0/WS abc.invalid;branch=z9hG4bKws',
      body: 'hello',
    })
    client.send(text.replace(/Content-Length: \d+\r\n/, ''))
    client.send(Buffer.from(text.replace('z9hG4bKws', 'z9hG4bKbinary')))
    await expect.poll(() => seenRequests.length, { timeout: 10_000 }).toBe(2)
    expect(seenRequests.map(({ body }) => Buffer.from(body).toString())).toEqual(['hello', 'hello'])
    const pong = new Promise<string>((resolve) => client.once('message', (data) => resolve(String(data))))
    client.send('\r\n\r\n')
    expect(await pong).toBe('\r\n')
    client.send('garbage')
    await seen(bob, /no SIP start line/)
    const gone = new Promise<number>((resolve) => client.once('close', resolve))
    client.send('x'.repeat(70_000))
    expect(await gone).toBe(1009)
  })
})

test.each(['tcp', 'ws'] as const)(
  '%s: a 2xx that can no longer be repeated, since its connection has gone and leads nowhere else, is dropped and said',
  async (protocol) => {
    const bob = await open([protocol], { timers: { t1Ms: 20, t2Ms: 160, t4Ms: 200 } })
    const alice = await open(['udp'])
    const asked = request(bob)
    alice.wire.sendRequest(
      requestText({ method: 'INVITE', uri: uriOf(bob), via: via('unheard'), headers: [contact] }),
    )
    const { request: invite } = await asked
    // Whatever its Via said: a transport on which bob has no port.
    if (protocol === 'tcp')
      invite.replaceFirst('Via', invite.get('Via')!.replace('SIP/2.0/TCP', 'SIP/2.0/UDP'))
    bob.wire.sendResponse(responseText(invite, 200, 'bob', [contact]))
    alice.wire.stop()
    await seen(bob, /^not repeated: /m)
  },
)

describe('who may be reached over a connection (RFC 5923)', () => {
  const phone: TlsSettings = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') }

  /** Alice, who listens, has called bob; then bob asks for alice at the port where she listens. */
  async function callBack(alice: TlsSettings, bob: TlsSettings, host: string) {
    const caller = await open(['tls'], { tls: alice })
    const called = await open(['tls'], { tls: bob })
    const asked = request(called)
    caller.wire.sendRequest(requestText({ uri: uriOf(called), via: via('first'), headers: [contact] }))
    const first = await asked
    const outcome = Promise.race([request(caller).then(({ flow }) => flow), failure(called)])
    const hop = {
      protocol: 'tls' as const,
      address: '127.0.0.1',
      port: caller.points[0]!.port,
      serverName: host,
    }
    called.wire.sendRequest(requestText({ uri: 'sip:alice@phone.example', via: via('back') }), hop)
    return { first, outcome: await outcome, listens: hop.port }
  }

  test('one with a verified certificate, at the names that it bears', async () => {
    const { first, outcome } = await callBack(phone, { ...serving, requestCert: true }, 'phone.example')
    expect(first.request.topVia.params.has('alias')).toBe(true)
    expect(outcome).toMatchObject({ remote: first.flow.local })
  })

  test('not at another name: a connection of its own is opened, and its certificate is looked at', async () => {
    const { outcome } = await callBack(phone, { ...serving, requestCert: true }, 'other.example')
    expect(outcome).toMatch(/is for sip:phone.example, phone.example: use that name/)
  })

  test('nobody whose certificate was not asked for', async () => {
    const { outcome, listens } = await callBack(phone, serving, 'phone.example')
    // Over another connection, to where she listens.
    expect(outcome).toMatchObject({ protocol: 'tls', local: { port: listens } })
  })
})

test('a connection to a name is not taken for another name at the same address', async () => {
  const alice = await open(['udp'])
  const bob = await open(['tls'])
  answering(bob)
  const port = bob.points[0]!.port
  const hop = (serverName: string) => ({ protocol: 'tls' as const, address: '127.0.0.1', port, serverName })
  const answered = response(alice)
  alice.wire.sendRequest(requestText({ via: via('good') }), hop('pbx.example'))
  expect((await answered).status).toBe(200)
  const failed = failure(alice)
  alice.wire.sendRequest(requestText({ via: via('bad') }), hop('elsewhere.example'))
  expect(await failed).toMatch(/is for localhost, pbx.example, 127.0.0.1, ::1/)
})

describe('sips: (RFC 3261 26.2)', () => {
  test('goes over TLS, and its Contact is one', async () => {
    const alice = await open(['udp'])
    const bob = await open(['tls'])
    const asked = request(bob)
    const answered = response(alice)
    const uri = `sips:bob@127.0.0.1:${bob.points[0]!.port}`
    alice.wire.sendRequest(requestText({ uri, via: via('sips'), headers: [contact] }))
    const { request: arrived, flow } = await asked
    expect(flow.protocol).toBe('tls')
    expect(arrived.get('Contact')).toMatch(/^<sips:me@127.0.0.1:\d+>$/)
    bob.wire.sendResponse(responseText(arrived, 200, 'bob', [contact]))
    expect((await answered).get('Contact')).toMatch(/^<sips:me@127.0.0.1:\d+>$/)
  })

  test('refuses a next hop without TLS in a sentence', async () => {
    const alice = await open(['udp'])
    const failed = failure(alice)
    alice.wire.sendRequest(
      requestText({ uri: 'sips:bob@pbx.example', via: via('proxy') }),
      'sip:127.0.0.1:5060;transport=tcp',
    )
    expect(await failed).toMatch(
      /^sips:bob@pbx.example wants TLS on the whole way, and its next hop is reached over tcp/,
    )
  })
})

test('the name of a WebSocket’s client that has gone leads nowhere, and that is said', async () => {
  const alice = await open(['udp'])
  const failed = failure(alice)
  alice.wire.sendRequest(requestText({ uri: 'sip:bob@abc.invalid;transport=ws', via: via('gone') }))
  expect(await failed).toMatch(/could not resolve abc.invalid: it is the name of a WebSocket's client/)
})

test('who connects and says nothing does not stay', async () => {
  // A server that takes the connection and never speaks TLS: the client gives up, too.
  const silent = createServer((socket) => closers.push(() => socket.destroy()))
  closers.push(() => silent.close())
  const port = await new Promise<number>((resolve) =>
    silent.listen(0, '127.0.0.1', () => resolve((silent.address() as { port: number }).port)),
  )
  const alice = await open(['udp'], { connectTimeoutMs: 100 })
  const failed = failure(alice)
  alice.wire.sendRequest(requestText({ uri: `sip:bob@127.0.0.1:${port};transport=tls`, via: via('silent') }))
  expect(await failed).toMatch(/was not set up within 100 ms/)
})
