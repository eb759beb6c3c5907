// Where the media paths of a phone come from: its STUN and TURN servers, which of them are worth asking, and one path that is
// gathered ahead, so that neither a call nor its answer waits for a server.
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis, Runtime, Timer } from '../runtime/runtime.ts'
import type { FactBody } from '../trace/facts.ts'
import { type NamedServer, type ResolvedServers, resolveIceServers } from '../turn/ice-servers.ts'
import type { HttpProxy } from '../wire/http-proxy.ts'
import { mediaAddresses } from './media-addresses.ts'
import { MediaPath, type PathIce } from './media-path.ts'
import type { NetworkWatch } from './network-watch.ts'
import type { IcePolicy } from './options.ts'

export interface MediaPathsOptions {
  runtime: Runtime
  watch: NetworkWatch
  policy: IcePolicy
  servers: readonly NamedServer[]
  lite: boolean
  tcp: boolean
  /** By name or address; absent: all that make sense. */
  interfaces?: readonly string[]
  httpProxy?: HttpProxy
  /** Authorities to trust beside the system's, PEM. */
  tlsCa?: string
  warn: (message: string) => void
}

export interface PathRequest {
  /** The local address towards the SIP peer. */
  signalling: string
  withIce: boolean
  components: 1 | 2
  /** Nothing that was found before counts: the network may be another one. */
  afresh: boolean
  record: (fact: FactBody) => void
}

/** A server that has been silent is not asked again for so long, unless all are. */
const silenceRememberedMs: Millis = 60_000
/** A path gathered ahead is replaced after this: NATs and relays forget, whatever they promise. */
const aheadForMs: Millis = 600_000
/** A name server may take many seconds to say that it knows nothing; nobody waits so long to be able to call. */
const lookUpLimitMs: Millis = 500
/** After a call has taken the path ahead, the next one is gathered when that call is on its way. */
const refillAfterMs: Millis = 2_000

interface PathAhead {
  addresses: readonly string[]
  path: Promise<MediaPath>
  /** What the path has recorded while it belonged to no call. */
  facts: FactBody[]
  record: (fact: FactBody) => void
}

export class MediaPaths {
  /** By the place of the server among those that were named. */
  private readonly resolved: ResolvedServers[] = []
  private readonly silentUntil = new Map<string, Millis>()
  private ahead: PathAhead | undefined
  private signallingAhead: string | undefined
  private timer: Timer | undefined
  private unsubscribe: (() => void) | undefined
  private closed = false

  constructor(private readonly options: MediaPathsOptions) {}

  /** Looks the servers up, and waits a moment for it; one that is unknown costs a warning. Again from time to time: names move,
   *  and passwords made from a secret expire. */
  async resolve(): Promise<void> {
    let isLate = false
    await new Promise<void>((done) => {
      const limit = this.options.runtime.clock.setTimer(lookUpLimitMs, () => {
        isLate = true
        done()
      })
      const all = this.options.servers.map(async (server, place) => {
        const isNew = await this.lookUp(server, place)
        if (isNew && isLate) this.renewAhead()
      })
      void Promise.all(all).then(() => {
        limit.cancel()
        done()
      })
    })
  }

  /** Keeps one path gathered ahead from now on, where there is a server to ask.
   *  @param signalling the local address towards the SIP server */
  gatherAhead(signalling: string): void {
    if (this.closed || this.options.policy === 'off' || this.options.servers.length === 0) return
    this.signallingAhead = signalling
    this.unsubscribe ??= this.options.watch.subscribe(() => this.refill(0))
    this.renewAhead()
    this.refill(aheadForMs)
  }

  /** Rejects with NetworkError where no local address can be used. */
  async open(request: PathRequest): Promise<MediaPath> {
    const { ahead } = this
    const addresses = this.addressesFor(request.signalling)
    if (ahead && request.withIce && !request.afresh && sameList(ahead.addresses, addresses)) {
      this.ahead = undefined
      this.refill(refillAfterMs)
      ahead.record = request.record
      for (const fact of ahead.facts) request.record(fact)
      return ahead.path
    }
    return this.openNow(request, addresses)
  }

  close(): void {
    this.closed = true
    this.unsubscribe?.()
    this.timer?.cancel()
    this.dropAhead()
  }

