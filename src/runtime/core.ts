// The sans-I/O contract of every protocol machine (ICE agent, STUN transaction, later TURN and DTLS), and the one
// function of the product that drains such a machine.
import type { TransportAddress } from './address.ts'
import type { Clock, Millis, Timer } from './runtime.ts'

/** How a datagram travels where not by UDP: framed on a TCP connection of ICE (RFC 4571), or as it is on a connection to a
 *  TURN server, whose messages tell their own length (RFC 8656 12.5). */
export type Stream = 'tcp' | 'turn-tcp' | 'turn-tls'

/** A datagram and the two ends of its path: `local` names the socket, `remote` the peer. */
export interface Datagram {
  data: Uint8Array
  /** Of a connection that we open ourselves, the port is only a number that tells it from others: the connection is opened
   *  by the first datagram that is sent on it. */
  local: TransportAddress
  remote: TransportAddress
  /** Absent: UDP. */
  over?: Stream
  /** When to leave; absent: now. Over connections it does not count. */
  departAt?: Millis | undefined
  /** When it came; absent: now. */
  arrivedAt?: Millis | undefined
  /** Over TLS: the name that the certificate must bear, where the sender knows it. */
  serverName?: string
  /** On a stream to a TURN server: the name that its address was found by, for an HTTP proxy that admits names alone. */
  hostName?: string
}

export interface Deadline {
  at: Millis
  /** Which timer this is, for traces. */
  why: string
}

/** Owns no socket, no timer, no randomness source of its own. Bytes and time go in; bytes, events and one deadline come out. */
export interface Core<Event> {
  /** Never throws on what a peer sent; counts the drop and its reason instead. */
  handleDatagram(now: Millis, datagram: Datagram): void
  handleTimeout(now: Millis): void
  pollTransmit(): Datagram | undefined
  pollEvent(): Event | undefined
  nextTimeout(): Deadline | undefined
}

/** What a driver needs of a machine. `Out` is what it sends: a Datagram, or octets alone where it knows one path only. */
interface Drained<Event, Out> {
  handleTimeout(now: Millis): void
  pollTransmit(): Out | undefined
  pollEvent(): Event | undefined
  nextTimeout(): Deadline | undefined
}

/** Runs a Core: mutates it, then sends what it wants sent, hands out its events and re-arms its one deadline. */
export class CoreDriver<Event, Out = Datagram> {
  private timer: Timer | undefined
  private armedFor: Millis | undefined
  private draining = false
  private stopped = false

  constructor(
    private readonly core: Drained<Event, Out>,
    private readonly clock: Clock,
    private readonly transmit: (datagram: Out) => void,
    private readonly onEvent: (event: Event) => void,
  ) {}

  /** The only way to change the core: `mutate`, then drain. Re-entrant calls (from an event) are drained by the outer one. */
  drive<T>(mutate: (now: Millis) => T): T {
    const result = mutate(this.clock.now())
    this.drain()
    return result
  }

  stop(): void {
    this.stopped = true
    this.timer?.cancel()
    this.timer = undefined
  }

  private drain(): void {
    if (this.draining || this.stopped) return
    this.draining = true
    try {
      for (;;) {
        let progressed = false
        for (let d = this.core.pollTransmit(); d; d = this.core.pollTransmit()) {
          this.transmit(d)
          progressed = true
        }
        const event = this.core.pollEvent()
        if (event !== undefined) {
          this.onEvent(event)
          progressed = true
        }
        if (!progressed || this.stopped) break
      }
    } finally {
      this.draining = false
    }
    if (!this.stopped) this.arm()
  }

  private arm(): void {
    const at = this.core.nextTimeout()?.at
    if (at === this.armedFor && this.timer) return
    this.timer?.cancel()
    this.timer = undefined
    this.armedFor = at
    if (at === undefined) return
    this.timer = this.clock.setTimer(Math.max(0, at - this.clock.now()), () => {
      this.timer = undefined
      this.armedFor = undefined
      this.drive((now) => this.core.handleTimeout(now))
    })
  }
}
