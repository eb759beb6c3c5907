// One call at the phone, with its number: what the status block, the call list and the events need to know of it.
import {
  type Call,
  type CallReport,
  formatAddress,
  type IncomingTransfer,
  type Levels,
  type Peer,
} from '../../index.ts'
import type { CallStateName, PhoneEvent } from './events.ts'

export interface LineStart {
  number: string
  account: string
  direction: 'incoming' | 'outgoing'
  /** Whom it goes to, or who calls. */
  remote: string
  /** Wall-clock milliseconds. */
  startedAt: number
}

type Outcome = Omit<CallReport['outcome'], 'state'>

/** What of a call's report is shown while it goes on. */
type LiveReport = Pick<CallReport, 'codec' | 'selected' | 'statistics' | 'ice' | 'media'>

/** "host 192.0.2.1:4000". */
const end = ({ type, address }: CallReport['selected'][0]['local']): string =>
  `${type} ${formatAddress(address)}`

export class Line {
  readonly number: string
  readonly account: string
  readonly direction: 'incoming' | 'outgoing'
  readonly startedAt: number
  remote: string
  displayName: string | undefined
  /** What its messages say of it. */
  peer: Peer | undefined
  state: CallStateName = 'calling'
  answeredAt: number | undefined
  endedAt: number | undefined
  /** Once it is over. */
  outcome: Outcome | undefined
  report: CallReport | undefined
  recordingTo: string | undefined
  /** The other side wants us to call somebody else. */
  transfer: IncomingTransfer<Call> | undefined
  /** Once the INVITE is out, or in. */
  readonly call: Promise<Call>
  onEnded: (() => void) | undefined
  private known: Call | undefined

  constructor(
    start: LineStart,
    call: Promise<Call>,
    private readonly tell: (event: PhoneEvent) => void,
    private readonly now: () => number,
  ) {
    this.number = start.number
    this.account = start.account
    this.direction = start.direction
    this.remote = start.remote
    this.startedAt = start.startedAt
    this.call = call
  }

  /** Follows the call from now on. */
  attach(call: Call): void {
    this.known = call
    call.onState = (state) => {
      if (state !== 'ended') this.become(state)
    }
    call.onHold = ({ local, remote }) => this.tell({ event: 'hold', call: this.number, local, remote })
    call.onTransfer = (transfer) => {
      this.transfer = transfer
      const { target, attended, referredBy } = transfer
      this.tell({
        event: 'transfer',
        call: this.number,
        target,
        attended,
        ...(referredBy !== undefined && { referredBy }),
      })
    }
    call.onDtmf = ({ digit, durationMs, by }) =>
      this.tell({ event: 'dtmf', call: this.number, digit, durationMs: Math.round(durationMs), by })
    call.trace.subscribe((fact) => {
      if (fact.layer === 'call' && fact.type === 'warning') this.warn(fact.message)
      if (fact.layer === 'ice' && fact.type === 'selected' && fact.component === 1)
        this.tell({ event: 'path', call: this.number, local: end(fact.local), remote: end(fact.remote) })
    })
    call.connected.then(
      () => this.tellConnected(call),
      () => undefined,
    )
    void call.ended.then((report) => this.finish(report.outcome, report))
    this.become(call.state)
  }

  /** It could not even be dialled. */
  fail(reason: string): void {
    this.finish({ reason, by: 'local' })
  }

  get isOver(): boolean {
    return this.state === 'ended'
  }

  /** An incoming call that waits for its answer. */
  get rings(): boolean {
    return this.direction === 'incoming' && (this.state === 'calling' || this.state === 'ringing')
  }

  get isMissed(): boolean {
    return (
      this.isOver &&
      this.direction === 'incoming' &&
      this.answeredAt === undefined &&
      this.outcome?.by !== 'local'
    )
  }

  get heldBy(): { local: boolean; remote: boolean } {
    return this.known?.heldBy ?? { local: false, remote: false }
  }

  /** Call-ID, once it is known. */
  get callId(): string | undefined {
    return this.known?.id
  }

  /** What is heard and spoken in; an incoming call has nothing of it before it is answered. */
  get audible(): Call | undefined {
    return this.rings ? undefined : this.known
  }

  get muted(): boolean {
    return this.known?.muted ?? false
  }

  levels(): Levels | undefined {
    return this.known?.levels()
  }

  live(): LiveReport | undefined {
    return this.known?.report()
  }

  warn(message: string): void {
    this.tell({ event: 'warning', call: this.number, message })
  }

  /** For `calls`. */
  describe(): Record<string, unknown> {
    const { number, account, direction, remote, displayName, state, muted, recordingTo, outcome } = this
    const { answeredAt, startedAt, endedAt } = this
    return {
      call: number,
      account,
      direction,
      remote,
      ...(displayName !== undefined && { displayName }),
      state,
      startedAt: new Date(startedAt).toISOString(),
      ...(answeredAt !== undefined && { durationMs: Math.round((endedAt ?? this.now()) - answeredAt) }),
      ...(!this.isOver && { muted, heldBy: this.heldBy }),
      ...(recordingTo !== undefined && { recordingTo }),
      ...(this.isOver && { ...outcome, state, missed: this.isMissed }),
    }
  }

  private become(state: CallStateName): void {
    if (this.isOver) return
    this.learn()
    this.state = state
    if (state === 'answered') this.answeredAt ??= this.now()
    this.tellState()
  }

  private finish(outcome: Outcome, report?: CallReport): void {
    if (this.isOver) return
    this.state = 'ended'
    this.endedAt = this.now()
    this.outcome = outcome
    this.report = report
    this.known = undefined
    this.transfer = undefined
    this.onEnded?.()
    this.tellState()
  }

  /** What the messages of the call say of the other side; its own server is believed most. */
  private learn(): void {
    const { peer } = this.known ?? {}
    if (!peer) return
    this.peer = { ...peer }
    this.remote = peer.asserted?.uri ?? (peer.uri || this.remote)
    this.displayName = peer.asserted?.displayName ?? peer.displayName
  }

  private tellState(): void {
    const { number, state, direction, account, remote, displayName, peer, outcome, report } = this
    const { status, reason, by } = outcome ?? {}
    this.tell({
      event: 'call',
      call: number,
      state,
      direction,
      account,
      remote,
      ...(displayName !== undefined && { displayName }),
      ...(peer && { peer }),
      ...(status !== undefined && { status }),
      ...(reason !== undefined && { reason }),
      ...(by !== undefined && { by }),
      ...(report && { report }),
    })
  }

  private tellConnected(call: Call): void {
    if (this.isOver) return
    const { codec, ice } = call.report()
    this.tell({
      event: 'connected',
      call: this.number,
      ice: ice.mode,
      ...(codec && { codec: codec.name }),
    })
  }
}
