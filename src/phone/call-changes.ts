// What both ends change in the middle of a call (RFC 3261 14, RFC 3264 8): offers of the peer are answered, ours are made for
// hold and resume and for whoever mends the media. Each end holds for itself: a call flows both ways when neither does.
import { CallFailed, RemoteError } from '../errors.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { Body, Offer, Reinvite, Session } from '../sip/session.ts'
import type { Trace } from '../trace/trace.ts'
import { toError } from './call-errors.ts'
import type { CallMedia } from './call-media.ts'

/** Who holds the call: hears nothing of it, and lets nothing but silence be heard. */
export interface HeldBy {
  local: boolean
  remote: boolean
}

export interface CallChangesOptions {
  media: CallMedia
  trace: Trace
  /** Of the answered call. Throws CallFailed where there is none. */
  session: () => Session
  onHold: (heldBy: HeldBy) => void
  /** The peer has changed the call. */
  onPeerChange: () => void
}

export class CallChanges {
  heldBy: HeldBy = { local: false, remote: false }
  /** Changes of ours wait for each other. */
  private last: Promise<unknown> = Promise.resolve()

  constructor(private readonly options: CallChangesOptions) {}

  /** RFC 3264 8.4: the peer is to send nothing any more. Rejects with CallFailed where it refuses; the call goes on as it was. */
  hold(): Promise<void> {
    return this.inTurn(() => this.setHeld(true))
  }

  resume(): Promise<void> {
    return this.inTurn(() => this.setHeld(false))
  }

  /** Sends an offer; resolves with the answer. */
  async offer(offer: Offer, limitMs?: Millis): Promise<Body | undefined> {
    const session = this.options.session()
    return session.reinvite(offer, limitMs === undefined ? {} : { limitMs })
  }

  /** Tells the peer that the call still is (RFC 4028), by an offer that changes nothing. What comes of it, the session timer tells. */
  refresh(): Promise<void> {
    const { media } = this.options
    return this.inTurn(async () => {
      const answer = await this.offer(() => media.sameOffer())
      if (answer) media.accept(answer)
      this.look()
    }).catch((error) => this.warn(`session not refreshed: ${toError(error).message}`))
  }

  /** Answers the peer's offer, or offers where it asks for that. */
  async answer(reinvite: Reinvite): Promise<void> {
    const { media, onPeerChange } = this.options
    try {
      reinvite.accept(reinvite.offer ? await media.answer(reinvite.offer) : media.offerAgain())
      onPeerChange()
      this.look()
    } catch (error) {
      const problem = toError(error)
      this.warn(`change of the call refused: ${problem.message}`)
      reinvite.reject(error instanceof RemoteError ? (error.statusHint ?? 488) : 500)
    }
  }

  /** Descriptions have been exchanged: who holds now? */
  look(): void {
    const { media, trace, onHold } = this.options
    const { held: local, heldByPeer: remote } = media
    if (local === this.heldBy.local && remote === this.heldBy.remote) return
    this.heldBy = { local, remote }
    trace.record({ layer: 'call', type: 'hold', local, remote })
    onHold({ ...this.heldBy })
  }

  private async setHeld(held: boolean): Promise<void> {
    const { media } = this.options
    this.options.session()
    if (media.held === held) return
    media.held = held
    try {
      const answer = await this.offer(() => media.offerAgain())
      if (!answer)
        throw new CallFailed(
          'The far end answered the change of the call without a description.',
          0,
          'no answer',
        )
      media.accept(answer)
    } catch (error) {
      media.held = !held
      throw error
    } finally {
      this.look()
    }
  }

  private warn(message: string): void {
    this.options.trace.record({ layer: 'call', type: 'warning', message })
  }

  private inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.last.then(change)
    this.last = turn.catch(() => undefined)
    return turn
  }
}
