// Two wires on real loopback sockets: loss, both transports, the switch at 1300 octets, connections that go.
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import type { Runtime, UdpSocket } from '../../../src/runtime/runtime.ts'
import type { ListeningPoint } from '../../../src/sip/flow.ts'
import type { SipRequest, SipResponse } from '../../../src/sip/message.ts'
import { placeholderHost } from '../../../src/sip/via.ts'
import { SipWire, type WireOptions } from '../../../src/sip/wire.ts'
import type { SipFact } from '../../../src/trace/facts.ts'
import { requestText, responseText } from '../../unit/sip-wire/messages.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

type MessageFact = Extract<SipFact, { type: 'message' }>

interface End {
  wire: SipWire
  udp: ListeningPoint
  tcp: ListeningPoint
  facts: MessageFact[]
  dropped: string[]
}

async function open(
  options: WireOptions = {},
  runtime: Runtime = nodeRuntime,
  address = '127.0.0.1',
): Promise<End> {
  const facts: MessageFact[] = []
  const dropped: string[] = []
  const record = (fact: SipFact): void => {
    if (fact.type === 'message') facts.push(fact)
    else dropped.push(fact.reason)
  }
  const wire = new SipWire(runtime, { record, ...options })
  closers.push(() => wire.stop())
  const [udp, tcp] = await wire.start([
    { protocol: 'udp', address, port: 0 },
    { protocol: 'tcp', address, port: 0 },
  ])
  return { wire, udp: udp!, tcp: tcp!, facts, dropped }
}

const uriOf = (user: string, point: ListeningPoint): string => {
  const host = point.address.includes(':') ? `[${point.address}]` : point.address
  return `sip:${user}@${host}:${point.port}${point.protocol === 'tcp' ? ';transport=tcp' : ''}`
}

const via = (branch: string): string => `SIP/2.0/UDP ${placeholderHost};branch=${branch}`
const contact = `Contact: <sip:me@${placeholderHost}>`

const nextResponse = (end: End): Promise<SipResponse> =>
  new Promise((resolve) => {
    end.wire.onResponse = resolve
  })
const nextRequest = (end: End): Promise<SipRequest> =>
  new Promise((resolve) => {
    end.wire.onRequest = resolve
  })

/** A runtime whose UDP sockets lose what they send, by a seeded generator. */
function lossy(lossPercent: number, seed: number): Runtime {
  let state = seed
  const lost = (): boolean => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32 < lossPercent / 100
  }
  const openUdp: Runtime['network']['openUdp'] = async (bind, options) => {
    const socket = await nodeRuntime.network.openUdp(bind, options)
    const losing: UdpSocket = {
      local: socket.local,
      send: (data, to) => {
        if (!lost()) socket.send(data, to)
      },
      get onDatagram() {
        return socket.onDatagram
      },
      set onDatagram(handler) {
        socket.onDatagram = handler
      },
      get onError() {
        return socket.onError
      },
      set onError(handler) {
        socket.onError = handler
      },
      close: () => socket.close(),
    }
    return losing
  }
  return { ...nodeRuntime, network: { ...nodeRuntime.network, openUdp } }
}

describe('UDP with 20 % loss each way', () => {
  // T1 of 100 ms: a call’s 32 s become 6.4.
  const timers = { t1Ms: 100, t2Ms: 800, t4Ms: 1_000 }

  test('a hundred calls and a hundred refusals: every message arrives, and is delivered once', async () => {
    const alice = await open({ timers }, lossy(20, 1))
    const bob = await open({ timers }, lossy(20, 2))
    const seen = new Map<string, number>()
    const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1)
    const calls = 200
    let ended = 0
    await new Promise<void>((resolve) => {
      bob.wire.onRequest = (request) => {
        count(`bob ${request.method} ${request.callId}`)
        if (request.method === 'ACK') return
        const refuse = request.method === 'INVITE' && Number(request.callId) % 2 === 1
        if (request.method === 'INVITE') bob.wire.sendResponse(responseText(request, 180, 'bob', [contact]))
        bob.wire.sendResponse(responseText(request, refuse ? 486 : 200, 'bob', [contact]))
      }
      alice.wire.onResponse = (response) => {
        const { callId, status, cseq } = response
        if (status < 200) return
        count(`alice ${status} ${cseq.method} ${callId}`)
        const uri = uriOf('bob', bob.udp)
        const inDialog = { uri, callId, toTag: response.toTag }
        if (cseq.method === 'INVITE') {
          const branch = status === 200 ? `z9hG4bKack${callId}` : `z9hG4bKinvite${callId}`
          alice.wire.sendRequest(requestText({ ...inDialog, method: 'ACK', via: via(branch) }))
          if (status === 200)
            alice.wire.sendRequest(
              requestText({ ...inDialog, method: 'BYE', cseq: 2, via: via(`z9hG4bKbye${callId}`) }),
            )
        }
        if ((cseq.method === 'BYE' || status === 486) && ++ended === calls) resolve()
      }
      for (let call = 0; call < calls; call++)
        alice.wire.sendRequest(
          requestText({
            method: 'INVITE',
            uri: uriOf('bob', bob.udp),
            callId: String(call),
            via: via(`z9hG4bKinvite${call}`),
            headers: [contact],
          }),
        )
    })
    // What is still on its way: ACKs, repeated until nobody asks again.
    const deadline = performance.now() + 5_000
    const acknowledged = () => [...seen.keys()].filter((what) => what.startsWith('bob ACK')).length
    while (acknowledged() < calls && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 10))
    expect(acknowledged()).toBe(calls)
    expect([...seen].filter(([, times]) => times !== 1)).toEqual([])
    expect(seen.size).toBe(calls * 3 + calls) // INVITE, its final response, ACK; for half of them BYE and its response
    expect(
      alice.facts.some(
        (fact) => fact.retransmission && fact.direction === 'sent' && fact.method === 'INVITE',
      ),
    ).toBe(true)
    expect(
      alice.facts.some((fact) => fact.retransmission && fact.direction === 'sent' && fact.method === 'ACK'),
    ).toBe(true)
    expect(
      bob.facts.some((fact) => fact.retransmission && fact.direction === 'sent' && fact.status === 486),
    ).toBe(true)
    expect(
      bob.facts.some((fact) => fact.retransmission && fact.direction === 'sent' && fact.status === 200),
    ).toBe(true)
  })
})

