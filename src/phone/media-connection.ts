// Whether the media of an answered call can flow: connected as soon as a path works, kept by recovery while it may come back,
// ended by what cannot be mended (RFC 7675, RFC 8445 8.1.2) or by a peer that is silent for too long.
import { report } from '../diagnose/report.ts'
import { EncryptionFailed, IceFailed, TimeoutError } from '../errors.ts'
import type { Millis, Runtime, Timer } from '../runtime/runtime.ts'
import type { Body } from '../sip/session.ts'
import type { Trace } from '../trace/trace.ts'
import type { CallMedia } from './call-media.ts'
import { Deferred } from './deferred.ts'
import type { PathFailure } from './media-path.ts'
import { MediaWatchdog } from './media-watchdog.ts'
import type { NetworkWatch } from './network-watch.ts'
import { defaults } from './options.ts'
import { Recovery } from './recovery.ts'

export interface MediaConnectionOptions {
  runtime: Runtime
  media: CallMedia
  watch: NetworkWatch
  trace: Trace
  /** Of the call's options; the default where absent. */
  mediaTimeoutMs: () => Millis | undefined
  reinvite: (offer: Body, limitMs: Millis) => Promise<Body | undefined>
  onConnected: () => void
  onTrouble: () => void
  onLost: (error: Error) => void
}

/** Asterisk reads a digit twice that comes before its own ICE has ended: digits wait for that, but no longer than this. */
const settleLimitMs = 1_000

/** Checks between two ends that know each other's candidates need not so long. */
const lateAfterMs = 3_000

export class MediaConnection {
  private readonly connectedLater = new Deferred<void>()
  private readonly settledLater = new Deferred<void>()
  private readonly recovery: Recovery
  private watchdog: MediaWatchdog | undefined
  private lateTimer: Timer | undefined
  private early = false
  private answered = false
  private guarded = false
  private stopped = false

  constructor(private readonly options: MediaConnectionOptions) {
    const { runtime, media, watch, reinvite, onTrouble, mediaTimeoutMs } = options
    const { clock, network, random } = runtime
    this.recovery = new Recovery({
      clock,
      network,
      random,
      watch,
      media,
      reinvite,
      onTrouble,
      patienceMs: () => mediaTimeoutMs() || defaults.recoveryLimitMs,
      onLost: (failure) => this.lost(failure),
    })
    media.onPathChange = () => this.look()
  }

  /** Resolves when media can flow. */
  get connected(): Promise<void> {
    return this.connectedLater.promise
  }

  /** We let the caller hear us before the answer. */
  beginEarly(): void {
    this.early = true
    this.look()
  }

  /** From the answer on it matters how the path fares: before, another fork may be the one that answers. */
  begin(): void {
    this.answered = true
    this.look()
    if (this.connectedLater.isSettled) return
    this.lateTimer ??= this.options.runtime.clock.setTimer(lateAfterMs, () => {
      if (!this.connectedLater.isSettled && this.options.media.hasUntoldCandidates)
        this.recovery.candidatesCameLate()
    })
  }

  /** Resolves when ICE will choose no other pair, but soon in any case. */
  async settled(): Promise<void> {
    if (this.settledLater.isSettled) return
    const limit: Timer = this.options.runtime.clock.setTimer(settleLimitMs, () => this.settledLater.resolve())
    await this.settledLater.promise
    limit.cancel()
  }

  restart(why: string): Promise<void> {
    return this.recovery.restart(why)
  }

  /** The peer has changed the call. */
  peerSpoke(): void {
    this.recovery.peerSpoke()
  }

  /** The call is over. */
  stop(error: Error): void {
    this.stopped = true
    this.watchdog?.stop()
    this.lateTimer?.cancel()
    this.recovery.stop()
    this.connectedLater.reject(error)
    this.settledLater.resolve()
  }

  private look(): void {
    if (!(this.answered || this.early) || this.stopped) return
    const { media } = this.options
    const { current: path } = media.paths
    if (!this.answered && (media.secure.failure !== undefined || path?.failure)) return
    if (media.secure.failure !== undefined) {
      this.options.onLost(new EncryptionFailed(`no keys for SRTP: ${media.secure.failure}`))
      return
    }
    if (path?.failure) {
      // A path that has worked may do so again.
      if (!this.recovery.pathFailed(path.failure)) this.lost(path.failure)
      return
    }
    if (path?.isSettled) this.settledLater.resolve()
    if (!path?.isUsable || !media.secure.isReady) return
    if (!this.connectedLater.isSettled) this.connectedLater.resolve()
    if (!this.answered || this.guarded) return
    this.guarded = true
    this.recovery.start()
    this.startWatchdog()
    this.options.onConnected()
  }

  private lost(failure: PathFailure): void {
    const why =
      failure.type === 'failed'
        ? `no path for media: ${failure.reason}`
        : 'the far end stopped answering on the media path (RFC 7675)'
    const { pairs } = report(this.options.trace.facts)
    this.options.onLost(
      new IceFailed(
        why,
        pairs.map(({ text }) => text),
      ),
    )
  }

  private startWatchdog(): void {
    const { runtime, media, trace, mediaTimeoutMs, onLost } = this.options
    const limitMs = mediaTimeoutMs() ?? defaults.mediaTimeoutMs
    const received = () => {
      if (!media.expectsMedia || this.recovery.isUnderWay) return undefined
      return media.stream?.statistics().received.packets ?? 0
    }
    this.watchdog = new MediaWatchdog(runtime.clock, limitMs, received, () => {
      const seconds = limitMs / 1000
      trace.record({ layer: 'call', type: 'warning', message: `no media received for ${seconds} s` })
      onLost(
        new TimeoutError(`no media was received for ${seconds} s: the far end or the path is gone`, limitMs),
      )
    })
  }
}
