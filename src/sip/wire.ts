// What the user agent half of src/sip stands on: transport, routing and retransmission in one object. Text of sip.js goes in,
// parsed messages come out; everything unreliable about UDP (RFC 3261 17) is dealt with below this line.
import { NetworkError, UsageError } from '../errors.ts'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis, Runtime, Timer } from '../runtime/runtime.ts'
import type { SipFact } from '../trace/facts.ts'
import { chain, settle } from './chain.ts'
import { ClientReliability } from './client-reliability.ts'
import { DestinationResolver } from './destination.ts'
import { type Flow, type Hop, hopTo, isReliable, isSecure, type ListeningPoint } from './flow.ts'
import type { TurnedAway } from './gate.ts'
import { isIpLiteral } from './grammar.ts'
import {
  parseMessage,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  serializeMessage,
} from './message.ts'
import { OutgoingRequests } from './outgoing-requests.ts'
import {
  type MessageDescription,
  type Packet,
  rfc3261Timers,
  serverKey,
  type TimerValues,
} from './reliability.ts'
import { ServerReliability, type ServerTransaction } from './server-reliability.ts'
import { answerStateless } from './stateless.ts'
import { SipTransport, type TransportOptions } from './transport.ts'
import type { SipUri } from './uri.ts'
import { placeholderHost, responseDestination, rewriteContact } from './via.ts'

export interface WireOptions extends TransportOptions {
  record?: (fact: SipFact) => void
  /** For tests. */
  timers?: TimerValues
}

export class SipWire {
  /** A request that is no retransmission. `transactionId` tells server transactions apart (RFC 3261 17.2.3) and stands in for
   *  the branch, which RFC 2543 peers do not have: give it to sip.js as `viaBranch`. ACK to a non-2xx and CANCEL have the id of
   *  their INVITE. Its top Via already holds received and rport. */
  onRequest: ((request: SipRequest, flow: Flow, transactionId: string) => void) | undefined
  /** A response that is no retransmission and belongs to a request sent here. */
  onResponse: ((response: SipResponse, flow: Flow) => void) | undefined
  /** The request with this branch could not be sent, or its connection went before a final response. Never called from within sendRequest. */
  onTransportError: ((branch: string, method: string, error: Error) => void) | undefined
  /** A TCP connection has gone: peers that were told of it cannot reach us any more. */
  onFlowClosed: ((flow: Flow) => void) | undefined

  /** Asked about each request outside of a dialog that has not come before; what it returns is the answer. */
  gate: ((request: SipRequest, flow: Flow, transactions: number) => TurnedAway | undefined) | undefined

  /** A 2xx of ours was acknowledged for the first time, so long after it was sent. */
  onAcknowledged: ((afterMs: Millis) => void) | undefined

  readonly transport: SipTransport
  private readonly resolver: DestinationResolver
  private readonly outgoing: OutgoingRequests
  private readonly client: ClientReliability
  private readonly server: ServerReliability
  private readonly record: ((fact: SipFact) => void) | undefined
  private timer: Timer | undefined
  private armedFor: Millis = Number.POSITIVE_INFINITY
  private stopped = false

  constructor(
    private readonly runtime: Runtime,
    options: WireOptions = {},
  ) {
    const timers = options.timers ?? rfc3261Timers
    this.record = options.record
    this.client = new ClientReliability(timers)
    this.server = new ServerReliability(timers, (afterMs) => this.onAcknowledged?.(afterMs))
    this.transport = new SipTransport(runtime, options)
    this.resolver = new DestinationResolver(runtime, this.transport.reaches)
    this.outgoing = new OutgoingRequests(runtime, this.transport, this.resolver, this.client, {
      transmit: (request, data, flow) => this.transmit(request, data, flow),
      deliver: (response, flow) => this.onResponse?.(response, flow),
      fail: (branch, method, error) => this.failed(branch, method, error),
      dropped: (remote, reason) => this.dropped(remote, reason),
    })
    this.transport.onMessage = (message, flow, lengthBytes) => this.received(message, flow, lengthBytes)
    this.transport.onDropped = (remote, reason) => this.dropped(remote, reason)
    this.transport.onFlowClosed = (flow, error) => {
      for (const { branch, method } of this.client.lose(flow))
        this.outgoing.lost(branch, method, error ?? closedError(flow))
      if (!this.stopped) this.onFlowClosed?.(flow)
    }
  }

  /** Opens every listening point or none; returns them with their real ports. Rejects with NetworkError. */
  start(listen: readonly ListeningPoint[]): Promise<ListeningPoint[]> {
    return this.transport.start(listen)
  }

  /** Closes everything at once; what the user agent still wants to say must have been said. */
  stop(): void {
    this.stopped = true
    this.timer?.cancel()
    this.outgoing.stop()
    this.transport.stop()
  }

  /** Transactions kept at the moment, for reports and tests. */
  get transactions(): { client: number; server: number } {
    return { client: this.client.size, server: this.server.size }
  }

