// Signalling without SIP: two calls of floe, joined by a channel that delays every message and loses none. Whole phones have SIP
// between them; most simulated calls do without it, since nothing of what they prove depends on it.
import { CallFailed, TimeoutError } from '../../../src/errors.ts'
import type { Call } from '../../../src/phone/call.ts'
import { tricklePackage } from '../../../src/phone/fragments.ts'
import type { Clock, Millis } from '../../../src/runtime/runtime.ts'
import type { Body, IncomingSession, Session, SessionHandler } from '../../../src/sip/session.ts'

/** One end of the channel, as the call on it sees a SIP dialog. */
class ChannelEnd implements IncomingSession {
  readonly callId = 'simulated'
  readonly local = { uri: 'sip:us@simulated' }
  readonly remote = { uri: 'sip:them@simulated' }
  readonly localAddress = ''
  readonly peerInfo = { uri: '' }
  readonly peerInfoPackages: ReadonlySet<string>
  handler: SessionHandler | undefined
  peer!: ChannelEnd
  offer?: Body
  /** Gives up the re-INVITE of ours that has no answer yet. */
  private giveUp: (() => void) | undefined
  private over = false
  readonly replaceable = undefined

  constructor(
    readonly direction: 'outgoing' | 'incoming',
    private readonly clock: Clock,
    private readonly delayMs: Millis,
    peerTrickles: boolean,
    private readonly onBody: (text: string) => void,
  ) {
    this.peerInfoPackages = new Set(peerTrickles ? [tricklePackage] : [])
  }

  /** Does something at the other end, when the message is there. */
  private tell(action: (peer: ChannelEnd) => void): void {
    this.clock.setTimer(this.delayMs, () => {
      if (!this.peer.over) action(this.peer)
    })
  }

  progress(): void {}

  accept(body: Body): void {
    this.onBody(body.content)
    this.tell((peer) => {
      const response = { status: 200, reason: 'OK', remoteTag: 'them', body }
      peer.handler?.onAccepted?.(response, (answer) =>
        peer.tell((back) => back.handler?.onConfirmed?.(answer)),
      )
    })
  }

  reject(status: number): void {
    this.end(status, 'rejected')
  }

  hangUp(): void {
    this.end(200, 'BYE')
  }

  async info(body: Body, infoPackage?: string): Promise<void> {
    this.tell((peer) => peer.handler?.onInfo?.(body, infoPackage))
  }

  /** It carries calls and nothing beside them. */
  async message(): Promise<void> {
    throw new CallFailed('the far end takes no messages', 405, 'refused')
  }

  async refer(): Promise<void> {
    throw new CallFailed('the far end cannot be referred', 405, 'refused')
  }

  reinvite(offer: Body, { limitMs = 32_000 } = {}): Promise<Body | undefined> {
    this.onBody(offer.content)
    return new Promise<Body | undefined>((resolve, reject) => {
      const settle = (how: () => void): void => {
        timer.cancel()
        this.giveUp = undefined
        how()
      }
      const refuse = (status: number): void =>
        settle(() => reject(new CallFailed(`the far end refused (${status})`, status, 'refused')))
      const timer = this.clock.setTimer(limitMs, () =>
        settle(() => reject(new TimeoutError('no answer to the re-INVITE', limitMs))),
      )
      this.giveUp = () => refuse(491)
      this.tell((peer) => {
        // Of two that cross it is the callee's that gives way, as in floe's own SIP (RFC 3261 14.2).
        if (peer.giveUp && peer.direction === 'incoming') peer.giveUp()
        if (peer.giveUp) peer.tell(() => refuse(491))
        else
          peer.handler?.onReinvite?.({
            offer,
            remoteTag: '',
            accept: (body) => {
              this.onBody(body.content)
              peer.tell(() => settle(() => resolve(body)))
            },
            reject: (status) => peer.tell(() => refuse(status)),
          })
      })
    })
  }

  private end(status: number, reason: string): void {
    if (this.over) return
    this.tell((peer) => {
      peer.over = true
      peer.giveUp?.()
      peer.handler?.onEnded({ by: 'remote', status, reason })
    })
    this.over = true
    this.giveUp?.()
  }
}

/** The first call dials; the other one rings for so long and answers. Rejects where the first has nothing to offer.
 *  @param onBody sees every session description */
export async function dial(
  caller: Call,
  called: Call,
  clock: Clock,
  times: { delayMs: Millis; ringingMs: Millis },
  trickles: { caller: boolean; called: boolean },
  onBody: (text: string) => void,
): Promise<void> {
  const here = new ChannelEnd('outgoing', clock, times.delayMs, trickles.called, onBody)
  const there = new ChannelEnd('incoming', clock, times.delayMs, trickles.caller, onBody)
  here.peer = there
  there.peer = here
  await caller.dial({}, (handler: SessionHandler, offer: Body | undefined): Session => {
    here.handler = handler
    if (offer) onBody(offer.content)
    clock.setTimer(times.delayMs, () => {
      if (offer) there.offer = offer
      called.receive(there)
      clock.setTimer(times.ringingMs, () => {
        // Where it cannot be answered the caller is told, and the report tells why.
        called.answer().catch(() => undefined)
      })
    })
    return here
  })
}
