// The doctor: what the network lets through, probe by probe, each with a time limit and all at once. It runs on any runtime, the
// simulator's too. Findings come in the order of the layers, the last one says what they mean for calls.
import { FloeError, UsageError } from '../errors.ts'
import { mediaAddresses } from '../phone/media-addresses.ts'
import { askingServers } from '../phone/name-servers.ts'
import { addressFamily, formatAddress, sameAddress, type TransportAddress } from '../runtime/address.ts'
import { nodeRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { defaultPorts, isProtocol, isSecure, isWebSocket, type Protocol } from '../sip/flow.ts'
import type { TlsSettings } from '../sip/tls-settings.ts'
import { type SipUri, serverUri, sipUri, webSocketPath } from '../sip/uri.ts'
import { type IceServer, parseIceServers, resolveIceServers } from '../turn/ice-servers.ts'
import type { TurnServer, TurnTransport } from '../turn/server.ts'
import { connectThroughProxy, type HttpProxy, parseHttpProxy } from '../wire/http-proxy.ts'
import { bindingLifetime, longSearchMs, shortSearchMs } from './binding-lifetime.ts'
import { callsFinding, directFinding, type Reach, reachOf } from './calls.ts'
import { type Finding, problemOf } from './finding.ts'
import { hairpins } from './hairpin.ts'
import { connectLimitMs, Kit, probeLimitMs } from './kit.ts'
import { Names } from './names.ts'
import { type KnownServer, natBehaviour } from './nat-behaviour.ts'
import { measurePacing } from './pacing.ts'
import { pathMtu } from './path-mtu.ts'
import { askRelay } from './relay.ts'
import { type SipPlace, type SipPlaces, sipPlaces } from './sip-places.ts'
import { askOptions } from './sip-server.ts'
import { type Answer, StunSocket } from './stun-socket.ts'
import {
  filteringFinding,
  hairpinFinding,
  interfaceFinding,
  lifetimeFinding,
  mappingFinding,
  mtuFinding,
  nameFinding,
  pacingFinding,
  proxyFinding,
  relayFinding,
  rewrittenFinding,
  servicesFindings,
  sipFinding,
  stunFinding,
} from './wording.ts'

export interface ExamineOptions {
  /** A SIP server or peer: "sip:pbx.example;transport=tcp". */
  uri?: string
  /** As `PhoneOptions` has them. */
  iceServers?: readonly IceServer[]
  httpProxy?: string
  tlsCa?: string
  tls?: TlsSettings
  /** As `PhoneOptions` has them: media is tried from these alone. */
  interfaces?: readonly string[]
  /** Searches the lifetime of UDP bindings, which takes up to five minutes. Default false: two seconds of it. */
  lifetime?: boolean
  /** As `PhoneOptions` has them. */
  dnsServers?: readonly string[]
  /** Ends everything at once, with nothing left open. */
  signal?: AbortSignal
  /** The world to look at; the real one by default. */
  runtime?: Runtime
}

/** What one probe has found, and what it adds to the conclusion. */
interface Result {
  findings: Finding[]
  sip?: Protocol
  udpAnswers?: boolean
  reach?: Reach
  relay?: TurnTransport
}

/** Throws UsageError where what is to be looked at cannot be understood. */
export function examine(options: ExamineOptions): AsyncGenerator<Finding, void, void> {
  const examination = new Examination(options)
  return examination.run()
}

class Examination {
  private readonly kit: Kit
  private readonly names: Names
  private readonly sip: SipUri | undefined
  private readonly named: ReturnType<typeof parseIceServers>
  private readonly proxy: HttpProxy | undefined

  constructor(private readonly options: ExamineOptions) {
    const { uri, iceServers = [], httpProxy, interfaces, dnsServers, runtime: world = nodeRuntime } = options
    const runtime = dnsServers ? askingServers(world, dnsServers) : world
    const sources = interfaces && mediaAddresses(runtime.network.interfaces(), '', interfaces)
    this.kit = new Kit(runtime, sources)
    this.names = new Names(this.kit)
    this.named = parseIceServers(iceServers)
    this.proxy = httpProxy === undefined ? undefined : parseHttpProxy(httpProxy)
    if (uri === undefined) return
    this.sip = sipUri(/^wss?:/i.test(uri) ? serverUri(uri) : uri)
    if (!this.sip)
      throw new UsageError(`"${uri}" is not a SIP server or peer: write sip:host or sip:user@host`)
  }

  async *run(): AsyncGenerator<Finding, void, void> {
    const { kit } = this
    const { signal } = this.options
    const giveUp = (): void => kit.giveUp()
    if (signal?.aborted) return
    signal?.addEventListener('abort', giveUp)
    try {
      yield* this.findings()
    } finally {
      signal?.removeEventListener('abort', giveUp)
      kit.giveUp()
    }
  }

  private async *findings(): AsyncGenerator<Finding, void, void> {
    const { kit, names } = this
    const [sip, servers] = await Promise.all([this.sipPlaces(), this.servers()])
    const firstServer = sip.places[0]?.address ?? servers.stun[0] ?? servers.turn[0]?.address
    const towards = firstServer && (await kit.sourceFor(firstServer))
    const interfaces = interfaceFinding(kit.network.interfaces(), towards, this.options.interfaces)
    yield interfaces
    if (this.sip && sip.services) yield* servicesFindings(this.sip.host, sip.services)
    const looked = await names.all()
    const isOfSip = ({ name }: { name: string }): boolean => sip.names.includes(name)
    for (const { name, outcome } of [...looked.filter(isOfSip), ...looked.filter((other) => !isOfSip(other))])
      yield nameFinding(name, outcome, name === this.sip?.host)

    const probes = [
      ...this.sipProbes(sip),
      ...this.proxyProbe(servers.turn),
      ...this.stunProbes(servers.stun, servers.turn),
      ...servers.turn.map((server) => this.turnProbe(server)),
      this.pacingProbe(),
    ]
    // A bug in one that is not waited for yet shall show when its turn comes.
    for (const probe of probes) probe.catch(() => undefined)
    const results: Result[] = []
    for (const probe of probes) {
      const result = await probe
      if (kit.isGivenUp) continue
      results.push(result)
      yield* result.findings
    }
    if (!kit.isGivenUp) yield this.conclusion(interfaces.mark === 'ok', sip, results)
  }

  // ── what is to be asked ──────────────────────────────────────────────────────────────────────

  private async sipPlaces(): Promise<SipPlaces> {
    if (!this.sip) return { places: [], protocol: 'udp', names: [] }
    return sipPlaces(this.kit, this.names, this.sip, onePerFamily)
  }

  private async servers(): Promise<{ stun: TransportAddress[]; turn: TurnServer[] }> {
    const resolve = async (name: string): Promise<string[]> => onePerFamily(await this.names.resolve(name))
    // A name that is unknown has a line of its own.
    const warn = (): void => undefined
    const { stunServers, turnServers } = await resolveIceServers(
      this.named,
      { resolve },
      this.kit.clock.wallTime(),
      warn,
    )
    if (this.proxy) await this.names.resolve(this.proxy.host).catch(noAddress)
    return { stun: stunServers, turn: turnServers }
  }

  private get hasTurn(): boolean {
    return this.named.some(({ kind }) => kind === 'turn')
  }

  // ── probes ───────────────────────────────────────────────────────────────────────────────────

  private sipProbes({ places, protocol: chosen }: SipPlaces): Promise<Result>[] {
    const { sip } = this
    if (!sip) return []
    const said = sip.params.get('transport')?.toLowerCase() ?? 'udp'
    const unspoken: Finding = {
      about: `SIP/${said.toUpperCase()}`,
      mark: 'problem',
      fact: 'floe does not speak SIP over that',
      fix: `write ;transport= with one of ${Object.keys(defaultPorts).join(', ')}`,
    }
    if (!isProtocol(said)) return [Promise.resolve({ findings: [unspoken] })]
    return places.map((place) => this.sipProbe(place, sip, chosen))
  }

  private async sipProbe({ protocol, address }: SipPlace, sip: SipUri, chosen: Protocol): Promise<Result> {
    const about = `SIP/${protocol.toUpperCase()}`
    // What floe would not use with these settings prevents nothing.
    const milder = (finding: Finding): Finding =>
      finding.mark === 'problem' && protocol !== chosen ? { ...finding, mark: 'warning' } : finding
    const { tlsCa } = this.options
    try {
      const path = webSocketPath(sip)
      const hop = {
        protocol,
        ...address,
        ...((isSecure(protocol) || isWebSocket(protocol)) && { serverName: sip.host }),
        ...(path !== undefined && { path }),
      }
      const tls = { ...(tlsCa !== undefined && { ca: tlsCa }), ...this.options.tls }
      const answer = await askOptions(this.kit, hop, sip.host, tls)
      const rewritten = answer?.rewritten
      return {
        findings: [
          milder(sipFinding(protocol, address, answer)),
          ...(rewritten ? [rewrittenFinding(rewritten)] : []),
        ],
        ...(answer && { sip: protocol }),
      }
    } catch (error) {
      return { findings: [milder(problemOf(about, error))] }
    }
  }

  private proxyProbe(turn: readonly TurnServer[]): Promise<Result>[] {
    const { proxy, kit } = this
    if (!proxy) return []
    const target = turn.find(({ transport }) => transport !== 'udp')?.address
    const name = formatAddress({ address: proxy.host, port: proxy.port })
    const none: Finding = {
      about: 'proxy',
      mark: 'unknown',
      fact: `${name} was not asked: there is nothing to reach through it`,
      fix: 'give a TURN server over TCP or TLS: --turn turns:USER@HOST:443',
    }
    if (!target) return [Promise.resolve({ findings: [none] })]
    const ask = async (): Promise<Finding> => {
      const { clock, network } = kit
      const startedAt = clock.now()
      const tls = { ...(this.options.tlsCa !== undefined && { ca: this.options.tlsCa }) }
      const opening = connectThroughProxy(proxy, target, { network, clock, timeoutMs: connectLimitMs, tls })
      const connection = await kit.within(probeLimitMs, opening, (late) => late.close())
      connection?.close()
      if (connection) return proxyFinding(name, target, clock.now() - startedAt)
      return {
        about: 'proxy',
        mark: 'problem',
        fact: `${name} does not answer within ${probeLimitMs / 1000} s`,
        fix: 'check its address and port',
      }
    }
    return [guarded('proxy', ask)]
  }

  /** Each server's answer, then per family what the network between does, as far as they can tell. */
  private stunProbes(stun: readonly TransportAddress[], turn: readonly TurnServer[]): Promise<Result>[] {
    const overUdp = turn.filter(({ transport }) => transport === 'udp').map(({ address }) => address)
    const extra = overUdp.filter((address) => !stun.some((other) => sameAddress(other, address)))
    const all = [...stun, ...extra]
    const asked = all.map((address) => this.ask(address))
    const lines = asked.map(async (asking, i): Promise<Result> => {
      const { address, outcome } = await asking
      const isExtra = i >= stun.length
      if (outcome instanceof FloeError) return { findings: [problemOf('STUN', outcome)] }
      const finding = stunFinding(address, outcome, isExtra)
      // Of a TURN server its own line tells more.
      const isNews = !isExtra || stun.length === 0
      return { findings: isNews ? [finding] : [], udpAnswers: outcome?.mapped !== undefined }
    })
    const families = ([4, 6] as const).filter((family) =>
      all.some((a) => addressFamily(a.address) === family),
    )
    return [...lines, ...families.map((family) => this.natProbe(asked, family, families.length > 1))]
  }

  private async ask(
    address: TransportAddress,
  ): Promise<{ address: TransportAddress; outcome: Answer | FloeError | undefined }> {
    try {
      const socket = await StunSocket.open(this.kit, address)
      const first = await socket.ask(address)
      // While all probes begin, this program itself is what takes long.
      const second = first?.mapped && (await socket.ask(address))
      socket.close()
      const outcome = first && second && second.rttMs < first.rttMs ? second : first
      return { address, outcome }
    } catch (error) {
      if (error instanceof FloeError) return { address, outcome: error }
      throw error
    }
  }

  private async natProbe(
    asked: readonly ReturnType<Examination['ask']>[],
    family: 4 | 6,
    isOneOfTwo: boolean,
  ): Promise<Result> {
    const { kit } = this
    const known: KnownServer[] = []
    for (const { address, outcome } of await Promise.all(asked)) {
      if (outcome === undefined || outcome instanceof FloeError || !outcome.mapped) continue
      const { other, rttMs } = outcome
      if (addressFamily(address.address) === family) known.push({ address, rttMs, ...(other && { other }) })
    }
    const first = known.find(({ other }) => other) ?? known[0]
    if (!first || kit.isGivenUp) return { findings: [] }
    const search = this.options.lifetime ? longSearchMs : shortSearchMs
    const [behaviour, hairpinning, lifetime, mtu] = await Promise.all([
      natBehaviour(kit, known),
      hairpins(kit, first),
      bindingLifetime(kit, first, search),
      pathMtu(kit, first),
    ])
    const { mapping, filtering } = behaviour
    const findings = [
      mappingFinding(behaviour),
      filteringFinding(behaviour),
      directFinding(mapping, filtering, this.hasTurn),
      ...(mapping === 'none' || hairpinning === undefined ? [] : [hairpinFinding(hairpinning)]),
      lifetimeFinding(lifetime, this.options.lifetime === true),
      mtuFinding(mtu),
    ]
    const named = isOneOfTwo ? findings.map((finding) => ({ ...finding, family })) : findings
    return { findings: named, reach: reachOf(mapping, filtering) }
  }

  private async turnProbe(server: TurnServer): Promise<Result> {
    const { tlsCa } = this.options
    const path = {
      tls: { ...(tlsCa !== undefined && { ca: tlsCa }) },
      ...(this.proxy && { proxy: this.proxy }),
    }
    try {
      const outcome = await askRelay(this.kit, server, path)
      const isRelay = outcome.type === 'allocated'
      return {
        findings: [relayFinding(server, outcome)],
        ...(isRelay && { relay: server.transport, udpAnswers: server.transport === 'udp' }),
      }
    } catch (error) {
      return { findings: [problemOf(`TURN/${server.transport.toUpperCase()}`, error)] }
    }
  }

  private pacingProbe(): Promise<Result> {
    return guarded('pacing', async () => pacingFinding(await measurePacing(this.kit)))
  }

  // ── the conclusion ───────────────────────────────────────────────────────────────────────────

  private conclusion(hasAddress: boolean, found: SipPlaces, results: readonly Result[]): Finding {
    const { sip } = this
    const best: readonly Reach[] = ['all', 'most', 'few', 'unknown']
    return callsFinding({
      hasAddress,
      ...(sip &&
        !isWebSocket(found.protocol) && {
          sip: {
            name: sip.host,
            isKnown: found.places.length > 0,
            protocol: found.protocol,
            answers: results.flatMap((result) => result.sip ?? []),
          },
        }),
      mediaServers: this.named.length,
      udpAnswers: results.filter(({ udpAnswers }) => udpAnswers).length,
      reach: best.find((reach) => results.some((result) => result.reach === reach)) ?? 'unknown',
      hasTurn: this.hasTurn,
      relays: results.flatMap(({ relay }) => relay ?? []),
    })
  }
}

/** A probe of one finding; what the network refuses is a finding, too. */
async function guarded(about: string, probe: () => Promise<Finding>): Promise<Result> {
  try {
    return { findings: [await probe()] }
  } catch (error) {
    return { findings: [problemOf(about, error)] }
  }
}

const noAddress = (): string[] => []

const onePerFamily = (addresses: readonly string[]): string[] =>
  ([4, 6] as const).flatMap((family) => addresses.find((address) => addressFamily(address) === family) ?? [])
