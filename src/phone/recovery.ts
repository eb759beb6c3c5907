// Brings media back by itself: notices that a path has died (no consent, an interface gone, silence and no answer to a probe),
// gathers anew and restarts ICE by re-INVITE (RFC 8445 9), again and again with growing pauses, until media flows or patience
// ends. The old path stays in use meanwhile; where it comes back first, nothing more is tried.
//
//   silence ─> probe ─> dead ─┐
//   interface changed ─> gone ┼─> trouble ─> (whose turn it is) ─> gather ─> re-INVITE ─> new path works ─> over
//   consent lost, ICE failed ─┘                  ^                                │ refused, silent, no pair
//                                                └──────────── pause ─────────────┘
import { CallFailed } from '../errors.ts'
import type { Clock, Millis, Network, Random, Timer } from '../runtime/runtime.ts'
import type { Body } from '../sip/session.ts'
import type { CallMedia } from './call-media.ts'
import type { MediaPath, PathFailure } from './media-path.ts'
import type { NetworkWatch } from './network-watch.ts'

export interface RecoveryOptions {
  clock: Clock
  network: Network
  random: Random
  watch: NetworkWatch
  media: CallMedia
  /** Sends the offer; resolves with the answer, rejects where it is refused or not answered in time. */
  reinvite: (offer: Body, limitMs: Millis) => Promise<Body | undefined>
  /** How long media is looked for. */
  patienceMs: () => Millis
  /** Something is wrong with the network. */
  onTrouble: () => void
  /** Patience has ended. */
  onLost: (failure: PathFailure) => void
}

/** Media comes every 20 ms; this long without any, and a listener wonders. */
const silenceMs: Millis = 1_200
/** A NAT that was restarted may let checks through and not the media of a peer that has not noticed: worth one restart. */
const strangeSilenceMs: Millis = 3_000
/** How often it is looked at. */
const lookMs: Millis = 200
/** A peer that answers probes but sends nothing is asked again after this. */
const probeAgainMs: Millis = 2_500
/** How long a re-INVITE may take, try by try: what is lost on a dead SIP path must not block that of the peer (RFC 3261 14.2). */
const reinviteLimitsMs: readonly Millis[] = [3_000, 4_000, 6_000]
/** What servers may take, try by try: who waits for the first has no media meanwhile. */
const gatherLimitsMs: readonly Millis[] = [500, 1_000, 2_000]
/** Where candidates have been late before, every server is waited for: TURN through a proxy takes six round trips. */
const patientGatherLimitMs: Millis = 5_000
const pausesMs: readonly Millis[] = [300, 1_000, 2_000, 3_000]
/** How long checks on a new path may take before the next is tried. */
const checksLimitMs: Millis = 5_000
/** Who waits for whom: the one behind a NAT can always call, and may have become unreachable; the controlling one comes before
 *  the controlled one. */
const headStartMs = { behindNat: 0, inTheOpen: 1_000, controlled: 500 } as const

interface Trouble {
  why: string
  /** What died. */
  path: MediaPath | undefined
  /** Its interface is gone: it cannot come back by itself. */
  gone: boolean
  beganAt: Millis
  /** When media had been heard last. */
  heardAt: Millis
  tries: number
  /** A server was too slow before: it is waited for. */
  patient: boolean
  /** The path itself is alive: one restart is tried, and nothing is lost where it fails. */
  mild: boolean
}

export class Recovery {
  private trouble: Trouble | undefined
  private ticker: Timer | undefined
  private timer: Timer | undefined
  private probeAt: Millis = 0
  /** When media was heard last before the silence that has had its restart. */
  private restartedForSilenceAt: Millis | undefined
  private trying = false
  private renewing = false
  private stopped = false
  private unsubscribe: (() => void) | undefined

  constructor(private readonly options: RecoveryOptions) {}

  /** Media can flow, or has been looked for in vain. */
  start(): void {
    if (this.unsubscribe || this.stopped) return
    const { watch, media } = this.options
    this.unsubscribe = watch.subscribe(() => this.interfacesChanged())
    media.paths.onProbed = (alive) => {
      if (!alive) this.begin('no media and no answer to checks')
      else if (this.isSilentThoughAlive())
        this.begin('no media, although the far end answers checks', { mild: true })
    }
    media.paths.onTrouble = () => this.probe()
    this.tick()
  }

  stop(): void {
    this.stopped = true
    this.unsubscribe?.()
    this.ticker?.cancel()
    this.timer?.cancel()
  }

  /** Whether media is being looked for, so that its absence is no news. */
  get isUnderWay(): boolean {
    return this.trouble !== undefined
  }

  /** The path in use is of no use any more. Returns whether something is done about it. */
  pathFailed(failure: PathFailure): boolean {
    if (this.stopped || !this.unsubscribe) return false
    this.begin(failure.type === 'consent-lost' ? 'consent lost' : 'no candidate pair works any more')
    return true
  }

  /** No pair works, and the far end could not be told of all our candidates: tell them. */
  candidatesCameLate(): void {
    this.start()
    this.begin('candidates came after the description', { patient: true })
  }

  /** The peer has changed the call: its new path may be what is needed. */
  peerSpoke(): void {
    if (this.trouble && !this.trying) this.later(checksLimitMs, () => this.attempt())
  }

  /** A restart that was asked for. Rejects where the peer refuses it or the new path does not work; the old one is kept then. */
  async restart(why: string): Promise<void> {
    await this.renew(why, { limitMs: gatherLimitsMs[0] ?? 0, all: false }, 32_000)
    await this.options.media.paths.takenOver()
  }