  /** `hop`: a place, or the SIP URI of an outbound proxy to be resolved (RFC 3263 4), which requests in a dialog no longer go
   *  to; absent: first Route, else Request-URI. CANCEL, and ACK to a non-2xx, always follow their INVITE. Failures arrive through onTransportError, never as an exception. */
  sendRequest(text: string, hop?: Hop | string): void {
    const parsed = parseMessage(Buffer.from(text))
    if (!('message' in parsed) || parsed.message.kind !== 'request') {
      const reason = 'problem' in parsed ? parsed.problem : 'a status line'
      const via = 'problem' in parsed ? parsed.request?.get('Via') : undefined
      const branch = /;\s*branch\s*=\s*([^;\s]+)/i.exec(via ?? '')?.[1] ?? ''
      this.failed(
        branch,
        text.slice(0, text.indexOf(' ')),
        new UsageError(`cannot send a request with ${reason}`),
      )
      return
    }
    this.outgoing.send(parsed.message, hop)
  }

  /** Finds its way by the server transaction it answers, else by its top Via (RFC 3261 18.2.2). */
  sendResponse(text: string): void {
    const parsed = parseMessage(Buffer.from(text))
    if (!('message' in parsed) || parsed.message.kind !== 'response') {
      const reason = 'problem' in parsed ? parsed.problem : 'a request line'
      throw new UsageError(`cannot send a response with ${reason}`)
    }
    const response = parsed.message
    const transaction = this.server.transactionOf(response)
    if (transaction && !this.server.isOpen(transaction)) return
    const fail = (error: unknown): void => {
      this.dropped(transaction?.flow.remote ?? noAddress, `response not sent: ${asError(error).message}`)
    }
    settle(
      () => this.responseFlow(response, transaction?.flow),
      (flow) => this.respond(response, flow, transaction),
      fail,
    )
  }

  /** Stops repeating the 2xx of an INVITE whose ACK will not come: the peer has hung up. */
  settle(transactionId: string): void {
    this.server.settle(transactionId)
  }

  /** Stops repeating an INVITE that nobody waits for any more. */
  giveUp(transactionId: string): void {
    this.outgoing.giveUp(transactionId)
  }

  /** Sends an INVITE that is to be cancelled to no further server. */
  stopTrying(transactionId: string): void {
    this.outgoing.stopTrying(transactionId)
  }

  /** Where requests for that URI would go, best first. */
  destinations(uri: SipUri): readonly Hop[] | Promise<readonly Hop[]> {
    return this.outgoing.destinations(uri)
  }

  /** Interfaces have come or gone. */
  networkChanged(): void {
    this.transport.networkChanged()
  }

  // ---- requests out ----------------------------------------------------------------------------------------------------

  private transmit(request: SipRequest, data: Uint8Array, flow: Flow): void {
    if (this.stopped) return
    const fallback = hopTo(flow)
    const packet = { data, flow, fallback, description: this.describe(request) }
    this.emit(packet, false)
    if (request.method === 'ACK') this.client.acknowledged(request, packet)
    else this.client.sent(this.runtime.clock.now(), request, packet)
    this.arm()
  }

  // ---- responses out ---------------------------------------------------------------------------------------------------

  private responseFlow(response: SipResponse, source: Flow | undefined): Flow | Promise<Flow> {
    if (source?.open && isReliable(source.protocol)) return source
    const { protocol, host, port } = responseDestination(response.topVia)
    if (source?.protocol === 'udp' && source.remote.address === host && source.remote.port === port)
      return source
    const place = this.resolver.resolveHost(protocol, host, port)
    if (source?.protocol === 'udp')
      return chain(place, ([found]) =>
        this.transport.sameSocket(source, { address: found!.address, port: found!.port }),
      )
    const flow = chain(place, ([found]) => this.transport.flowTo(found!))
    return flow instanceof Promise ? flow.catch((error) => this.flowToSender(response, error)) : flow
  }

  /** RFC 3263 5: where nobody listens at the address that the request came from, there may be others that its Via names. */
  private async flowToSender({ topVia }: SipResponse, error: unknown): Promise<Flow> {
    if (isIpLiteral(topVia.host)) throw error
    const { protocol } = responseDestination(topVia)
    for (const hop of await this.resolver.resolveSentBy(protocol, topVia.host, topVia.port)) {
      const flow = await Promise.resolve(this.transport.flowTo(hop)).catch(() => undefined)
      if (flow) return flow
    }
    throw error
  }

  private respond(response: SipResponse, flow: Flow, transaction: ServerTransaction | undefined): void {
    if (this.stopped) return
    rewriteContact(response, placeholderHost, flow.protocol, flow.sentBy, transaction?.sips)
    const { protocol, host, port } = responseDestination(response.topVia)
    const fallback = { protocol, address: host, port }
    const packet = { data: serializeMessage(response), flow, fallback, description: this.describe(response) }
    this.emit(packet, false)
    if (transaction) this.server.sent(this.runtime.clock.now(), transaction, response, packet)
    this.arm()
  }

  // ---- in --------------------------------------------------------------------------------------------------------------

