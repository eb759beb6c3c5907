// Where the requests of a user agent leave (RFC 3261 8.1.2, 18.1.1): which servers they may go to, over which transport, in which
// form; and what becomes of them when one does not take them. What is repeated, and when, is client-reliability.ts's.
import { NetworkError } from '../errors.ts'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis, Runtime } from '../runtime/runtime.ts'
import { chain, settle } from './chain.ts'
import type { ClientReliability } from './client-reliability.ts'
import type { DestinationResolver } from './destination.ts'
import { type AttemptFate, Failover } from './failover.ts'
import { type Flow, type Hop, hopTo, isReliable, isSecure } from './flow.ts'
import { parseNameAddr } from './header-values.ts'
import { SipRequest, type SipResponse, serializeMessage } from './message.ts'
import { setRoutes, takeRoute } from './route-set.ts'
import { ServerLiveness } from './server-liveness.ts'
import { largestUdpRequestBytes, TcpFailures, tcpPatienceMs } from './tcp-preference.ts'
import type { SipTransport } from './transport.ts'
import type { SipUri } from './uri.ts'
import { placeholderHost, rewriteContact, rewriteOwnVia } from './via.ts'

export interface RequestOutlet {
  /** Sends a request for the first time over that flow. */
  transmit(request: SipRequest, data: Uint8Array, flow: Flow): void
  /** A response of one of several servers. */
  deliver(response: SipResponse, flow: Flow): void
  fail(branch: string, method: string, error: Error): void
  dropped(remote: TransportAddress, reason: string): void
}

export class OutgoingRequests {
  private readonly failover: Failover
  private readonly tcpFailures = new TcpFailures()
  /** Branches of INVITEs that were given up before they were sent. */
  private readonly unsent = new Set<string>()

  constructor(
    private readonly runtime: Runtime,
    private readonly transport: SipTransport,
    private readonly resolver: DestinationResolver,
    private readonly client: ClientReliability,
    private readonly outlet: RequestOutlet,
  ) {
    this.failover = new Failover(runtime.clock, new ServerLiveness(runtime.clock), {
      send: (request, hop, fate) => this.attempt(request, hop, fate),
      followUp: (request) => this.followUp(request),
      quiet: (branch, method) => this.client.giveUp(branch, method),
      deliver: (response, flow) => outlet.deliver(response, flow),
      fail: (branch, method, error) => this.fail(branch, method, error),
    })
  }

  /** Everything on the way is synchronous where no name and no connection is waited for: requests then leave in order. */
  send(request: SipRequest, hop: Hop | string | undefined): void {
    this.failover.follow(request)
    settle(
      () => this.nextHops(request, hop),
      (hops) => {
        if (!this.wasGivenUp(request)) this.failover.start(request, hops)
      },
      (error) => this.fail(branchOf(request), request.method, asError(error)),
    )
  }

  destinations(uri: SipUri): readonly Hop[] | Promise<readonly Hop[]> {
    return chain(this.resolver.resolveUri(uri, ''), (hops) => this.failover.inOrder(hops))
  }

  /** Stops repeating, and trying, an INVITE that nobody waits for any more. */
  giveUp(transactionId: string): void {
    const branches = this.failover.giveUp(transactionId)
    if (!branches && !this.client.has(transactionId)) this.unsent.add(transactionId)
    for (const branch of branches ?? [transactionId]) {
      const unheard = this.client.giveUp(branch, 'INVITE')
      // Over a connection something always comes back within seconds, be it a 100, where it leads anywhere.
      if (unheard && isReliable(unheard.protocol)) this.transport.drop(unheard)
    }
  }

  /** No further server is tried for that INVITE: whoever waited for it means to cancel it. */
  stopTrying(transactionId: string): void {
    this.failover.stopTrying(transactionId)
  }

  /** Whether a response has been taken care of. */
  received(response: SipResponse, flow: Flow): boolean {
    return this.failover.received(response, flow)
  }

  /** The connection of a transaction has gone. */
  lost(branch: string, method: string, error: Error): void {
    if (!this.failover.lost(branch, method, error)) this.fail(branch, method, error)
  }

  stop(): void {
    this.failover.stop()
  }

  private fail(branch: string, method: string, error: Error): void {
    this.unsent.delete(branch)
    this.outlet.fail(branch, method, error)
  }

  private wasGivenUp(request: SipRequest): boolean {
    return request.method === 'INVITE' && this.unsent.delete(branchOf(request))
  }

