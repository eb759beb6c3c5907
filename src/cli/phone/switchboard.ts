// The phone behind both faces: accounts, the calls that are up, the one of them that is current, and those that were. What
// happens is told as events. Commands (commands.ts) act on it; it prints nothing and reads nothing.
import {
  type Call,
  type DialOptions,
  type IncomingTransfer,
  type Phone,
  type PhoneOptions,
  UsageError,
} from '../../index.ts'
import type { Sound } from '../sound/sound.ts'
import { Account } from './account.ts'
import type { PhoneEvent } from './events.ts'
import { Line, type LineStart } from './line.ts'
import { Subscriptions } from './subscriptions.ts'

/** Ended calls that are remembered, with their reports. */
const maximumHistory = 200

export interface SwitchboardOptions {
  /** A person has one pair of ears: whoever turns to another call holds the present one. Programs say what they mean. */
  oneAtATime: boolean
  /** Absent: nothing of the machine is touched. */
  sound?: Sound
  /** Wall-clock milliseconds. */
  now?: () => number
}

export class Switchboard {
  onEvent: ((event: PhoneEvent) => void) | undefined
  /** Resolves when `quit` was asked for. */
  readonly leaving: Promise<void>
  leave!: () => void
  readonly accounts: readonly Account[]
  /** Calls that are up, the oldest first. */
  readonly lines: Line[] = []
  /** Calls that are over, the oldest first. */
  readonly history: Line[] = []
  /** The call that is spoken in, or would be. */
  current: Line | undefined
  readonly sound: Sound | undefined
  readonly subscriptions = new Subscriptions((event) => this.tell(event))
  readonly now: () => number
  private readonly oneAtATime: boolean
  private count = 0
  private levelTimer: NodeJS.Timeout | undefined

  constructor(accounts: readonly PhoneOptions[], options: SwitchboardOptions) {
    this.oneAtATime = options.oneAtATime
    this.now = options.now ?? Date.now
    this.sound = options.sound
    if (this.sound) this.sound.onFailed = (message) => this.tell({ event: 'warning', message })
    this.leaving = new Promise((resolve) => {
      this.leave = resolve
    })
    this.accounts = accounts.map((each) => new Account(each))
    for (const account of this.accounts) this.follow(account)
  }

  /** Resolves when every account has registered or failed to. */
  async start(): Promise<void> {
    await Promise.all(this.accounts.map((account) => account.start()))
  }

  /** Hangs up, un-registers, closes. */
  async stop(): Promise<void> {
    this.tellLevels(0)
    await Promise.all(this.accounts.map((account) => account.stop()))
    await this.sound?.close()
  }

  /** @param name "alice@pbx.example", or just "alice"; absent: the first that works */
  account(name: string | undefined): Account {
    const found =
      name === undefined
        ? (this.accounts.find(({ phone }) => phone) ?? this.accounts[0])
        : (this.accounts.find((account) => account.name === name) ??
          this.accounts.find((account) => account.name.split('@')[0] === name))
    if (!found)
      throw new UsageError(
        `there is no account ${name}: there is ${this.accounts.map((account) => account.name).join(', ')}`,
      )
    return found
  }

  /** @param number of a call that is up; absent: the current one, or, where calls stand side by side, the only one */
  line(number?: string): Line {
    if (number !== undefined) {
      const found = this.lines.find((line) => line.number === number)
      if (found) return found
      const over = this.history.some((line) => line.number === number)
      throw new UsageError(over ? `call ${number} is over` : `there is no call ${number}`)
    }
    const [first, second] = this.lines
    const found = this.oneAtATime || !second ? (this.current ?? first) : undefined
    if (found) return found
    throw new UsageError(
      second
        ? `there are calls ${this.lines.map((line) => line.number).join(', ')}: say which`
        : 'there is no call',
    )
  }

  /** The current call, or where that is `line`, the next one. */
  otherThan(line: Line): Line {
    const found = this.current === line ? this.next() : (this.current ?? this.next())
    if (found === line) throw new UsageError('there is no other call')
    return found
  }

  /** The one after the current call, the first one after the last. */
  next(): Line {
    const at = this.current ? this.lines.indexOf(this.current) : -1
    return this.lines[(at + 1) % this.lines.length] ?? this.line()
  }

  /** The call that waits for an answer: the current one, or else the first that rings. */
  ringing(number?: string): Line {
    if (number === undefined) {
      const found = this.current?.rings ? this.current : this.lines.find((line) => line.rings)
      if (!found) throw new UsageError('no call rings')
      return found
    }
    const line = this.line(number)
    if (!line.rings) throw new UsageError(`call ${number} does not ring: it is ${line.state}`)
    return line
  }

  /** A call that is up or over, for its report. */
  anyLine(number?: string): Line {
    if (number === undefined && this.lines.length === 0) {
      const last = this.history.at(-1)
      if (last) return last
    }
    return this.history.find((line) => line.number === number) ?? this.line(number)
  }

