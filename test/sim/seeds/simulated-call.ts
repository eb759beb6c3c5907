// One simulated call from its plan: floe's own calls on the simulated network, and what must be true of every one of them. The
// oracle says what is possible, an observer of the packets what was sent without consent; floe is asked only what it tells users.

import { pcmu } from '../../../src/codec/g711.ts'
import { Phone, startServer } from '../../../src/index.ts'
import { Call } from '../../../src/phone/call.ts'
import { CallMedia } from '../../../src/phone/call-media.ts'
import { MediaPaths } from '../../../src/phone/media-paths.ts'
import { NetworkWatch } from '../../../src/phone/network-watch.ts'
import { defaults } from '../../../src/phone/options.ts'
import { formatAddress, sameAddress, type TransportAddress } from '../../../src/runtime/address.ts'
import type { Millis } from '../../../src/runtime/runtime.ts'
import { Nat } from '../../../src/sim/nat.ts'
import { type Path, pathBetween } from '../../../src/sim/oracle.ts'
import type { Simulation } from '../../../src/sim/simulate.ts'
import { type Pacer, WheelPacer } from '../../../src/stream/pacer.ts'
import type { Fact, PairFact } from '../../../src/trace/facts.ts'
import { Trace } from '../../../src/trace/trace.ts'
import { parseIceServers } from '../../../src/turn/ice-servers.ts'
import { parseHttpProxy } from '../../../src/wire/http-proxy.ts'
import { dial } from './channel.ts'
import { ConsentWatch } from './consent.ts'
import { type Place, PlannedNetwork, proxyPassword, SIP, turnPassword } from './network.ts'
import { type Disturbance, type EndPlan, type Plan, takesFragments, worstLoss } from './plan.ts'

export type Got = 'direct' | 'relay' | 'none'

export interface Outcome {
  expected: Path
  got: Got
  /** What broke an invariant, in words; empty for a good call. */
  problems: string[]
  /** Whether luck decided that it did not connect: packets are lost in numbers. */
  unlucky: boolean
  /** What both ends recorded. */
  facts: { left: readonly Fact[]; right: readonly Fact[] }
}

/** ICE gives up after 39.5 s (RFC 8863), a call that looks for lost media after 45 s; servers and signalling come before. */
const connectLimitMs = 150_000
const recoveryLimitMs = 60_000
/** From the first end that knows its pair to the other one: checks are repeated where packets are lost. */
const agreementLimitMs = 20_000
/** So many must come at both ends, within this: a few times what they take to the other end of the world. */
const mediaPackets = 10
const mediaLimitMs = 3_000
const lossyMediaLimitMs = 15_000
/** A link may lose so much and every call must still connect: requests are sent four times and more. */
const bearableLoss = 0.01
const sipPassword = 'sip-password-not-to-be-told'

/** Runs the call and says what was wrong with it.
 *  @param onWorld is told of the network before anything happens on it */
export async function simulateCall(
  plan: Plan,
  seed: number,
  onWorld: (world: Simulation) => void = () => {},
): Promise<Outcome> {
  const network = await PlannedNetwork.build(plan, seed)
  const restore = plan.phones ? network.world.installGlobals() : () => {}
  try {
    return await new SimulatedCall(plan, network, onWorld).run()
  } finally {
    restore()
  }
}

/** One end, as its user sees it. */
class End {
  call: Call | undefined
  /** The selected pair of RTP, as the call tells of it. */
  pair: PairFact | undefined
  connected = false
  /** Gives back whatever holds a socket or a timer beside the call. */
  stop: () => void | Promise<void> = () => {}

  constructor(
    readonly place: Place,
    readonly plan: EndPlan,
  ) {}

  hold(call: Call): Call {
    this.call = call
    call.trace.subscribe((fact) => {
      if (fact.layer === 'ice' && fact.type === 'selected' && fact.component === 1) this.pair = fact
    })
    call.connected.then(
      () => {
        this.connected = true
      },
      () => undefined,
    )
    return call
  }

  /** Packets of media that have come. */
  received: () => number = () => this.call?.report().statistics?.received.packets ?? 0

  get hasEnded(): boolean {
    return this.call?.state === 'ended'
  }
}

class SimulatedCall {
  private readonly world: Simulation
  private readonly problems: string[] = []
  private readonly secrets = new Set([turnPassword, proxyPassword, sipPassword])
  private readonly left: End
  private readonly right: End
  private readonly consent: ConsentWatch
  private readonly relays: ReadonlySet<string>

