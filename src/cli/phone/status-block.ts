// What the status block shows of accounts and calls, gathered from the switchboard: levels five times a second, statistics
// once.
import { formatAddress } from '../../index.ts'
import { describeFailure } from '../text.ts'
import type { Account } from './account.ts'
import type { Line } from './line.ts'
import type { AccountView, CallView } from './screen.ts'
import { nameOf } from './sentences.ts'
import type { Switchboard } from './switchboard.ts'

/** Levels kept of each call, as many as the bars show. */
const levelsKept = 8
const statisticsMs = 1_000
/** Peaks above it are about to be clipped, or are. */
const tooLoudDbov = -3

interface Samples {
  sentDbov: number[]
  receivedDbov: number[]
  /** Who is too loud. */
  loud: string[]
  media: string | undefined
  mediaAt: number
}

export class StatusBlock {
  private readonly samples = new WeakMap<Line, Samples>()

  constructor(private readonly board: Switchboard) {}

  /** Looks at every call that has audio. */
  sample(): void {
    for (const line of this.board.lines) {
      const levels = hasAudio(line) ? line.levels() : undefined
      if (!levels) continue
      const samples = this.samplesOf(line)
      samples.sentDbov = [...samples.sentDbov, levels.sentDbov].slice(-levelsKept)
      samples.receivedDbov = [...samples.receivedDbov, levels.receivedDbov].slice(-levelsKept)
      samples.loud = [
        ...(levels.sentPeakDbov > tooLoudDbov ? ['you are too loud'] : []),
        ...(levels.receivedPeakDbov > tooLoudDbov ? ['they are too loud'] : []),
      ]
      const now = this.board.now()
      if (now - samples.mediaAt < statisticsMs) continue
      samples.mediaAt = now
      samples.media = mediaText(line)
    }
  }

  view(): { accounts: AccountView[]; calls: CallView[] } {
    const { accounts, lines } = this.board
    return { accounts: accounts.map(accountView), calls: lines.map((line) => this.callView(line)) }
  }

  private callView(line: Line): CallView {
    const { number, remote, displayName, rings, muted, recordingTo } = line
    const { sentDbov, receivedDbov, loud, media } = this.samplesOf(line)
    return {
      number,
      who: nameOf(displayName, remote),
      current: this.board.current === line,
      rings,
      state: stateText(line),
      ...(line.answeredAt !== undefined && { durationMs: this.board.now() - line.answeredAt }),
      flags: [...(muted ? ['muted'] : []), ...(recordingTo === undefined ? [] : ['recording']), ...loud],
      sentDbov,
      receivedDbov,
      ...(media !== undefined && { media }),
    }
  }

  private samplesOf(line: Line): Samples {
    let samples = this.samples.get(line)
    if (!samples) {
      samples = {
        sentDbov: [],
        receivedDbov: [],
        loud: [],
        media: undefined,
        mediaAt: Number.NEGATIVE_INFINITY,
      }
      this.samples.set(line, samples)
    }
    return samples
  }
}

const hasAudio = ({ state }: Line): boolean => state === 'answered' || state === 'early-media'

function accountView({ name, registers, phone, registration }: Account): AccountView {
  if (!registers) return { name: 'no account', mark: phone ? 'none' : 'bad' }
  switch (registration.state) {
    case 'registered':
      return { name, mark: 'good' }
    case 'registering':
      return { name, mark: 'waiting' }
    case 'unregistered':
      return { name, mark: 'none', note: 'not registered' }
    case 'failed':
      return { name, mark: 'bad', note: describeFailure(registration) }
  }
}

function stateText({ state, rings, heldBy }: Line): string {
  if (rings) return 'calls you'
  switch (state) {
    case 'calling':
      return 'calling'
    case 'ringing':
      return 'it rings there'
    case 'early-media':
      return 'not answered yet'
    case 'answered':
      if (heldBy.local) return heldBy.remote ? 'held by both' : 'held'
      return heldBy.remote ? 'held by them' : 'in call'
    case 'ended':
      return 'over'
  }
}

/** "PCMU · host→srflx 192.0.2.7:4002 · loss 0.0 % · jitter 2 ms · RTT 12 ms". */
function mediaText(line: Line): string | undefined {
  const report = line.live()
  if (!report) return undefined
  const { codec, selected, media, statistics } = report
  const pair = selected[0]
  const path = pair
    ? `${pair.local.type}→${pair.remote.type} ${formatAddress(pair.remote.address)}`
    : media.sentTo && `no ICE, ${formatAddress(media.sentTo)}`
  const received = statistics?.received
  const roundTripMs = statistics?.roundTripMs
  const parts = [
    codec?.name,
    path,
    ...(received && received.packets > 0
      ? [`loss ${received.lossPercent.toFixed(1)} %`, `jitter ${Math.round(received.jitterMs)} ms`]
      : []),
    ...(roundTripMs === undefined ? [] : [`RTT ${Math.round(roundTripMs)} ms`]),
  ]
  return parts.filter((part) => part !== undefined && part !== '').join(' · ')
}