describe.each(['127.0.0.1', '0.0.0.0', '::1'])('both transports, bound to %s', (address) => {
  const reach = address === '0.0.0.0' ? '127.0.0.1' : address
  test.each(['udp', 'tcp'] as const)(
    '%s: Via and Contact name the listening point, the answer comes back',
    async (protocol) => {
      const alice = await open({}, nodeRuntime, address)
      const bob = await open({}, nodeRuntime, address)
      const asked = nextRequest(bob)
      const answered = nextResponse(alice)
      const uri = uriOf('bob', { ...bob[protocol], address: reach })
      alice.wire.sendRequest(requestText({ uri, via: via('z9hG4bKo'), headers: [contact] }))
      const request = await asked
      expect(request.topVia).toMatchObject({
        transport: protocol.toUpperCase(),
        host: reach,
        port: alice[protocol].port,
      })
      expect(request.topVia.params.get('received')).toBe(reach)
      expect(request.get('Contact')).toBe(`<${uriOf('me', { ...alice[protocol], address: reach })}>`)
      bob.wire.sendResponse(responseText(request, 200, 'bob', [contact]))
      const response = await answered
      expect(response).toMatchObject({ status: 200, toTag: 'bob' })
      expect(response.get('Contact')).toBe(`<${uriOf('me', { ...bob[protocol], address: reach })}>`)
    },
  )
})

test('one TCP connection carries everything to a place', async () => {
  const alice = await open()
  const bob = await open()
  let seen = 0
  bob.wire.onRequest = (request) => {
    seen++
    bob.wire.sendResponse(responseText(request, 200))
  }
  await new Promise<void>((resolve) => {
    let answers = 0
    alice.wire.onResponse = () => {
      if (++answers === 20) resolve()
    }
    for (let i = 0; i < 20; i++)
      alice.wire.sendRequest(requestText({ uri: uriOf('bob', bob.tcp), via: via(`z9hG4bK${i}`) }))
  })
  expect(seen).toBe(20)
  expect(new Set(alice.facts.map((fact) => fact.local.port)).size).toBe(1)
})

