// Keeps a flow to a server open between registrations, and notices when it is dead (RFC 5626 4.4): over a connection CRLF CRLF,
// answered by CRLF within 10 s; over UDP a STUN Binding request, whose answer also shows that a NAT has given us another
// address. A server that has never answered either is not blamed for it: it gets empty lines alone, for the NAT's sake.
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis, Timer } from '../runtime/runtime.ts'
import { type AgentContext, randomDelayMs } from './agent-context.ts'
import { BindingLifetimeSearch } from './binding-lifetime.ts'
import type { Flow } from './flow.ts'
import { answerLimitMs, StunEnquiry } from './stun-enquiry.ts'

/** RFC 5626 4.4: at random intervals between these, or from 80 to 100 % of what the server asks for (Flow-Timer). */
const intervalsMs = {
  stream: { shortest: 95_000, longest: 120_000 },
  udp: { shortest: 20_000, longest: 25_000 },
} as const
/** Of a silence that the NAT has survived: keep-alives come well before that. */
const shareOfLifetime = { shortest: 0.65, longest: 0.8 } as const
/** Where even the shortest silence that was tried is too long for the NAT. */
const shortestUdpMs = { shortest: 12_000, longest: 15_000 } as const
const ping = Buffer.from('\r\n\r\n')

export type KeepAliveKind = 'stun' | 'ping' | 'crlf'

export class FlowKeepAlive {
  /** What the server is known to answer; "crlf" as long as nothing is known. */
  kind: KeepAliveKind = 'crlf'
  rttMs: Millis | undefined
  private timer: Timer | undefined
  private enquiry: StunEnquiry | undefined
  private mapped: TransportAddress | undefined
  /** How long the NAT remembers; begun once it is known that there is one. */
  private search: BindingLifetimeSearch | undefined
  private udpIntervalMs: { shortest: Millis; longest: Millis } = intervalsMs.udp
  /** The first question has been asked, and was not answered: it is not asked again. */
  private deaf = false

  /** @param askedSeconds what the server asks for
   *  @param wary a NAT has forgotten us before: it is written to more often, until it is known to remember for longer
   *  @param onDead once, in words; the flow is not kept alive any more */
  constructor(
    private readonly context: AgentContext,
    readonly flow: Flow,
    private askedSeconds: number | undefined,
    wary: boolean,
    private readonly onDead: (reason: string) => void,
  ) {
    if (wary) this.udpIntervalMs = shortestUdpMs
    this.check()
  }

  /** A registration over the same flow may ask for another interval. */
  ask(seconds: number | undefined): void {
    this.askedSeconds = seconds
  }

  /** Asks now whether the flow is alive. */
  check(): void {
    if (this.enquiry) return
    this.timer?.cancel()
    if (this.deaf) {
      this.flow.send(ping)
      this.later()
    } else if (this.flow.protocol === 'udp') this.askStun()
    else this.askPong()
  }

  /** A datagram from the far end that is no SIP. */
  receive(data: Uint8Array): void {
    this.enquiry?.receive(data)
  }

  stop(): void {
    this.search?.stop()
    this.timer?.cancel()
    this.enquiry?.stop()
    this.enquiry = undefined
  }

  private askStun(): void {
    const { clock, random } = this.context
    this.enquiry = new StunEnquiry(clock, random, this.flow, (mapped, rttMs) => {
      this.enquiry = undefined
      this.context.guard('keep-alive', () => this.answered(mapped, rttMs))
    })
  }

  private answered(mapped: TransportAddress | undefined, rttMs: Millis): void {
    if (!mapped) {
      this.silent()
      return
    }
    const before = this.mapped
    this.mapped = mapped
    this.kind = 'stun'
    this.rttMs = rttMs
    if (before && formatAddress(before) !== formatAddress(mapped))
      this.dead(`a NAT has moved us from ${formatAddress(before)} to ${formatAddress(mapped)}`)
    else {
      if (formatAddress(mapped) !== formatAddress(this.flow.sentBy)) this.measureNat()
      this.later()
    }
  }

  private measureNat(): void {
    if (this.askedSeconds !== undefined) return
    this.search ??= new BindingLifetimeSearch(
      this.context,
      this.flow,
      (survivedMs) => {
        const { shortest, longest } = shareOfLifetime
        const found = { shortest: survivedMs * shortest, longest: survivedMs * longest }
        if (found.longest > this.udpIntervalMs.longest) this.udpIntervalMs = found
      },
      (silenceMs) => {
        if (silenceMs <= intervalsMs.udp.longest) this.udpIntervalMs = shortestUdpMs
      },
    )
  }

  private askPong(): void {
    const { clock } = this.context
    const askedAt = clock.now()
    const pongsBefore = this.flow.pongs ?? 0
    this.flow.ping?.()
    this.timer = clock.setTimer(answerLimitMs, () =>
      this.context.guard('keep-alive', () => {
        if ((this.flow.pongs ?? 0) > pongsBefore) {
          this.kind = 'ping'
          this.later()
        } else if (this.kind === 'ping' && (this.flow.heardAt ?? askedAt) >= askedAt) this.later()
        else this.silent()
      }),
    )
  }

  private silent(): void {
    if (this.kind === 'crlf') {
      this.deaf = true
      this.flow.send(ping)
      this.later()
    } else this.dead(`no answer to a keep-alive within ${answerLimitMs / 1000} s`)
  }

  private dead(reason: string): void {
    this.stop()
    this.onDead(reason)
  }

  private later(): void {
    const { clock, random } = this.context
    const usual = this.flow.protocol === 'udp' ? this.udpIntervalMs : intervalsMs.stream
    const askedMs = this.askedSeconds === undefined ? undefined : this.askedSeconds * 1000
    const [shortest, longest] =
      askedMs === undefined ? [usual.shortest, usual.longest] : [askedMs * 0.8, askedMs]
    this.timer = clock.setTimer(randomDelayMs(random, shortest, longest), () =>
      this.context.guard('keep-alive', () => this.check()),
    )
  }
}