  constructor(
    private readonly plan: Plan,
    private readonly network: PlannedNetwork,
    onWorld: (world: Simulation) => void,
  ) {
    const { world, servers } = network
    this.world = world
    this.left = new End(network.left, plan.left)
    this.right = new End(network.right, plan.right)
    const listening = world.open.map((what) => what.split(' ').at(-1)!)
    const others = servers.filter(({ name }) => !name.startsWith('relay'))
    this.relays = new Set(
      servers
        .filter(({ name }) => name.startsWith('relay'))
        .flatMap((h) => h.attachments.map((i) => i.address)),
    )
    const consent = new ConsentWatch({
      servers: new Set([...listening, ...others.flatMap((h) => h.attachments.map((i) => i.address)), SIP]),
      lite: new Set(this.ends.filter(({ plan: { lite } }) => lite).map(({ place }) => place.name)),
      now: () => world.clock.now(),
    })
    this.consent = consent
    world.onSend = (packet, host) => consent.sent(packet, host)
    world.onPacket = (fate, packet, host) => {
      if (fate === 'delivered') consent.delivered(packet, host)
    }
    onWorld(world)
  }

  async run(): Promise<Outcome> {
    const { plan, left, right } = this
    let expected = this.oracle()
    if (plan.phones) await this.dialByPhone()
    else await this.dialByChannel()
    let got = await this.connect(expected)
    if (got !== 'none') {
      await this.expectMedia('after nomination')
      const { disturbance } = plan
      if (disturbance && this.problems.length === 0) {
        this.disturb(disturbance)
        expected = this.oracle()
        got = await this.recover(expected)
      }
    }
    const unlucky = got === 'none' && expected !== 'none' && worstLoss(plan) > bearableLoss
    await this.end()
    const facts = { left: left.call?.trace.facts ?? [], right: right.call?.trace.facts ?? [] }
    return { expected, got, problems: this.problems, unlucky, facts }
  }

  private get ends(): [End, End] {
    return [this.left, this.right]
  }

  private oracle(): Path {
    return pathBetween(this.world, this.left.place.oracle, this.right.place.oracle)
  }

  // ── the call ─────────────────────────────────────────────────────────────────────────────────

  private async dialByChannel(): Promise<void> {
    const { plan, left, right, world } = this
    const pacer = new WheelPacer(world.clock)
    const { signallingMs: delayMs, ringingMs } = plan
    for (const end of this.ends) await this.open(end, pacer)
    // What is gathered ahead is there before the call.
    if (left.plan.ahead || right.plan.ahead) await world.clock.advance(5_000)
    const times = { delayMs, ringingMs }
    const trickles = { caller: takesFragments(left.plan), called: takesFragments(right.plan) }
    const { call } = right
    dial(left.call!, call!, world.clock, times, trickles, (text) => this.noteSecrets(text)).catch(() =>
      call!.abandon('nobody calls'),
    )
  }

  /** A call of the product with all that a phone gives it, but without the phone. */
  private async open(end: End, pacer: Pacer): Promise<void> {
    const { place, plan } = end
    const { host: runtime, name, iceServers, httpProxy } = place
    const watch = new NetworkWatch(runtime.clock, runtime)
    const policy = plan.policy ?? 'auto'
    const paths = new MediaPaths({
      runtime,
      watch,
      policy,
      servers: parseIceServers(iceServers),
      lite: plan.lite ?? false,
      tcp: plan.tcp ?? true,
      ...(httpProxy !== undefined && { httpProxy: parseHttpProxy(httpProxy) }),
      warn: (message) => this.problems.push(message),
    })
    await paths.resolve()
    const signalling = () => runtime.attachments[0]?.address ?? '127.0.0.1'
    if (plan.ahead) paths.gatherAhead(signalling())
    const trace = new Trace(runtime.clock)
    const media = new CallMedia({
      runtime,
      pacer,
      policy,
      trickle: plan.trickle ?? 'half',
      lite: plan.lite ?? false,
      openPath: (request) => paths.open({ ...request, signalling: signalling() }),
      codecs: [pcmu],
      srtp: { policy: 'off', keying: [], suites: [], certificate: () => unused() },
      silence: true,
      gatherLimitMs: defaults.gatherLimitMs,
      candidateBudgetBytes: plan.budget ? defaults.candidateBudgetBytes : Number.POSITIVE_INFINITY,
      cname: name,
      record: trace.record,
    })
    const options = { keepHeardSeconds: 1 }
    const direction = name === 'left' ? 'outgoing' : 'incoming'
    end.hold(new Call(direction, runtime, media, options, trace, watch, () => {}))
    end.received = () => media.stream?.statistics().received.packets ?? 0
    end.stop = () => paths.close()
  }