  // ── noticing ─────────────────────────────────────────────────────────────────────────────────

  private tick(): void {
    this.ticker = this.options.clock.setTimer(lookMs, () => {
      this.tick()
      this.look()
    })
  }

  private look(): void {
    const { clock, media } = this.options
    const now = clock.now()
    const { trouble } = this
    if (trouble) {
      if (this.isWell(trouble)) this.over()
      else if (now - trouble.beganAt > this.options.patienceMs()) this.giveUp()
      return
    }
    if (media.silentMs > silenceMs && now >= this.probeAt) this.probe()
  }

  /** Once for each silence: a peer may also have nothing to say. */
  private isSilentThoughAlive(): boolean {
    const { media } = this.options
    const { heardAt } = media.paths
    const strange = media.hasReceived && media.silentMs > strangeSilenceMs
    if (!strange || this.restartedForSilenceAt === heardAt) return false
    this.restartedForSilenceAt = heardAt
    return true
  }

  private probe(): void {
    const { clock, media } = this.options
    if (this.trouble || clock.now() < this.probeAt) return
    this.probeAt = clock.now() + probeAgainMs
    media.paths.current?.probe()
  }

  private interfacesChanged(): void {
    const { network, media } = this.options
    const { current } = media.paths
    const used = current?.localAddress
    if (used !== undefined && !network.interfaces().some(({ address }) => address === used)) {
      this.begin(`the interface with ${used} is gone`, { gone: true })
      return
    }
    // The way may lead elsewhere now although the address is still there.
    this.probeAt = 0
    if (this.trouble) this.attempt()
    else this.probe()
  }

  // ── mending ──────────────────────────────────────────────────────────────────────────────────

  private begin(why: string, { gone = false, patient = false, mild = false } = {}): void {
    if (this.stopped || this.trouble) return
    const { clock, media } = this.options
    const { current: path, heardAt } = media.paths
    this.trouble = { why, path, gone, patient, mild, beganAt: clock.now(), heardAt, tries: 0 }
    this.options.onTrouble()
    // Nobody else can know of our own interfaces.
    if (gone) this.attempt()
    else this.later(this.headStartMs(), () => this.attempt())
  }

  private headStartMs(): Millis {
    const agent = this.options.media.paths.current?.agent
    if (!agent) return 0
    const behindNat = agent.localCandidates(0).some(({ type }) => type !== 'host')
    const place = behindNat ? headStartMs.behindNat : headStartMs.inTheOpen
    return place + (agent.controlling ? 0 : headStartMs.controlled)
  }

  private attempt(): void {
    const { trouble } = this
    if (!trouble || this.trying || this.stopped) return
    this.trying = true
    const ofTry = (values: readonly Millis[]): Millis => values[trouble.tries] ?? values.at(-1) ?? 0
    const limitMs = ofTry(reinviteLimitsMs)
    const pauseMs = ofTry(pausesMs)
    const gathering = {
      limitMs: trouble.patient ? patientGatherLimitMs : ofTry(gatherLimitsMs),
      // What was left out before must not be left out again.
      all: trouble.patient,
    }
    trouble.tries++
    this.renew(trouble.why, gathering, limitMs).then(
      () => {
        this.trying = false
        this.later(checksLimitMs, () => (trouble.mild ? this.over() : this.attempt()))
      },
      () => {
        this.trying = false
        if (trouble.mild) {
          this.over()
          return
        }
        // Two ends that try at the same time must not go on doing so.
        this.later(pauseMs + this.options.random.integer(500), () => this.attempt())
      },
    )
  }

  private async renew(
    why: string,
    gathering: { limitMs: Millis; all: boolean },
    limitMs: Millis,
  ): Promise<void> {
    // A second one would take the place of the path that the first has just offered.
    if (this.renewing) throw new CallFailed('An ICE restart is under way already.', 491, 'Request Pending')
    this.renewing = true
    try {
      await this.offerAfresh(why, gathering, limitMs)
    } finally {
      this.renewing = false
    }
  }

  private async offerAfresh(
    why: string,
    gathering: { limitMs: Millis; all: boolean },
    limitMs: Millis,
  ): Promise<void> {
    const { media, reinvite } = this.options
    const offer = await media.restartOffer(why, gathering)
    const ours = media.paths.next
    try {
      const answer = await reinvite(offer, limitMs)
      if (answer) media.accept(answer)
      else media.paths.dropNext('the far end answered without a description')
    } catch (error) {
      // The peer's own restart may have taken its place.
      if (media.paths.next === ours)
        media.paths.dropNext(error instanceof Error ? error.message : String(error))
      throw error
    }
  }

  /** Media is back, on a new path or on the old one. */
  private isWell(trouble: Trouble): boolean {
    const { paths } = this.options.media
    if (!paths.current?.isUsable) return false
    // Checks have just gone both ways over a new one.
    return paths.current !== trouble.path || (paths.heardAt > trouble.heardAt && !trouble.gone)
  }

  private over(): void {
    this.trouble = undefined
    this.timer?.cancel()
    this.probeAt = this.options.clock.now() + silenceMs
  }

  private giveUp(): void {
    if (this.trouble?.mild) {
      this.over()
      return
    }
    const failure = this.options.media.paths.failure ?? { type: 'consent-lost' }
    this.stop()
    this.options.onLost(failure)
  }

  private later(delayMs: Millis, action: () => void): void {
    this.timer?.cancel()
    if (!this.stopped) this.timer = this.options.clock.setTimer(delayMs, action)
  }
}