describe('requests above 1300 octets (RFC 3261 18.1.1)', () => {
  const large = (uri: string): string =>
    requestText({
      method: 'INVITE',
      uri,
      via: via('z9hG4bKlarge'),
      headers: [contact, 'Content-Type: text/plain'],
      body: 'x'.repeat(1_300),
    })

  test('go over TCP, and so do their CANCEL and ACK', async () => {
    const alice = await open()
    // Same port number for both, as a SIP server has it.
    const wire = new SipWire(nodeRuntime, {})
    closers.push(() => wire.stop())
    const [tcp] = await wire.start([{ protocol: 'tcp', address: '127.0.0.1', port: 0 }])
    await wire.transport.start([{ protocol: 'udp', address: '127.0.0.1', port: tcp!.port }])
    const seen: string[] = []
    const refused = nextResponse(alice)
    wire.onRequest = (request, flow) => {
      seen.push(`${request.method} ${flow.protocol} ${request.topVia.transport}`)
      if (request.method === 'INVITE')
        alice.wire.sendRequest(requestText({ method: 'CANCEL', uri, via: via('z9hG4bKlarge') }))
      if (request.method === 'CANCEL')
        wire.sendResponse(responseText(request, 487, 'b').replace('CANCEL', 'INVITE'))
    }
    const uri = uriOf('bob', { ...tcp!, protocol: 'udp' })
    alice.wire.sendRequest(large(uri))
    expect((await refused).status).toBe(487)
    const acknowledged = new Promise<void>((resolve) => {
      const previous = wire.onRequest!
      wire.onRequest = (request, flow, id) => {
        previous(request, flow, id)
        resolve()
      }
    })
    alice.wire.sendRequest(requestText({ method: 'ACK', uri, via: via('z9hG4bKlarge'), toTag: 'b' }))
    await acknowledged
    expect(seen).toEqual(['INVITE tcp TCP', 'CANCEL tcp TCP', 'ACK tcp TCP'])
  })

  test('go over UDP all the same where TCP is refused, and at once the next time', async () => {
    const alice = await open()
    const wire = new SipWire(nodeRuntime, {})
    closers.push(() => wire.stop())
    const [udp] = await wire.start([{ protocol: 'udp', address: '127.0.0.1', port: 0 }])
    const requests: SipRequest[] = []
    const twice = new Promise<void>((resolve) => {
      wire.onRequest = (request) => {
        requests.push(request)
        if (requests.length === 2) resolve()
        else alice.wire.sendRequest(large(uriOf('bob', udp!)).replaceAll('z9hG4bKlarge', 'z9hG4bKagain'))
      }
    })
    alice.wire.sendRequest(large(uriOf('bob', udp!)))
    await twice
    expect(requests.map((request) => request.topVia.transport)).toEqual(['UDP', 'UDP'])
    expect(requests[0]!.get('Contact')).toBe(`<${uriOf('me', alice.udp)}>`)
    expect(
      alice.dropped.filter((reason) => reason.startsWith('TCP for a large request failed')),
    ).toHaveLength(1)
  })
})

describe('what goes wrong is told, by branch', () => {
  const failure = (end: End): Promise<{ branch: string; method: string; message: string }> =>
    new Promise((resolve) => {
      end.wire.onTransportError = (branch, method, error) =>
        resolve({ branch, method, message: error.message })
    })

  test('a connection refused', async () => {
    const alice = await open()
    const failed = failure(alice)
    alice.wire.sendRequest(
      requestText({ uri: 'sip:bob@127.0.0.1:1;transport=tcp', via: via('z9hG4bKrefused') }),
    )
    expect(await failed).toMatchObject({
      branch: 'z9hG4bKrefused',
      method: 'OPTIONS',
      message: expect.stringMatching(/refused/),
    })
  })
  test('a name that does not exist, a transport we have not, a scheme that is no address, a request that is none', async () => {
    const alice = await open()
    for (const [uri, why] of [
      ['sip:bob@no-such-name.invalid', /resolve/],
      ['sips:bob@127.0.0.1;transport=udp', /sips:127.0.0.1 cannot be reached over udp/],
      ['sip:bob@127.0.0.1;transport=sctp', /sctp/],
      ['tel:+1', /route/],
      ['sip:bob@', /Request-URI/],
    ] as const) {
      const failed = failure(alice)
      alice.wire.sendRequest(requestText({ uri, via: via('z9hG4bKbad') }))
      expect(await failed).toMatchObject({ branch: 'z9hG4bKbad', message: expect.stringMatching(why) })
    }
  })
  test('a connection closed before the answer', async () => {
    const alice = await open()
    const server = createServer((socket) => socket.once('data', () => socket.destroy()))
    closers.push(() => server.close())
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    )
    const failed = failure(alice)
    alice.wire.sendRequest(
      requestText({ uri: `sip:bob@127.0.0.1:${port};transport=tcp`, via: via('z9hG4bKcut') }),
    )
    expect(await failed).toMatchObject({ branch: 'z9hG4bKcut' })
  })
})

test('a response goes where the Via says: rport, or the sent-by port without it (RFC 3581, RFC 3261 18.2.2)', async () => {
  const bob = await open()
  bob.wire.onRequest = (request) => bob.wire.sendResponse(responseText(request, 200))
  const bind = async () => {
    const socket = createSocket('udp4')
    closers.push(() => socket.close())
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    return socket
  }
  const sender = await bind()
  const named = await bind()
  const heard = (socket: typeof sender) =>
    new Promise<number>((resolve) => socket.once('message', (_, from) => resolve(from.port)))
  const send = (text: string) => sender.send(text, bob.udp.port, '127.0.0.1')
  const sentBy = `SIP/2.0/UDP nat.example.com:${named.address().port}`
  const atNamed = heard(named)
  send(requestText({ via: `${sentBy};branch=z9hG4bKwithout` }))
  expect(await atNamed).toBe(bob.udp.port)
  const atSender = heard(sender)
  send(requestText({ via: `${sentBy};branch=z9hG4bKwith;rport` }))
  expect(await atSender).toBe(bob.udp.port)
})

test('two wires stop and leave nothing: ports are free again', async () => {
  const alice = await open()
  alice.wire.stop()
  const again = new SipWire(nodeRuntime)
  closers.push(() => again.stop())
  await expect(again.start([alice.udp, alice.tcp])).resolves.toHaveLength(2)
})
