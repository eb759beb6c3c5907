// Candidates that our description did not name, because they came later or had no room: kept until they can be sent, a few at
// a time, and sent again with those that follow, so that a lost or late INFO costs nothing (RFC 8840 4.4).
import type { Candidate } from '../ice/candidate.ts'
import type { Clock, Millis, Timer } from '../runtime/runtime.ts'
import type { MediaPath } from './media-path.ts'

/** What servers answer within so long goes into one message. */
const gatherMs: Millis = 20

const keyOf = ({ component, transport, address, port, type }: Candidate): string =>
  `${component} ${transport} ${address} ${port} ${type}`

export class TrickledCandidates {
  private path: MediaPath | undefined
  private described = new Set<string>()
  private extra: Candidate[] = []
  private sent = 0
  private ended = false
  private endSent = false
  private timer: Timer | undefined

  /** @param send returns whether it could be sent: the peer may not take it, or not yet */
  constructor(
    private readonly clock: Clock,
    private readonly send: (candidates: readonly Candidate[], endOfCandidates: boolean) => boolean,
  ) {}

  /** Whether there is something that the peer has not been told. */
  get hasUntold(): boolean {
    return this.extra.length > this.sent
  }

  /** A description of this path has just been made with these candidates. */
  follow(path: MediaPath, described: readonly Candidate[]): void {
    if (this.path) this.path.onCandidate = undefined
    this.path = path
    this.described = new Set(described.map(keyOf))
    this.extra = (path.agent?.localCandidates(0) ?? []).filter((c) => !this.described.has(keyOf(c)))
    this.sent = 0
    // Complete descriptions say so themselves.
    this.ended = path.isGathered
    this.endSent = this.ended && this.extra.length === 0
    path.onCandidate = (candidate) => {
      if (candidate) this.add(candidate)
      else this.ended = true
      this.timer ??= this.clock.setTimer(gatherMs, () => this.flush())
    }
  }

  flush(): void {
    this.timer?.cancel()
    this.timer = undefined
    if (!this.hasUntold && (this.endSent || !this.ended)) return
    if (!this.send(this.extra, this.ended)) return
    this.sent = this.extra.length
    this.endSent = this.ended
  }

  stop(): void {
    this.timer?.cancel()
    if (this.path) this.path.onCandidate = undefined
  }

  private add(candidate: Candidate): void {
    if (!this.described.has(keyOf(candidate))) this.extra.push(candidate)
  }
}