  private nextHops(request: SipRequest, hop: Hop | string | undefined): Hop[] | Promise<Hop[]> {
    if (request.method === 'ACK' || request.method === 'CANCEL') {
      const invitation = this.client.invitationOf(request)
      if (invitation) {
        // sip.js copies one Route line only, and knows no strict routers.
        setRoutes(request, invitation.routes)
        request.uriText = invitation.uriText
        const { flow } = invitation.packet
        return [{ ...hopTo(flow), flow }]
      }
    }
    const proxy = typeof hop === 'string' ? hop : undefined
    const uri = takeRoute(request, proxy)
    if (typeof hop === 'object') return [hop]
    // Of the servers of an outbound proxy an account keeps to one: its binding, its connection, its place in a NAT are there.
    return this.resolver.resolveUri(uri, request.toTag === '' && proxy ? proxy : request.callId)
  }

  private attempt(request: SipRequest, hop: Hop, fate: AttemptFate): void {
    settle(
      () => {
        if (request.uri?.scheme === 'sips' && !isSecure(hop.protocol)) throw insecureError(request, hop)
        return this.transport.flowTo(hop)
      },
      (flow) => {
        if (fate.isWanted() && !this.wasGivenUp(request)) this.sendOver(request, flow, hop, fate)
      },
      (error) => fate.onFailed(asError(error)),
    )
  }

  private sendOver(request: SipRequest, flow: Flow, hop: Hop, fate: AttemptFate): void {
    let rendered = this.render(request, flow)
    const isSmall = () => flow.protocol !== 'udp' || rendered.data.length <= largestUdpRequestBytes
    if (!isSmall()) rendered = { ...rendered, data: serializeMessage(rendered.request, 'compact') }
    if (isSmall() || !this.mayTryTcp(flow, hop)) {
      this.outlet.transmit(rendered.request, rendered.data, flow)
      fate.onSent()
      return
    }
    const overUdp = (error: unknown): void => {
      // RFC 3428 8: never where nothing slows it down when the network is full.
      if (request.method === 'MESSAGE') throw asError(error)
      this.tcpFailures.add(this.runtime.clock.now(), flow.remote)
      this.outlet.dropped(
        flow.remote,
        `TCP for a large request failed, UDP is used: ${asError(error).message}`,
      )
      if (!fate.isWanted() || this.wasGivenUp(request)) return
      this.outlet.transmit(rendered.request, rendered.data, flow)
      fate.onSent()
    }
    const patience = `${formatAddress(flow.remote)} did not answer within ${tcpPatienceMs / 1000} s`
    within(
      tcpPatienceMs,
      this.runtime.clock,
      patience,
      this.transport.flowTo({ protocol: 'tcp', ...flow.remote }),
    )
      .then((stream) => {
        if (!fate.isWanted() || this.wasGivenUp(request)) return
        const again = this.render(request, stream)
        this.outlet.transmit(again.request, again.data, stream)
        fate.onSent()
      }, overUdp)
      .catch((error) => fate.onFailed(asError(error)))
  }

  /** CANCEL and ACK stay where their INVITE went, and so does what was sent to a given flow. */
  private mayTryTcp(flow: Flow, hop: Hop): boolean {
    return !hop.flow && !this.tcpFailures.has(this.runtime.clock.now(), flow.remote)
  }

  /** An ACK or CANCEL that the user agent knows nothing of. */
  private followUp(request: SipRequest): void {
    const flow = this.client.invitationOf(request)?.packet.flow
    if (!flow) return
    const { data, request: rendered } = this.render(request, flow)
    this.outlet.transmit(rendered, data, flow)
  }

  /** The request as it leaves over this flow; the original keeps its placeholders for another try. */
  private render(request: SipRequest, flow: Flow): { request: SipRequest; data: Uint8Array } {
    const copy = new SipRequest(request.method, request.uriText, request.headers.slice(), request.body)
    rewriteOwnVia(copy, flow.protocol, flow.sentBy, this.transport.offersAlias(flow))
    rewriteContact(copy, placeholderHost, flow.protocol, flow.sentBy, isForSips(copy))
    return { request: copy, data: serializeMessage(copy) }
  }
}

/** RFC 3261 8.1.1.8. */
function isForSips(request: SipRequest): boolean {
  if (request.uri?.scheme === 'sips') return true
  const route = request.list('Route')[0]
  return route !== undefined && parseNameAddr(route)?.uri.scheme === 'sips'
}

const insecureError = ({ uriText }: SipRequest, { protocol }: Hop): NetworkError =>
  new NetworkError(
    `${uriText} wants TLS on the whole way, and its next hop is reached over ${protocol}: give that as sips: or with ;transport=tls`,
    uriText,
  )

const branchOf = (request: SipRequest): string => request.topVia.params.get('branch') ?? ''

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

/** Rejects where the task takes longer. */
function within<T>(limitMs: Millis, clock: Clock, reason: string, task: T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(limitMs, () => reject(new NetworkError(reason, reason)))
    Promise.resolve(task)
      .then(resolve, reject)
      .finally(() => timer.cancel())
  })
}