  private received(message: SipMessage, flow: Flow, lengthBytes: number): void {
    const now = this.runtime.clock.now()
    const id = message.kind === 'request' ? serverKey(message) : ''
    if (message.kind === 'request' && this.turnsAway(message, flow, lengthBytes, id)) return
    const verdict =
      message.kind === 'request'
        ? this.server.received(now, message, id, flow)
        : this.client.received(now, message)
    if (verdict === 'unknown') this.dropped(flow.remote, `${message.startLine}: no transaction`)
    else this.note('received', flow, lengthBytes, verdict === 'retransmission', this.describe(message))
    if (verdict === 'new') {
      if (message.kind === 'request') this.onRequest?.(message, flow, id)
      else if (!this.outgoing.received(message, flow)) this.onResponse?.(message, flow)
    }
    this.repeat()
  }

  /** Before there is any state, so that it costs no memory and is not repeated. */
  private turnsAway(request: SipRequest, flow: Flow, lengthBytes: number, id: string): boolean {
    if (!this.gate || request.toTag !== '' || this.server.knows(id, request.method)) return false
    const answer = this.gate(request, flow, this.server.size)
    if (!answer) return false
    const { status, reason } = answer
    const sent = answerStateless(request, flow, lengthBytes, answer)
    this.dropped(
      flow.remote,
      `${request.method} ${request.uriText}: ${sent ? `refused with ${status} ${reason}` : 'not answered, since the answer would be longer'}`,
    )
    return true
  }

  // ---- time ------------------------------------------------------------------------------------------------------------

  /** Sends what must be sent again, then sleeps until the next deadline. */
  private repeat(): void {
    for (let packet = this.client.pollTransmit(); packet; packet = this.client.pollTransmit())
      this.emitAgain(packet)
    for (let packet = this.server.pollTransmit(); packet; packet = this.server.pollTransmit())
      this.emitAgain(packet)
    this.arm()
  }

  private arm(): void {
    if (this.stopped) return
    const at = Math.min(
      this.client.nextTimeout() ?? Number.POSITIVE_INFINITY,
      this.server.nextTimeout() ?? Number.POSITIVE_INFINITY,
    )
    // A timer that is too early costs one empty turn; re-arming for every message would cost more.
    if (at >= this.armedFor) return
    this.timer?.cancel()
    this.armedFor = at
    const { clock } = this.runtime
    this.timer = clock.setTimer(Math.max(0, at - clock.now()), () => {
      // After a pause of the process timers run before sockets are read: the answer may be there already. One turn settles it.
      this.timer = clock.setTimer(0, () => {
        this.armedFor = Number.POSITIVE_INFINITY
        const now = clock.now()
        this.client.handleTimeout(now)
        this.server.handleTimeout(now)
        this.repeat()
      })
    })
  }

  // ---- telling ---------------------------------------------------------------------------------------------------------

  /** A connection that has gone is replaced (RFC 3261 18.2.2): a 2xx is repeated over TCP too, and so is its ACK. */
  private emitAgain(packet: Packet): void {
    const { flow, fallback } = packet
    if (flow.open || !fallback) {
      this.emit(packet, true)
      return
    }
    settle(
      () => this.transport.flowTo(fallback),
      (found) => this.emit({ ...packet, flow: found }, true),
      (error) => this.dropped(flow.remote, `not repeated: ${asError(error).message}`),
    )
  }

  private emit(packet: Packet, retransmission: boolean): void {
    if (this.stopped) return
    packet.flow.send(packet.data)
    this.note('sent', packet.flow, packet.data.length, retransmission, packet.description)
  }

  private describe(message: SipMessage): MessageDescription | undefined {
    if (!this.record) return undefined
    const { cseq, callId, body } = message
    const known = { method: cseq.method, callId, cseq: cseq.sequence, hasBody: body.length > 0 }
    return message.kind === 'request'
      ? { summary: `${message.method} ${message.uriText}`, ...known }
      : { summary: `${message.status} ${message.reason}`, status: message.status, ...known }
  }

  private note(
    direction: 'sent' | 'received',
    flow: Flow,
    lengthBytes: number,
    retransmission: boolean,
    description: MessageDescription | undefined,
  ): void {
    if (!description) return
    const { protocol, local, remote } = flow
    this.record?.({
      layer: 'sip',
      type: 'message',
      direction,
      protocol,
      local,
      remote,
      lengthBytes,
      retransmission,
      ...description,
    })
  }

  private dropped(remote: TransportAddress, reason: string): void {
    this.record?.({ layer: 'sip', type: 'dropped', remote, reason })
  }

  /** Never from within a call of the user agent, which would not expect it. */
  private failed(branch: string, method: string, error: Error): void {
    this.runtime.clock.setTimer(0, () => {
      if (!this.stopped) this.onTransportError?.(branch, method, error)
    })
  }
}

const noAddress: TransportAddress = { address: '0.0.0.0', port: 0 }

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

function closedError({ remote, protocol }: Flow): NetworkError {
  const at = formatAddress(remote)
  // TLS 1.3 lets a server refuse a client's certificate, or the want of one, without a word.
  const hint = isSecure(protocol) ? ': it may ask for a client certificate, or not accept ours' : ''
  return new NetworkError(`${at} closed the connection before it answered${hint}`, at)
}
