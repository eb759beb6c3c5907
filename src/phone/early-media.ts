// What an incoming call is told of our media: for good with the 200, and before, with a 183, where the caller shall hear us while it
// is not answered yet (RFC 3960 3.1), reliable where the caller takes that (RFC 3262). There is one answer to an offer: both carry
// the same (RFC 3261 13.2.1). Leaves out: early media of a call without an offer, early sessions of their own (RFC 3959).
import { RemoteError, UsageError } from '../errors.ts'
import type { Body, IncomingSession } from '../sip/session.ts'
import { toError } from './call-errors.ts'
import type { CallMedia } from './call-media.ts'

export interface OwnDescriptionOptions {
  media: CallMedia
  incoming: IncomingSession
  /** Throws where the caller has given up meanwhile. */
  ensureOpen: () => void
  /** The caller's offer cannot be answered: it is refused. */
  refuse: (status: number, error: Error) => void
}

export class OwnDescription {
  private body: Promise<Body> | undefined
  private final = false

  constructor(private readonly options: OwnDescriptionOptions) {}

  /** 183. Rejects where the offer cannot be answered; the caller has then been told.
   *  @returns false where the 200 has gone out */
  async sendEarly(): Promise<boolean> {
    const { incoming } = this.options
    if (!incoming.offer)
      throw new UsageError('a caller that leaves the offer to us hears nothing before the answer')
    await this.send(true, (body) => {
      if (!this.final) incoming.progress(183, body)
    })
    return !this.final
  }

  /** 200. Rejects as above. */
  async sendFinal(): Promise<void> {
    await this.send(false, (body) => {
      this.final = true
      this.options.incoming.accept(body)
    })
  }

  private async send(early: boolean, by: (body: Body) => void): Promise<void> {
    const { media, incoming, ensureOpen, refuse } = this.options
    try {
      this.body ??= incoming.offer ? media.answer(incoming.offer, { early }) : media.offer()
      const body = await this.body
      ensureOpen()
      by(body)
    } catch (error) {
      refuse(error instanceof RemoteError ? (error.statusHint ?? 488) : 500, toError(error))
      throw error
    }
  }
}
