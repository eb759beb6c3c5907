// A SIP peer that does exactly what a test says: raw UDP messages in a simulated network, nothing automatic.
import type { TransportAddress } from '../../../src/runtime/address.ts'
import type { UdpSocket } from '../../../src/runtime/runtime.ts'
import { type Simulation, simulate } from '../../../src/sim/simulate.ts'
import { parseMessage, type SipMessage, type SipRequest, type SipResponse } from '../../../src/sip/message.ts'
import type { Body, EndInfo, ResponseInfo, SessionHandler } from '../../../src/sip/session.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import type { SipFact } from '../../../src/trace/facts.ts'

export const sdp = (what = 'offer'): Body => ({
  contentType: 'application/sdp',
  content: `v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=${what}\r\nt=0 0\r\n`,
})

interface Extra {
  tag?: string
  headers?: string[]
  body?: Body
  reason?: string
}

export class ScriptedPeer {
  readonly inbox: SipMessage[] = []
  private readonly waiting: { wanted: string | number; resolve: (message: SipMessage) => void }[] = []
  private sequence = 0

  private constructor(
    private readonly socket: UdpSocket,
    readonly agent: TransportAddress,
  ) {
    socket.onDatagram = (data) => {
      const result = parseMessage(data)
      if (!('message' in result)) return
      const { message } = result
      const index = this.waiting.findIndex(({ wanted }) => matches(message, wanted))
      if (index >= 0) this.waiting.splice(index, 1)[0]!.resolve(message)
      else this.inbox.push(message)
    }
  }

  static async open(world: Simulation, address: string, agent: TransportAddress): Promise<ScriptedPeer> {
    const host = world.host(`peer ${address}`, world.internet.at(address, { latencyMs: 1 }))
    return new ScriptedPeer(await host.openUdp({ address, port: 5060 }), agent)
  }

  get uri(): string {
    return `sip:bob@${this.socket.local.address}:5060`
  }

  /** The next message of that method or status that nobody has taken yet. */
  async request(method: string): Promise<SipRequest> {
    return (await this.next(method)) as SipRequest
  }
  async response(status: number): Promise<SipResponse> {
    return (await this.next(status)) as SipResponse
  }
  private next(wanted: string | number): Promise<SipMessage> {
    const index = this.inbox.findIndex((message) => matches(message, wanted))
    if (index >= 0) return Promise.resolve(this.inbox.splice(index, 1)[0]!)
    return new Promise((resolve) => this.waiting.push({ wanted, resolve }))
  }

  raw(text: string): void {
    this.socket.send(Buffer.from(text), this.agent)
  }

  reply(request: SipRequest, status: number, extra: Extra = {}): void {
    const lines = [`SIP/2.0 ${status} ${extra.reason ?? 'Whatever'}`]
    for (const name of ['Via', 'Record-Route', 'From', 'Call-ID', 'CSeq'])
      lines.push(...request.lines(name).map((value) => `${name}: ${value}`))
    const to = request.get('To')!
    const tag = extra.tag ?? (status > 100 ? 'peer' : '')
    lines.push(`To: ${to}${/;tag=/.test(to) || tag === '' ? '' : `;tag=${tag}`}`)
    if (status > 100 && status < 300 && !extra.headers?.some((header) => header.startsWith('Contact')))
      lines.push(`Contact: <${this.uri}>`)
    this.raw(withBody([...lines, ...(extra.headers ?? [])], extra.body))
  }

  /** Text of a request out of thin air; `fields` replaces lines by header name. */
  compose(
    method: string,
    fields: Record<string, string | undefined> = {},
    body?: Body,
    uri?: string,
  ): string {
    const n = ++this.sequence
    const { address } = this.socket.local
    const headers: Record<string, string | undefined> = {
      Via: `SIP/2.0/UDP ${address}:5060;branch=z9hG4bK${n}test;rport`,
      'Max-Forwards': '70',
      From: `"Bob" <sip:bob@${address}>;tag=bobtag`,
      To: `<sip:alice@${this.agent.address}>`,
      'Call-ID': `call${n}`,
      CSeq: `${n} ${method}`,
      Contact: `<${this.uri}>`,
      ...fields,
    }
    const lines = [`${method} ${uri ?? `sip:alice@${this.agent.address}`} SIP/2.0`]
    for (const [name, value] of Object.entries(headers))
      if (value !== undefined) lines.push(`${name}: ${value}`)
    return withBody(lines, body)
  }