  private async dialByPhone(): Promise<void> {
    const { world, plan, left, right } = this
    const server = await startServer({
      runtime: world.host('sip', world.internet.at(SIP, { latencyMs: plan.signallingMs / 4 })),
      listen: (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address: SIP, port: 5060 })),
      users: { left: sipPassword, right: sipPassword },
    })
    for (const end of this.ends) {
      const { place, plan: own } = end
      const starting = Phone.start({
        runtime: place.host,
        account: `sip:${place.name}@${SIP}`,
        codecs: [pcmu],
        password: sipPassword,
        iceServers: place.iceServers,
        ice: own.policy ?? 'auto',
        iceLite: own.lite ?? false,
        iceTcp: own.tcp ?? true,
        trickle: own.trickle ?? 'half',
        ...(place.httpProxy !== undefined && { httpProxy: place.httpProxy }),
      })
      const phone = await world.clock.run(starting)
      end.stop = () => phone.stop()
      if (end === right)
        phone.onCall = (call) => {
          end.hold(call)
          world.clock.setTimer(plan.ringingMs, () => call.answer().catch(() => undefined))
        }
      else {
        // The called registers second, and is called when it has.
        end.stop = () => phone.stop()
        setTimeout(() => {
          phone.call(`sip:right@${SIP}`, { keepHeardSeconds: 1 }).then(
            (call) => end.hold(call),
            (error: Error) => this.problems.push(`the call could not be made: ${error.message}`),
          )
        }, 5_000)
      }
    }
    const stopRight = right.stop
    right.stop = async () => {
      await stopRight()
      server.stop()
    }
    await this.until(() => left.call !== undefined || this.problems.length > 0, 60_000)
  }

  // ── what must be true ────────────────────────────────────────────────────────────────────────

  /** Waits for the pair that both ends use, or for the end. */
  private async connect(expected: Path): Promise<Got> {
    const { left, right, plan } = this
    const over = () => this.ends.some(({ hasEnded }) => hasEnded)
    const connected = () => this.ends.every((end) => end.connected)
    await this.until(() => connected() || over(), connectLimitMs + plan.ringingMs)
    const agreed = () =>
      left.pair !== undefined && right.pair !== undefined && this.mirrored(left.pair, right.pair)
    if (connected()) await this.until(() => agreed() || over(), agreementLimitMs)
    if (!connected() || over()) {
      if (!over()) this.problems.push('neither connected nor given up in time')
      return this.judge(expected, 'none')
    }
    if (!agreed())
      this.problems.push(`the ends disagree about the pair: ${tell(left.pair)} | ${tell(right.pair)}`)
    return this.judge(expected, this.pathOf())
  }

  private judge(expected: Path, got: Got): Got {
    const { plan } = this
    // Where checks are lost a relay may answer first, and what nobody could be told of nobody finds.
    // In full trickle a relay may be nominated before the server is heard that shows a direct path.
    const isFull = plan.left.trickle === 'full' || plan.right.trickle === 'full'
    const mayMissDirect = worstLoss(plan) > 0 || leavesOut(plan) || isFull
    const fits =
      expected === got ||
      (expected === 'direct' && got === 'relay' && mayMissDirect) ||
      (got === 'none' && worstLoss(plan) > bearableLoss) ||
      expected === 'timing-dependent'
    if (!fits) this.problems.push(`the oracle says "${expected}", the call is "${got}"`)
    return got
  }

  private pathOf(): Got {
    const addresses = this.ends.flatMap(({ pair }) => (pair ? [pair.local.address, pair.remote.address] : []))
    return addresses.some(({ address }) => this.relays.has(address)) ? 'relay' : 'direct'
  }

  /** What one end calls local the other calls remote. The port of a TCP connection that was opened is not told. */
  private mirrored(a: PairFact, b: PairFact): boolean {
    return mirrors(a.local.address, b.remote.address) && mirrors(b.local.address, a.remote.address)
  }

  private async expectMedia(when: string): Promise<void> {
    const before = this.ends.map((end) => end.received())
    const counts = () => this.ends.map((end, index) => end.received() - before[index]!)
    // A relay over TCP on a link that loses much stands still for seconds.
    const limitMs = worstLoss(this.plan) > bearableLoss ? lossyMediaLimitMs : mediaLimitMs
    await this.until(() => counts().every((count) => count >= mediaPackets), limitMs)
    for (const [index, count] of counts().entries())
      if (count < mediaPackets)
        this.problems.push(
          `${when}: the ${this.ends[index]!.place.name} end received ${count} packets of media`,
        )
  }

  private disturb(disturbance: Disturbance): void {
    const { network } = this
    const { place, plan } = this[disturbance.end]
    const { host } = place
    const others = network[disturbance.end === 'left' ? 'right' : 'left'].boxes
    switch (disturbance.what) {
      case 'flush':
        for (const box of place.boxes) box.flush()
        break
      case 'new address outside': {
        const own = place.boxes.filter((box): box is Nat => box instanceof Nat && !others.includes(box))
        for (const nat of own) if (nat.outside === this.world.internet) nat.renumber(network.freshAddress())
        break
      }
      case 'lose an interface':
        if (host.attachments.length > 1) host.removeInterface(host.attachments[0]!.address)
        break
      case 'new addresses':
        host.setInterfaces(
          ...host.attachments.map(({ realm, address, link }, index) => ({
            realm,
            link,
            address: neighbour(address, 70 + index),
          })),
        )
        break
      case 'move': {
        const { interfaces, boxes } = network.attach(place.name, disturbance.to)
        place.boxes = boxes
        host.setInterfaces(...interfaces)
        void plan
      }
    }
  }

  /** Media is back in both directions, or the call ends where there is no path any more. */
  private async recover(expected: Path): Promise<Got> {
    const windowMs = 500
    // What was on its way is over.
    await this.world.clock.advance(3_000)
    let good = 0
    for (let waited: Millis = 0; waited < recoveryLimitMs && good < 2; waited += windowMs) {
      const before = this.ends.map((end) => end.received())
      await this.world.clock.advance(windowMs)
      const flows = this.ends.every((end, index) => end.received() - before[index]! >= (windowMs / 20) * 0.5)
      good = flows ? good + 1 : 0
      if (this.ends.some(({ hasEnded }) => hasEnded)) break
    }
    const got = good >= 2 ? this.pathOf() : 'none'
    const fits =
      (got === 'none') === (expected === 'none') ||
      expected === 'timing-dependent' ||
      worstLoss(this.plan) > bearableLoss
    if (!fits)
      this.problems.push(`after the disturbance the oracle says "${expected}", and media is "${got}"`)
    return got
  }

  private async end(): Promise<void> {
    const { world, left, right, problems } = this
    const { clock } = world
    void left.call?.hangUp()
    await this.until(() => this.ends.every(({ call, hasEnded }) => !call || hasEnded), 120_000)
    for (const { call, place } of this.ends)
      if (call && call.state !== 'ended') problems.push(`the ${place.name} call does not end`)
    this.expectNoSecrets()
    const stopped = Promise.all([left.stop(), right.stop()])
    if (this.plan.phones) await clock.run(stopped)
    for (const breach of this.consent.breaches.slice(0, 3)) problems.push(`without consent: ${breach}`)
    await clock.advance(40_000)
    const sockets = [left, right].flatMap(({ place }) =>
      place.host.open.map((what) => `${place.name}: ${what}`),
    )
    if (sockets.length > 0) problems.push(`left open: ${sockets.join(', ')}`)
    this.network.stop()
    // Segments and timers of the network itself.
    await this.until(() => clock.pendingTimers === 0, 60_000)
    if (clock.pendingTimers > 0) problems.push(`${clock.pendingTimers} timers are left`)
    if (world.open.length > 0 && sockets.length === 0) problems.push(`left open: ${world.open.join(', ')}`)
  }

  private noteSecrets(text: string): void {
    for (const [, pwd] of text.matchAll(/a=ice-pwd:(\S+)/g)) this.secrets.add(pwd!)
  }

  private expectNoSecrets(): void {
    for (const { call, place } of this.ends) {
      if (!call) continue
      const told = JSON.stringify([call.trace.facts, call.report()])
      for (const secret of this.secrets)
        if (told.includes(secret)) this.problems.push(`the trace of the ${place.name} end tells a secret`)
    }
  }

  private async until(condition: () => boolean, limitMs: Millis): Promise<void> {
    const { clock } = this.world
    for (let waited: Millis = 0; waited < limitMs && !condition(); waited += 50) await clock.advance(50)
  }
}

/** Whether an end may have candidates that its peer is never told of: more than its description has room for, which is bounded
 *  in an answer always, and no way to tell them afterwards. */
const leavesOut = ({ left, right }: Plan): boolean => !takesFragments(left) || !takesFragments(right)
const mirrors = (a: TransportAddress, b: TransportAddress): boolean =>
  sameAddress(a, b) || (a.address === b.address && (a.port === 9 || b.port === 9))
const tell = (pair: PairFact | undefined): string =>
  pair
    ? `${pair.local.type} ${formatAddress(pair.local.address)} -> ${pair.remote.type} ${formatAddress(pair.remote.address)}`
    : 'none'

/** The next address of the same network. */
const neighbour = (address: string, last: number): string =>
  address.includes(':')
    ? `${address.slice(0, address.lastIndexOf(':') + 1)}${last}`
    : address.replace(/\d+$/, String(last))

function unused(): never {
  throw new Error('nobody encrypts here')
}
