// The server on real loopback sockets: raw SIP text in, raw SIP text out.
import { createHash } from 'node:crypto'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, type Socket as TcpSocket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { type RunningServer, type ServeOptions, startServer } from '../../../src/serve/server.ts'
import { MessageFramer } from '../../../src/sip/framing.ts'
import type { SipMessage, SipRequest, SipResponse } from '../../../src/sip/message.ts'
import { parsed, responseText, sdp } from '../../unit/sip-wire/messages.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A SIP endpoint without behaviour. */
class Line {
  port = 0
  send: (text: string) => void = () => undefined
  private readonly inbox: SipMessage[] = []
  private readonly waiting: ((message: SipMessage) => void)[] = []
  private counter = 0

  constructor(
    readonly user: string,
    readonly protocol: 'udp' | 'tcp',
  ) {}

  take(bytes: Uint8Array): void {
    const message = parsed(Buffer.from(bytes).toString())
    const next = this.waiting.shift()
    if (next) next(message)
    else this.inbox.push(message)
  }
  next(): Promise<SipMessage> {
    const message = this.inbox.shift()
    return message ? Promise.resolve(message) : new Promise((resolve) => this.waiting.push(resolve))
  }
  async request(): Promise<SipRequest> {
    const message = await this.next()
    if (message.kind !== 'request') throw new Error(`a request was expected: ${message.startLine}`)
    return message
  }
  async response(): Promise<SipResponse> {
    const message = await this.next()
    if (message.kind !== 'response') throw new Error(`a response was expected: ${message.startLine}`)
    return message
  }
  /** Where no packet can be sent to, as behind a NAT. */
  get hiddenContact(): string {
    return `sip:${this.user}@192.168.7.7:5060`
  }
  get contact(): string {
    return `sip:${this.user}@127.0.0.1:${this.port}${this.protocol === 'tcp' ? ';transport=tcp' : ''}`
  }
  text(
    method: string,
    uri: string,
    parts: {
      to?: string
      headers?: string[]
      body?: string
      callId?: string
      cseq?: number
      branch?: string
      from?: string
      sentBy?: string
    } = {},
  ): string {
    const body = parts.body ?? ''
    const number = ++this.counter
    return [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/${this.protocol.toUpperCase()} ${parts.sentBy ?? `127.0.0.1:${this.port}`};branch=${parts.branch ?? `z9hG4bK${this.user}${number}`};rport`,
      'Max-Forwards: 70',
      `From: ${parts.from ?? `<sip:${this.user}@floe>;tag=${this.user}`}`,
      `To: ${parts.to ?? `<${uri}>`}`,
      `Call-ID: ${parts.callId ?? `call-${this.user}`}`,
      `CSeq: ${parts.cseq ?? number} ${method}`,
      ...(parts.headers ?? []),
      ...(body ? ['Content-Type: application/sdp'] : []),
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n')
  }
  async register(headers: string[] = [`Contact: <${this.contact}>;expires=60`]): Promise<SipResponse> {
    this.send(
      this.text('REGISTER', 'sip:floe', {
        to: `<sip:${this.user}@floe>`,
        callId: `register-${this.user}`,
        headers,
      }),
    )
    return this.response()
  }
}

async function udpLine(user: string, server: RunningServer): Promise<Line> {
  const line = new Line(user, 'udp')
  const socket: UdpSocket = createSocket('udp4')
  closers.push(() => socket.close())
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  line.port = socket.address().port
  const { port, address } = server.sip.find((point) => point.protocol === 'udp')!
  line.send = (text) => socket.send(text, port, address)
  socket.on('message', (data) => line.take(data))
  return line
}

async function tcpLine(user: string, server: RunningServer): Promise<Line> {
  const line = new Line(user, 'tcp')
  const { port, address } = server.sip.find((point) => point.protocol === 'tcp')!
  const socket: TcpSocket = connect(port, address)
  closers.push(() => socket.destroy())
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  line.port = socket.localPort!
  line.send = (text) => void socket.write(text)
  const framer = new MessageFramer({ onMessage: (message) => line.take(message), onPing: () => undefined })
  socket.on('data', (data) => framer.push(data))
  return line
}

async function serve(options: Partial<ServeOptions> = {}): Promise<RunningServer> {
  const server = await startServer({
    runtime: nodeRuntime,
    listen: [
      { protocol: 'udp', address: '127.0.0.1', port: 0 },
      { protocol: 'tcp', address: '127.0.0.1', port: 0 },
    ],
    ...options,
  })
  closers.push(() => server.stop())
  return server
}

/** The dialog's route set as the caller (reversed) or the callee sees it (RFC 3261 12.1). */
const routes = (message: SipMessage, reverse: boolean): string[] => {
  const list = message.list('Record-Route')
  return (reverse ? list.reverse() : list).map((route) => `Route: ${route}`)
}

/** INVITE, 180, 200, ACK, INFO from the callee, BYE from the caller, all through the server. */
async function callThrough(alice: Line, bob: Line): Promise<void> {
  expect(await alice.register()).toMatchObject({ status: 200 })
  expect(await bob.register()).toMatchObject({ status: 200 })
  const headers = [`Contact: <${alice.contact}>`]
  alice.send(
    alice.text('INVITE', 'sip:bob@floe', {
      headers,
      body: sdp,
      callId: 'c1',
      cseq: 1,
      branch: 'z9hG4bKinvite',
    }),
  )
  const invite = await bob.request()
  expect(invite).toMatchObject({ method: 'INVITE', uriText: bob.contact, maxForwards: 69, bodyText: sdp })
  expect(invite.lines('Via')).toHaveLength(2)
  bob.send(
    responseText(invite, 180, 'bobtag', [
      `Contact: <${bob.contact}>`,
      ...invite.lines('Record-Route').map((r) => `Record-Route: ${r}`),
    ]),
  )
  const ringing = await alice.response()
  expect(ringing.status).toBe(180)
  expect(ringing.lines('Via')).toHaveLength(1)
  bob.send(
    responseText(invite, 200, 'bobtag', [
      `Contact: <${bob.contact}>`,
      ...invite.lines('Record-Route').map((r) => `Record-Route: ${r}`),
    ]),
  )
  const accepted = await alice.response()
  expect(accepted.status).toBe(200)

  const to = accepted.get('To')!
  alice.send(alice.text('ACK', bob.contact, { to, callId: 'c1', cseq: 1, headers: routes(accepted, true) }))
  expect(await bob.request()).toMatchObject({ method: 'ACK', uriText: bob.contact, toTag: 'bobtag' })

  const from = invite.get('From')!
  bob.send(
    bob.text('INFO', alice.contact, {
      to: from,
      from: accepted.get('To')!,
      callId: 'c1',
      headers: routes(invite, false),
    }),
  )
  const info = await alice.request()
  expect(info).toMatchObject({ method: 'INFO', uriText: alice.contact })
  expect(info.lines('Route')).toEqual([])
  alice.send(responseText(info, 200))
  expect(await bob.response()).toMatchObject({ status: 200, cseq: { method: 'INFO' } })

  alice.send(alice.text('BYE', bob.contact, { to, callId: 'c1', cseq: 2, headers: routes(accepted, true) }))
  const bye = await bob.request()
  expect(bye.method).toBe('BYE')
  bob.send(responseText(bye, 200))
  expect(await alice.response()).toMatchObject({ status: 200, cseq: { method: 'BYE' } })
}

test('a call between two UDP phones, requests in the dialog both ways', async () => {
  const server = await serve()
  await callThrough(await udpLine('alice', server), await udpLine('bob', server))
})

test('a call from UDP to TCP: the dialog is routed through both transports', async () => {
  const server = await serve()
  await callThrough(await udpLine('alice', server), await tcpLine('bob', server))
})

test('a call from TCP to UDP', async () => {
  const server = await serve()
  await callThrough(await tcpLine('alice', server), await udpLine('bob', server))
})

test('a refused call: CANCEL and ACK take the way of the INVITE, with its branch', async () => {
  const server = await serve()
  const alice = await udpLine('alice', server)
  const bob = await udpLine('bob', server)
  await bob.register()
  const same = { callId: 'c2', cseq: 1, branch: 'z9hG4bKsame' }
  alice.send(alice.text('INVITE', 'sip:bob@floe', same))
  const invite = await bob.request()
  alice.send(alice.text('CANCEL', 'sip:bob@floe', same))
  const cancel = await bob.request()
  expect(cancel).toMatchObject({ method: 'CANCEL' })
  expect(cancel.topVia.params.get('branch')).toBe(invite.topVia.params.get('branch'))
  bob.send(responseText(invite, 487, 'bobtag'))
  const refused = await alice.response()
  expect(refused.status).toBe(487)
  alice.send(alice.text('ACK', 'sip:bob@floe', { ...same, to: refused.get('To')! }))
  const ack = await bob.request()
  expect(ack).toMatchObject({ method: 'ACK', toTag: 'bobtag' })
  expect(ack.topVia.params.get('branch')).toBe(invite.topVia.params.get('branch'))
})

test('404 for strangers, 480 for who has gone; the ACK to them ends here', async () => {
  const server = await serve()
  const alice = await udpLine('alice', server)
  const bob = await udpLine('bob', server)
  alice.send(alice.text('INVITE', 'sip:nobody@floe'))
  expect(await alice.response()).toMatchObject({ status: 404 })
  await bob.register()
  expect(await bob.register(['Contact: *', 'Expires: 0'])).toMatchObject({ status: 200 })
  expect(server.registrations()).toEqual([])
  alice.send(alice.text('INVITE', 'sip:bob@floe', { callId: 'gone', cseq: 1 }))
  const gone = await alice.response()
  expect(gone).toMatchObject({ status: 480 })
  await bob.register()
  alice.send(alice.text('ACK', 'sip:bob@floe', { callId: 'gone', cseq: 1, to: gone.get('To')! }))
  alice.send(alice.text('MESSAGE', 'sip:bob@floe', { callId: 'later' }))
  expect(await bob.request()).toMatchObject({ method: 'MESSAGE' })
})

test('a phone behind a NAT is reached where its REGISTER came from', async () => {
  const server = await serve()
  const alice = await udpLine('alice', server)
  const bob = await udpLine('bob', server)
  bob.send(
    bob.text('REGISTER', 'sip:floe', {
      to: '<sip:bob@floe>',
      sentBy: '192.168.7.7:5060',
      headers: ['Contact: <sip:bob@192.168.7.7:5060>'],
    }),
  )
  const registered = await bob.response()
  expect(registered.topVia.params.get('received')).toBe('127.0.0.1')
  expect(registered.topVia.params.get('rport')).toBe(String(bob.port))
  alice.send(alice.text('INVITE', 'sip:bob@floe'))
  expect(await bob.request()).toMatchObject({ method: 'INVITE', uriText: 'sip:bob@192.168.7.7:5060' })
})

/** INVITE and 200 between phones whose Contact leads nowhere; the route set of each. */
async function hiddenDialog(alice: Line, bob: Line): Promise<{ aliceRoutes: string[]; bobRoutes: string[] }> {
  await bob.register([`Contact: <${bob.hiddenContact}>;expires=60`])
  const headers = [`Contact: <${alice.hiddenContact}>`]
  alice.send(alice.text('INVITE', 'sip:bob@floe', { headers, callId: 'hidden', cseq: 1 }))
  const invite = await bob.request()
  const recordRoutes = invite.lines('Record-Route').map((route) => `Record-Route: ${route}`)
  bob.send(responseText(invite, 200, 'bobtag', [`Contact: <${bob.hiddenContact}>`, ...recordRoutes]))
  return { aliceRoutes: routes(await alice.response(), true), bobRoutes: routes(invite, false) }
}

const inDialog = (from: Line, method: string, to: Line, headers: string[]): string =>
  from.text(method, to.hiddenContact, {
    to: `<sip:${to.user}@floe>;tag=${to.user}tag`,
    callId: 'hidden',
    headers,
  })

test.each([
  ['udp', 'udp'],
  ['tcp', 'udp'],
  ['udp', 'tcp'],
  ['tcp', 'tcp'],
] as const)(
  'both behind NATs, %s to %s: requests of the dialog go where each was seen, registered or not',
  async (left, right) => {
    const server = await serve()
    const line = (user: string, protocol: 'udp' | 'tcp'): Promise<Line> =>
      protocol === 'udp' ? udpLine(user, server) : tcpLine(user, server)
    const alice = await line('alice', left)
    const bob = await line('bob', right)
    const { aliceRoutes, bobRoutes } = await hiddenDialog(alice, bob)
    alice.send(inDialog(alice, 'ACK', bob, aliceRoutes))
    expect(await bob.request()).toMatchObject({ method: 'ACK', uriText: bob.hiddenContact })
    bob.send(inDialog(bob, 'BYE', alice, bobRoutes))
    const bye = await alice.request()
    expect(bye).toMatchObject({ method: 'BYE', uriText: alice.hiddenContact })
    expect(bye.lines('Route')).toEqual([])
    alice.send(responseText(bye, 200))
    expect(await bob.response()).toMatchObject({ status: 200, cseq: { method: 'BYE' } })
    // Gone from the registrar, bob is still found by the route.
    await bob.register(['Contact: *', 'Expires: 0'])
    alice.send(inDialog(alice, 'INFO', bob, aliceRoutes))
    expect(await bob.request()).toMatchObject({ method: 'INFO' })
  },
)

test('a route of ours whose flow token was changed, or stands beside another address, leads nowhere', async () => {
  const server = await serve()
  const alice = await udpLine('alice', server)
  const bob = await udpLine('bob', server)
  const { aliceRoutes } = await hiddenDialog(alice, bob)
  await bob.register(['Contact: *', 'Expires: 0'])
  const tcpPort = server.sip.find(({ protocol }) => protocol === 'tcp')!.port
  const last = aliceRoutes[1]!
  const forged = [
    last.replace(/sip:(.)/, (_, first) => `sip:${first === 'A' ? 'B' : 'A'}`),
    last.replace(/sip:[^@]+/, 'sip:AAAA'),
    last.replace(/sip:[^@]+@/, 'sip:'),
    last.replace(/@[^;]+/, `@localhost:${tcpPort}`),
    last.replace(';lr', ';transport=tcp;lr'),
  ]
  for (const route of forged) {
    expect(route).not.toBe(last)
    alice.send(inDialog(alice, 'INFO', bob, [aliceRoutes[0]!, route]))
    expect((await alice.response()).status).toBe(480)
  }
})

/** A UDP phone that listens on TCP at the same port. */
async function bothLines(user: string, server: RunningServer): Promise<{ udp: Line; tcp: Line }> {
  const udp = await udpLine(user, server)
  const tcp = new Line(user, 'tcp')
  const listener = createServer((socket) => {
    const framer = new MessageFramer({ onMessage: (message) => tcp.take(message), onPing: () => undefined })
    socket.on('data', (data) => framer.push(data))
    tcp.send = (text) => void socket.write(text)
    closers.push(() => socket.destroy())
  })
  closers.push(() => listener.close())
  await new Promise<void>((resolve) => listener.listen(udp.port, '127.0.0.1', resolve))
  tcp.port = udp.port
  return { udp, tcp }
}

test('what came over TCP goes on over TCP where the phone listens for it; the dialog stays there', async () => {
  const server = await serve()
  const alice = await tcpLine('alice', server)
  const bob = await bothLines('bob', server)
  await bob.udp.register()
  alice.send(alice.text('INVITE', 'sip:bob@floe', { headers: [`Contact: <${alice.contact}>`], cseq: 1 }))
  const invite = await bob.tcp.request()
  expect(invite.topVia.transport).toBe('TCP')
  const recordRoutes = invite.lines('Record-Route')
  expect(recordRoutes.map((route) => route.includes('transport=tcp'))).toEqual([true, true])
  bob.tcp.send(
    responseText(
      invite,
      200,
      'bobtag',
      recordRoutes.map((route) => `Record-Route: ${route}`),
    ),
  )
  const accepted = await alice.response()
  const parts = { to: accepted.get('To')!, cseq: 1, headers: routes(accepted, true) }
  alice.send(alice.text('ACK', bob.udp.contact, parts))
  expect(await bob.tcp.request()).toMatchObject({ method: 'ACK' })
})

test('a request above 1300 octets goes over TCP (RFC 3261 18.1.1), a small one stays on UDP', async () => {
  const server = await serve()
  const alice = await udpLine('alice', server)
  const bob = await bothLines('bob', server)
  await bob.udp.register()
  alice.send(alice.text('MESSAGE', 'sip:bob@floe', { body: 'x'.repeat(1_300) }))
  expect((await bob.tcp.request()).body).toHaveLength(1_300)
  alice.send(alice.text('MESSAGE', 'sip:bob@floe', { body: 'x'.repeat(300) }))
  expect((await bob.udp.request()).body).toHaveLength(300)
})

test('a large request for a phone without TCP goes over UDP all the same', async () => {
  const server = await serve()
  const alice = await udpLine('alice', server)
  const bob = await udpLine('bob', server)
  await bob.register()
  for (let i = 0; i < 2; i++) {
    alice.send(alice.text('MESSAGE', 'sip:bob@floe', { body: 'x'.repeat(1_300) }))
    expect((await bob.request()).body).toHaveLength(1_300)
  }
})

test('several contacts: the newest is called, the others stay listed', async () => {
  const server = await serve()
  const alice = await udpLine('alice', server)
  const desk = await udpLine('bob', server)
  const mobile = await udpLine('bob', server)
  await desk.register()
  const second = await mobile.register()
  expect(second.list('Contact').map((contact) => contact.replace(/;.*/, ''))).toEqual([
    `<${desk.contact}>`,
    `<${mobile.contact}>`,
  ])
  alice.send(alice.text('MESSAGE', 'sip:bob@floe'))
  expect(await mobile.request()).toMatchObject({ uriText: mobile.contact })
  await mobile.register([`Contact: <${mobile.contact}>;expires=0`])
  alice.send(alice.text('MESSAGE', 'sip:bob@floe'))
  expect(await desk.request()).toMatchObject({ uriText: desk.contact })
})

test('423 with Min-Expires, 420, 483, 416, OPTIONS', async () => {
  const server = await serve({ minimumExpiresSeconds: 30 })
  const alice = await udpLine('alice', server)
  const brief = await alice.register([`Contact: <${alice.contact}>;expires=5`])
  expect(brief).toMatchObject({ status: 423 })
  expect(brief.get('Min-Expires')).toBe('30')
  expect(await alice.register(['Require: nothingKnown'])).toMatchObject({ status: 420 })
  alice.send(alice.text('INVITE', 'tel:+4915112345'))
  expect(await alice.response()).toMatchObject({ status: 416 })
  alice.send(alice.text('OPTIONS', 'sip:floe'))
  expect(await alice.response()).toMatchObject({ status: 200 })
  alice.send(alice.text('MESSAGE', 'sip:bob@floe').replace('Max-Forwards: 70', 'Max-Forwards: 0'))
  expect(await alice.response()).toMatchObject({ status: 483 })
})

function authorize(line: Line, challenge: string, method: string, uri: string, password: string): string {
  const field = (name: string): string => new RegExp(`${name}="?([^",]+)`).exec(challenge)![1]!
  const hash = (text: string): string =>
    createHash(field('algorithm') === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex')
  const a1 = hash(`${line.user}:${field('realm')}:${password}`)
  const response = hash(`${a1}:${field('nonce')}:00000001:abc:auth:${hash(`${method}:${uri}`)}`)
  return `Digest username="${line.user}", realm="${field('realm')}", nonce="${field('nonce')}", uri="${uri}", response="${response}", algorithm=${field('algorithm')}, qop=auth, nc=00000001, cnonce="abc"`
}

test.each(['MD5', 'SHA-256'] as const)('digest %s: challenged, accepted, refused', async (algorithm) => {
  const server = await serve({
    users: { alice: 'secret', bob: 'other' },
    algorithms: [algorithm],
    challengeCalls: true,
  })
  const alice = await udpLine('alice', server)
  const contact = `Contact: <${alice.contact}>`
  const challenged = await alice.register([contact])
  expect(challenged.status).toBe(401)
  const challenge = challenged.get('WWW-Authenticate')!
  const wrong = authorize(alice, challenge, 'REGISTER', 'sip:floe', 'wrong')
  expect(await alice.register([contact, `Authorization: ${wrong}`])).toMatchObject({ status: 401 })
  expect(server.registrations()).toEqual([])
  const right = authorize(alice, challenge, 'REGISTER', 'sip:floe', 'secret')
  expect(await alice.register([contact, `Authorization: ${right}`])).toMatchObject({ status: 200 })
  expect(server.registrations()).toMatchObject([{ user: 'alice', contact: alice.contact }])

  const bob = await udpLine('bob', server)
  expect(await bob.register([contact, `Authorization: ${right}`])).toMatchObject({ status: 403 })

  alice.send(alice.text('INVITE', 'sip:bob@floe'))
  const asked = await alice.response()
  expect(asked.status).toBe(407)
  const credentials = authorize(alice, asked.get('Proxy-Authenticate')!, 'INVITE', 'sip:bob@floe', 'secret')
  alice.send(alice.text('INVITE', 'sip:bob@floe', { headers: [`Proxy-Authorization: ${credentials}`] }))
  expect(await alice.response()).toMatchObject({ status: 480 })
})

test('a nonce that is not ours, or too old, is challenged again', async () => {
  const server = await serve({ users: { alice: 'secret' } })
  const alice = await udpLine('alice', server)
  const challenge = (await alice.register()).get('WWW-Authenticate')!
  const forged = challenge.replace(/nonce="[^"]+"/, 'nonce="1.00000000000000000000000000000000"')
  const again = await alice.register([
    `Authorization: ${authorize(alice, forged, 'REGISTER', 'sip:floe', 'secret')}`,
  ])
  expect(again.status).toBe(401)
  expect(again.get('WWW-Authenticate')).toContain('stale=true')
})

test('a malformed request is answered 400, garbage is not answered at all', async () => {
  const server = await serve()
  const alice = await udpLine('alice', server)
  alice.send('\0\0\0\0garbage')
  alice.send('hello\r\n\r\n')
  alice.send(alice.text('OPTIONS', 'sip:floe').replace('Max-Forwards: 70', 'Max-Forwards: many'))
  expect(await alice.response()).toMatchObject({ status: 400 })
})

test('STUN Binding requests are answered on the SIP port and on a port of its own', async () => {
  const server = await serve({ stun: { address: '127.0.0.1', port: 0 } })
  const socket = createSocket('udp4')
  closers.push(() => socket.close())
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const request = Buffer.from(`000100002112a442${'ab'.repeat(12)}`, 'hex')
  for (const to of [server.stun!, server.sip[0]!]) {
    const answer = new Promise<Buffer>((resolve) => socket.once('message', resolve))
    socket.send(request, to.port, to.address)
    const bytes = await answer
    expect(bytes.readUInt16BE(0)).toBe(0x0101)
    // XOR-MAPPED-ADDRESS, RFC 8489 14.2.
    expect(bytes.readUInt16BE(20)).toBe(0x0020)
    expect(bytes.readUInt16BE(26) ^ 0x2112).toBe(socket.address().port)
  }
})

test('a port in use is one sentence', async () => {
  const server = await serve()
  await expect(serve({ listen: [server.sip[0]!] })).rejects.toThrow(/in use/)
})