  send(method: string, fields: Record<string, string | undefined> = {}, body?: Body, uri?: string): void {
    this.raw(this.compose(method, fields, body, uri))
  }

  /** The same dialog's next request; `ours` is a request or response of the agent that carries both tags. */
  inDialog(ours: SipMessage, method: string, sequence: number, extra: Extra = {}): void {
    const fromUs = ours.kind === 'request'
    const headers: Record<string, string> = {
      From: (fromUs ? ours.get('To') : ours.get('From'))!,
      To: (fromUs ? ours.get('From') : ours.get('To'))!,
      'Call-ID': ours.callId,
      CSeq: `${sequence} ${method}`,
    }
    for (const line of extra.headers ?? []) headers[line.split(':')[0]!] = line.slice(line.indexOf(':') + 2)
    this.send(method, headers, extra.body)
  }

  close(): void {
    this.socket.close()
  }
}

const matches = (message: SipMessage, wanted: string | number): boolean =>
  message.kind === 'request' ? message.method === wanted : message.status === wanted

const withBody = (lines: string[], body?: Body): string => {
  const typed = body ? [...lines, `Content-Type: ${body.contentType}`] : lines
  const content = body?.content ?? ''
  return `${[...typed, `Content-Length: ${Buffer.byteLength(content)}`].join('\r\n')}\r\n\r\n${content}`
}

/** A handler that writes down what it hears. */
export class Listener implements SessionHandler {
  readonly heard: string[] = []
  readonly provisional: ResponseInfo[] = []
  accepted: ResponseInfo | undefined
  confirmed: { answer: Body | undefined } | undefined
  ended: EndInfo | undefined
  rejected: ResponseInfo | undefined
  readonly end: Promise<EndInfo>
  readonly answered: Promise<ResponseInfo>
  private finish!: (end: EndInfo) => void
  private answer!: (info: ResponseInfo) => void

  constructor(private readonly lateAnswer?: Body) {
    this.end = new Promise((resolve) => {
      this.finish = resolve
    })
    this.answered = new Promise((resolve) => {
      this.answer = resolve
    })
  }
  onProvisional(response: ResponseInfo): void {
    this.heard.push(String(response.status))
    this.provisional.push(response)
  }
  onAccepted(response: ResponseInfo, acknowledge: (answer?: Body) => void): void {
    this.heard.push('accepted')
    this.accepted = response
    acknowledge(this.lateAnswer)
    this.answer(response)
  }
  onConfirmed(answer?: Body): void {
    this.heard.push('confirmed')
    this.confirmed = { answer }
  }
  onEnded(end: EndInfo, rejected?: ResponseInfo): void {
    this.heard.push('ended')
    if (this.ended) throw new Error('onEnded twice')
    this.ended = end
    this.rejected = rejected
    this.finish(end)
  }
}

export interface Scene {
  world: Simulation
  agent: UserAgent
  peer: ScriptedPeer
  facts: SipFact[]
  /** Lets virtual time pass until the task settles. */
  run<T>(task: Promise<T>): Promise<T>
  /** Reasons of dropped messages that speak of our own errors. */
  internalErrors(): string[]
  close(): Promise<void>
}

const agentAddress = '192.0.2.1'

/** A user agent at 192.0.2.1 and a scripted peer at 192.0.2.2. */
export async function scene(seed = 1): Promise<Scene> {
  const world = simulate(seed)
  const restore = world.clock.installGlobals()
  const host = world.host('agent', world.internet.at(agentAddress, { latencyMs: 1 }))
  const facts: SipFact[] = []
  const listen = [
    { protocol: 'udp' as const, address: agentAddress, port: 5060 },
    { protocol: 'tcp' as const, address: agentAddress, port: 5060 },
  ]
  const agent = await UserAgent.start({ runtime: host, listen, record: (fact) => facts.push(fact) })
  const peer = await ScriptedPeer.open(world, '192.0.2.2', { address: agentAddress, port: 5060 })
  return {
    world,
    agent,
    peer,
    facts,
    run: (task) => world.clock.run(task),
    internalErrors: () =>
      facts.flatMap((fact) =>
        fact.type === 'dropped' && fact.reason.startsWith('internal error') ? [fact.reason] : [],
      ),
    async close() {
      await world.clock.run(agent.stop({ deadlineMs: 100 }))
      await world.clock.advance(10)
      peer.close()
      restore()
    },
  }
}