  // ── one ahead ────────────────────────────────────────────────────────────────────────────────

  private refill(afterMs: Millis): void {
    if (this.closed || this.signallingAhead === undefined) return
    this.timer?.cancel()
    this.timer = this.options.runtime.clock.setTimer(afterMs, () => {
      this.dropAhead()
      void this.resolve().then(() => this.renewAhead())
      this.refill(aheadForMs)
    })
  }

  /** Returns whether the server was unknown before. */
  private async lookUp(server: NamedServer, place: number): Promise<boolean> {
    const { runtime, warn } = this.options
    const { network, clock } = runtime
    const found = await resolveIceServers([server], network, clock.wallTime(), warn)
    // Of a server that was known before the old address is better than none.
    if (found.stunServers.length + found.turnServers.length === 0) return false
    const isNew = this.resolved[place] === undefined
    this.resolved[place] = found
    return isNew
  }

  private renewAhead(): void {
    const { runtime, policy } = this.options
    this.dropAhead()
    if (this.closed || this.signallingAhead === undefined || policy === 'off') return
    const own = runtime.network.interfaces().map((i) => i.address)
    // The address may have gone; whoever calls then says which one counts now.
    const signalling = own.includes(this.signallingAhead) ? this.signallingAhead : own.find(isOutward)
    if (signalling === undefined) return
    const addresses = this.addressesFor(signalling)
    const facts: FactBody[] = []
    const ahead: PathAhead = {
      addresses,
      facts,
      record: (fact) => facts.push(fact),
      path: this.openNow(
        { signalling, withIce: true, components: 2, afresh: false, record: (fact) => ahead.record(fact) },
        addresses,
      ),
    }
    this.ahead = ahead
    ahead.path.catch(() => {
      if (this.ahead === ahead) this.ahead = undefined
    })
  }

  private dropAhead(): void {
    this.ahead?.path.then(
      (path) => path.close(),
      () => undefined,
    )
    this.ahead = undefined
  }

  // ── opening ──────────────────────────────────────────────────────────────────────────────────

  private addressesFor(signalling: string): string[] {
    const { runtime, interfaces } = this.options
    return mediaAddresses(runtime.network.interfaces(), signalling, interfaces)
  }

  private async openNow(request: PathRequest, addresses: readonly string[]): Promise<MediaPath> {
    const { runtime, policy, httpProxy, tlsCa } = this.options
    const { clock, network, random } = runtime
    const path = await MediaPath.open({
      clock,
      network,
      random,
      addresses,
      components: request.components,
      connections: {
        ...(httpProxy && { proxy: httpProxy }),
        ...(tlsCa !== undefined && { tls: { ca: tlsCa } }),
      },
      record: request.record,
      ...(request.withIce && policy !== 'off' && { ice: this.ice(request.afresh) }),
    })
    path.onServer = ({ protocol, server, outcome }) => {
      const key = `${protocol} ${server.address} ${server.port}`
      if (outcome === 'timeout') this.silentUntil.set(key, clock.now() + silenceRememberedMs)
      else this.silentUntil.delete(key)
    }
    return path
  }

  private ice(afresh: boolean): PathIce {
    const { policy, lite, tcp } = this.options
    const stunServers = this.resolved.flatMap((found) => found.stunServers)
    const turnServers = this.resolved.flatMap((found) => found.turnServers)
    const worthAsking = <T>(all: readonly T[], read: (server: T) => [string, TransportAddress]) => {
      const alive = afresh ? all : all.filter((server) => !this.isSilent(...read(server)))
      return alive.length > 0 ? alive : all
    }
    return {
      stunServers: worthAsking(stunServers, (address) => ['stun', address]),
      turnServers: worthAsking(turnServers, ({ transport, address }) => [`turn-${transport}`, address]),
      relayOnly: policy === 'relay',
      lite,
      tcp,
    }
  }

  private isSilent(protocol: string, { address, port }: TransportAddress): boolean {
    const until = this.silentUntil.get(`${protocol} ${address} ${port}`)
    return until !== undefined && this.options.runtime.clock.now() < until
  }
}

const isOutward = (address: string): boolean => !address.startsWith('127.') && address !== '::1'
const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((address, i) => address === b[i])