  /** Resolves when the INVITE is out. The line has its number at once. */
  async dial(target: string, options: DialOptions & { account?: string }): Promise<Line> {
    const { account: name, ...dialOptions } = options
    const account = this.account(name)
    const calling = Promise.all([account.ready(), this.holdOthers(undefined)]).then(([phone]) =>
      phone.call(target, { keepHeardSeconds: 0, ...dialOptions }),
    )
    const line = await this.place(account.name, target, calling)
    if (options.record !== undefined) line.recordingTo = options.record
    if (options.play !== undefined) void this.playing(line, (await calling).played).catch(() => undefined)
    return line
  }

  /** What is played from a file takes the microphone's place. */
  async playing(line: Line, played: Promise<void>): Promise<void> {
    const { sound } = this
    await (sound ? sound.during(await line.call, played) : played)
  }

  /** Calls whom the other side of `line` names. */
  async acceptTransfer(line: Line): Promise<Line> {
    const transfer = this.transferOf(line)
    await this.holdOthers(line)
    return this.place(line.account, transfer.target, transfer.accept({ keepHeardSeconds: 0 }))
  }

  rejectTransfer(line: Line, status?: number): void {
    this.transferOf(line).reject(status)
  }

  private transferOf(line: Line): IncomingTransfer<Call> {
    const { transfer } = line
    if (!transfer) throw new UsageError(`nobody wants call ${line.number} transferred`)
    line.transfer = undefined
    return transfer
  }

  private async place(account: string, remote: string, calling: Promise<Call>): Promise<Line> {
    const line = this.add({ ...this.begin(account), direction: 'outgoing', remote }, calling)
    this.current = line
    try {
      line.attach(await calling)
    } catch (error) {
      line.fail(error instanceof Error ? error.message : String(error))
      throw error
    }
    return line
  }

  /** The call that is spoken in from now on: it is taken back where we hold it, and the others are held where one is enough. */
  async switchTo(line: Line): Promise<void> {
    this.current = line
    this.sound?.follow(line.audible)
    await this.holdOthers(line)
    if (line.heldBy.local) await (await line.call).resume()
  }

  /** One that cannot be held is told of, and stays as it is. */
  private async holdOthers(line: Line | undefined): Promise<void> {
    if (!this.oneAtATime) return
    const others = this.lines.filter(
      (other) => other !== line && other.state === 'answered' && !other.heldBy.local,
    )
    await Promise.all(
      others.map(async (other) => {
        try {
          await (await other.call).hold()
        } catch (error) {
          other.warn(`it is not held: ${error instanceof Error ? error.message : error}`)
        }
      }),
    )
  }

  /** Tells the levels of all answered calls from now on; 0 stops it. */
  tellLevels(intervalMs: number): void {
    clearInterval(this.levelTimer)
    this.levelTimer = undefined
    if (intervalMs === 0) return
    this.levelTimer = setInterval(() => {
      for (const line of this.lines) {
        const levels = line.state === 'answered' ? line.levels() : undefined
        if (levels) this.tell({ event: 'levels', call: line.number, ...levels })
      }
    }, intervalMs)
  }

  private follow(account: Account): void {
    account.onChange = () =>
      this.tell({ event: 'registration', account: account.name, ...account.registration })
    account.onPhone = (phone) => this.listen(account, phone)
  }

  private listen(account: Account, phone: Phone): void {
    phone.onCall = (call) => this.receive(account, call)
    phone.onMessage = ({ callId, ...message }) => {
      const line = this.lines.find((each) => each.callId === callId)
      this.tell({ event: 'message', account: account.name, ...message, ...(line && { call: line.number }) })
    }
    phone.onNotify = ({ from, event, ...notification }) =>
      this.tell({
        event: 'notification',
        account: account.name,
        package: event,
        target: from,
        ...notification,
      })
    this.tell({ event: 'listening', account: account.name, addresses: phone.addresses })
  }

  private receive(account: Account, call: Call): void {
    const line = this.add(
      { ...this.begin(account.name), direction: 'incoming', remote: call.remote },
      Promise.resolve(call),
    )
    this.current ??= line
    line.attach(call)
    if (!call.replaces) return
    // It takes the place of one that we are in (RFC 3891): whoever transferred us has asked for that.
    this.current = line
    void call.answer().catch(() => undefined)
  }

  private begin(account: string): Pick<LineStart, 'number' | 'account' | 'startedAt'> {
    this.count++
    return { number: String(this.count), account, startedAt: this.now() }
  }

  private add(start: LineStart, call: Promise<Call>): Line {
    const line = new Line(start, call, (event) => this.tell(event), this.now)
    this.lines.push(line)
    line.onEnded = () => this.retire(line)
    return line
  }

  private retire(line: Line): void {
    this.lines.splice(this.lines.indexOf(line), 1)
    this.history.push(line)
    if (this.history.length > maximumHistory) this.history.shift()
    if (this.current === line) this.current = this.lines.find(({ rings }) => rings) ?? this.lines.at(-1)
  }

  private tell(event: PhoneEvent): void {
    this.sound?.follow(this.current?.audible)
    this.onEvent?.(event)
  }
}
