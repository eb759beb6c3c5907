// How long the NAT on the way to a server remembers UDP that nobody sends, so that keep-alives need not be as frequent as the worst
// NAT wants them. Asked with a socket of its own, so that the flow of the registration risks nothing: it asks its mapped address by
// STUN and is silent; after that time an OPTIONS over the flow, whose Via names that address and wants no rport, has its answer
// sent there (RFC 3261 18.2.2). Whether the server does that is tried first, without silence.
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis, Timer, UdpSocket } from '../runtime/runtime.ts'
import type { AgentContext } from './agent-context.ts'
import type { Flow } from './flow.ts'
import { randomToken } from './sipjs-core.ts'
import { StunEnquiry } from './stun-enquiry.ts'
import { formatHost } from './uri.ts'
import { magicCookie } from './via.ts'

/** RFC 4787 REQ-5 asks for 2 minutes; 30 s are common, and some forget sooner. */
const silencesMs: readonly Millis[] = [20, 30, 45, 60, 90, 120].map((seconds) => seconds * 1_000)
const answerLimitMs: Millis = 2_000
const repeats = 2

export class BindingLifetimeSearch {
  private socket: UdpSocket | undefined
  private enquiry: StunEnquiry | undefined
  private timer: Timer | undefined
  private stopped = false
  private onDatagram: ((data: Uint8Array) => void) | undefined

  /** @param onFound called for each silence that was survived, the longest last; never where it cannot be found out
   *  @param onTooLong called once where a silence was too long */
  constructor(
    private readonly context: AgentContext,
    private readonly flow: Flow,
    private readonly onFound: (survivedMs: Millis) => void,
    private readonly onTooLong: (silenceMs: Millis) => void,
  ) {
    void this.search().catch(() => this.stop())
  }

  stop(): void {
    this.stopped = true
    this.timer?.cancel()
    this.enquiry?.stop()
    this.socket?.close()
    this.socket = undefined
  }

  private async search(): Promise<void> {
    if (!(await this.survives(0))) return
    for (const silenceMs of silencesMs) {
      const survived = await this.survives(silenceMs)
      if (this.stopped) return
      if (!survived) {
        this.context.guard('keep-alive', () => this.onTooLong(silenceMs))
        return
      }
      this.context.guard('keep-alive', () => this.onFound(silenceMs))
    }
  }

  private async survives(silenceMs: Millis): Promise<boolean> {
    const { flow, context } = this
    const socket = await context.network.openUdp({ address: flow.local.address, port: 0 })
    if (this.stopped) {
      socket.close()
      return false
    }
    this.socket = socket
    socket.onDatagram = (data) => this.onDatagram?.(data)
    try {
      const mapped = await this.mappedAddress(socket)
      if (!mapped) return false
      await this.wait(silenceMs)
      return await this.isReached(mapped)
    } finally {
      socket.close()
      this.onDatagram = undefined
    }
  }

  private mappedAddress(socket: UdpSocket): Promise<TransportAddress | undefined> {
    const { clock, random } = this.context
    const send = (data: Uint8Array): void => socket.send(data, this.flow.remote)
    return new Promise((resolve) => {
      this.enquiry = new StunEnquiry(clock, random, { send }, resolve)
      this.onDatagram = (data) => this.enquiry?.receive(data)
    })
  }

  private async isReached(mapped: TransportAddress): Promise<boolean> {
    const branch = `${magicCookie}${randomToken(this.context.random)}`
    const request = Buffer.from(this.options(branch, mapped))
    let reached = false
    let onReached = (): void => undefined
    this.onDatagram = (data) => {
      if (!Buffer.from(data).includes(branch)) return
      reached = true
      onReached()
    }
    for (let i = 0; i < repeats && !reached && !this.stopped; i++) {
      this.flow.send(request)
      await new Promise<void>((resolve) => {
        onReached = () => {
          this.timer?.cancel()
          resolve()
        }
        this.timer = this.context.clock.setTimer(answerLimitMs, resolve)
      })
    }
    return reached
  }

  private options(branch: string, { address, port }: TransportAddress): string {
    const { random } = this.context
    const server = `sip:${formatHost(this.flow.remote.address)}:${this.flow.remote.port}`
    return [
      `OPTIONS ${server} SIP/2.0`,
      `Via: SIP/2.0/UDP ${formatHost(address)}:${port};branch=${branch}`,
      'Max-Forwards: 1',
      `From: <sip:floe@anonymous.invalid>;tag=${randomToken(random)}`,
      `To: <${server}>`,
      `Call-ID: ${randomToken(random)}`,
      'CSeq: 1 OPTIONS',
      'Content-Length: 0\r\n\r\n',
    ].join('\r\n')
  }

  private wait(ms: Millis): Promise<void> {
    return new Promise((resolve) => {
      this.timer = this.context.clock.setTimer(ms, resolve)
    })
  }
}
