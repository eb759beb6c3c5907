// Our re-INVITE (RFC 3261 14.1): one at a time, retried after glare (491), authenticated, bounded in time.
import { Core } from 'sip.js'
import { CallFailed } from '../errors.ts'
import type { Millis, Timer } from '../runtime/runtime.ts'
import { type AgentContext, type Identity, randomDelayMs } from './agent-context.ts'
import type { SipResponse } from './message.ts'
import type { Body, Offer } from './session.ts'
import { sipjsBody } from './sipjs-core.ts'
import { abandonReinvite, isCaller, isWaitingForAck, refreshRemoteTarget } from './sipjs-corrections.ts'
import { challengeOf, IncomingResponse, sessionBody } from './sipjs-messages.ts'
import { failedRequest } from './unanswered.ts'

/** Tries against a peer that answers 491 or is busy with its own offer: some 20 s. */
const maximumTries = 8
/** An offer of the caller's that has had no answer for so long has not crossed the peer's: it is lost. */
const lostAfterMs = 2_000
/** How long the 487 that answers our CANCEL is waited for. */
const cancelPatienceMs = 1_000

export interface ReinviteHooks {
  /** Contact, Allow, Session-Expires ... */
  headers: () => string[]
  onAccepted: (response: SipResponse) => void
  /** 422: whether to send it again. */
  onTooBrief: (response: SipResponse) => boolean
  /** Whether an offer of the peer is being answered. */
  isBusy: () => boolean
}

export class Reinviter {
  private timer: Timer | undefined
  private limit: Timer | undefined
  private abandon: ((error: CallFailed) => void) | undefined
  private giveWay: (() => void) | undefined
  private stopped = false
  /** End the waiting for answers to those that were given up. */
  private readonly abandoned: (() => void)[] = []

  constructor(
    private readonly context: AgentContext,
    private readonly identity: Identity,
    private readonly onDialogGone: (status: number) => void,
    private readonly hooks: ReinviteHooks,
  ) {}

  /** @param challenger the IP address that may ask for credentials
   *  @param limitMs when to give up, and cancel what is under way */
  async offer(
    session: Core.Session,
    offer: Offer,
    challenger: string,
    limitMs?: number,
  ): Promise<Body | undefined> {
    if (this.abandon)
      throw new CallFailed('Another change of the call is still under way.', 491, 'Request Pending')
    const dialog = session as Core.SessionDialog
    const target = dialog.remoteTarget.toRaw()
    const attempt = this.identity.digest.attempt(dialog.callId)
    let tries = 0
    let over = false
    let sentAt: Millis | undefined
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        over = true
        this.timer?.cancel()
        this.timer = undefined
        this.limit?.cancel()
        this.limit = undefined
        this.abandon = undefined
        this.giveWay = undefined
        settle()
      }
      const fail = (status: number, reason: string, byPeer = true): void =>
        finish(() => reject(failedRequest('the change of the call', status, reason, byPeer)))
      this.abandon = (error) => finish(() => reject(error))

      const again = (status: number, reason: string): void => {
        if (this.stopped) return
        if (++tries >= maximumTries) {
          fail(status, reason)
          return
        }
        // The owner of the Call-ID, who sent the first INVITE, waits 2.1 to 4 s, the other at most 2 s.
        const delayMs = isCaller(dialog)
          ? randomDelayMs(this.context.random, 2100, 4000)
          : randomDelayMs(this.context.random, 0, 2000)
        sentAt = undefined
        this.timer = this.context.clock.setTimer(delayMs, () => this.context.guard('re-INVITE', send))
      }
      const onRefused = ({ message }: Core.IncomingResponse): void => {
        const status = message.statusCode ?? 0
        const challenge = challengeOf(message, challenger)
        if (challenge) {
          const problem = attempt.challenged(...challenge)
          if (problem === undefined) send()
          else fail(status, problem)
          return
        }
        const reason = message.reasonPhrase ?? ''
        if (status === 422 && message instanceof IncomingResponse && this.hooks.onTooBrief(message.wire)) {
          send()
          return
        }
        // 500: our ACK to the answer before was lost, and comes again (RFC 3261 14.2).
        const isBusy =
          status === 500 &&
          message instanceof IncomingResponse &&
          message.wire.get('Retry-After') !== undefined
        if (status === 491 || isBusy) {
          again(status, reason)
          return
        }
        fail(status, reason, message instanceof IncomingResponse)
        if (status === 481 || (status === 408 && !this.stopped && limitMs === undefined))
          this.onDialogGone(status)
      }
      const onAccept = ({
        message,
        session: accepted,
        ack,
      }: Core.AckableIncomingResponseWithSession): void => {
        refreshRemoteTarget(accepted, message)
        ack()
        const wire = message instanceof IncomingResponse ? message.wire : undefined
        if (wire) this.hooks.onAccepted(wire)
        const answer = wire && sessionBody(wire)
        finish(() => resolve(answer))
      }
      const send = (): void => {
        if (this.stopped || over) return
        const { reinviteUserAgentClient: ours, reinviteUserAgentServer: theirs } = dialog
        if (ours || theirs || isWaitingForAck(dialog) || this.hooks.isBusy()) {
          again(491, 'Request Pending')
          return
        }
        sentAt ??= this.context.clock.now()
        let body: Body
        let content: Core.Body
        try {
          body = typeof offer === 'function' ? offer() : offer
          content = sipjsBody(body)
        } catch (error) {
          finish(() => reject(error))
          return
        }
        const extraHeaders = [...this.hooks.headers(), ...attempt.headers('INVITE', target, body.content)]
        const guarded =
          <T>(run: (response: T) => void) =>
          (response: T): void =>
            this.context.guard('response to re-INVITE', () => run(response))
        const refused = guarded(onRefused)
        dialog.invite(
          { onAccept: guarded(onAccept), onReject: refused, onRedirect: refused },
          { extraHeaders, body: content },
        )
      }
      const forget = (client: Core.ReInviteUserAgentClient): void => {
        this.context.giveUp(client.transaction.id)
        this.abandoned.push(abandonReinvite(dialog, client))
      }
      const giveUp = (): void => {
        const client = dialog.reinviteUserAgentClient
        const end = (): void => {
          if (client) forget(client)
          fail(408, 'no answer in time', false)
        }
        if (client?.transaction.state !== Core.TransactionState.Proceeding) {
          end()
          return
        }
        client.cancel()
        this.limit = this.context.clock.setTimer(cancelPatienceMs, () => this.context.guard('re-INVITE', end))
      }
      if (limitMs !== undefined) {
        this.giveWay = () => {
          const client = dialog.reinviteUserAgentClient
          const recent = sentAt !== undefined && this.context.clock.now() - sentAt < lostAfterMs
          if (client && isCaller(dialog) && recent) return
          if (client?.transaction.state === Core.TransactionState.Proceeding) client.cancel()
          if (client) forget(client)
          fail(491, 'Request Pending')
        }
        this.limit = this.context.clock.setTimer(limitMs, () => this.context.guard('re-INVITE', giveUp))
      }
      send()
    })
  }

  /** An offer of the peer has come. One of ours that may be given up gives way to it, where 491 (RFC 3261 14.2) would let both
   *  ends wait for what one of them sends into the void. Of two that cross it is the callee's that gives way. */
  yield(): void {
    this.giveWay?.()
  }

  /** The call has ended. */
  stop(): void {
    this.stopped = true
    for (const discard of this.abandoned.splice(0)) discard()
    this.abandon?.(
      new CallFailed('The call ended before its change was answered.', 487, 'Request Terminated'),
    )
  }
}
