// Which call of ours an INVITE with Replaces takes the place of (RFC 3891 3). Who names a dialog by its Call-ID and both tags has
// been told them by one of its two ends: they are 64 random bits each where they are ours, and nobody else knows them. That is the
// permission (RFC 3891 5 wants one and leaves its kind open); `allow` lists and passwords apply to it as to every other call.
import type { DialogSession } from './dialog-session.ts'
import type { SipRequest } from './message.ts'
import { parseReplaces } from './replaces.ts'
import type { Refusal } from './request-checks.ts'

/** Ended calls that are told from calls that never were. */
const endedKept = 64

const refused = (status: number, reason?: string): Refusal => ({
  status,
  ...(reason !== undefined && { reason }),
  headers: [],
})

export class ReplacedDialogs {
  private readonly ended: string[] = []

  /** @param isEarly whether there is a dialog with that id (of sip.js) which is not confirmed */
  constructor(private readonly isEarly: (dialogId: string) => boolean) {}

  /** A call is over: replacing it comes too late. */
  end(session: DialogSession): void {
    const { dialogKey } = session
    if (dialogKey === undefined) return
    this.ended.push(dialogKey)
    if (this.ended.length > endedKept) this.ended.shift()
  }

  /** Undefined where the request replaces nothing. */
  find(request: SipRequest, sessions: Iterable<DialogSession>): DialogSession | Refusal | undefined {
    const lines = request.lines('Replaces')
    if (lines.length === 0) return undefined
    const replaces = lines.length === 1 ? parseReplaces(lines[0]!) : undefined
    if (!replaces || request.get('Join') !== undefined)
      return refused(400, 'Bad Request: one Replaces that can be read, and no Join')
    const key = `${replaces.callId} ${replaces.toTag} ${replaces.fromTag}`
    if (this.ended.includes(key)) return refused(603)
    for (const session of sessions) {
      if (session.dialogKey !== key) continue
      const confirmed = session.replaceable !== undefined
      if (confirmed) return replaces.earlyOnly ? refused(486) : session
      // An invitation that rings here is not ours to give away.
      return refused(481)
    }
    if (!this.isEarly(replaces.callId + replaces.toTag + replaces.fromTag)) return refused(481)
    // Ours that rings elsewhere is: it is cancelled.
    const { callId } = replaces
    for (const session of sessions)
      if (session.callId === callId && session.direction === 'outgoing' && !session.replaceable)
        return session
    return refused(481)
  }
}
