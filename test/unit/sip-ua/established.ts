// For tests: calls of a user agent with a scripted peer, established in both roles.
import type { SipRequest, SipResponse } from '../../../src/sip/message.ts'
import type { IncomingSession, InviteOptions, Reinvite, Session } from '../../../src/sip/session.ts'
import { Listener, type Scene, sdp } from './scripted-peer.ts'

/** Keeps what the peer wants to change. */
export class Changeable extends Listener {
  readonly changes: Reinvite[] = []
  refreshesDue = 0
  onReinvite(reinvite: Reinvite): void {
    this.changes.push(reinvite)
  }
  onRefreshDue(): void {
    this.refreshesDue++
  }
}

export const allowsUpdate = 'Allow: INVITE, ACK, BYE, CANCEL, UPDATE'

/** A call that we placed. */
export async function placed(
  on: Scene,
  listener: Listener = new Changeable(),
  how: { headers?: string[]; options?: InviteOptions } = {},
): Promise<{ session: Session; ack: SipRequest; invite: SipRequest }> {
  const session = on.agent.invite(on.peer.uri, listener, {
    account: { aor: 'sip:alice@example.com', password: 'p' },
    offer: sdp(),
    ...how.options,
  })
  const invite = await on.run(on.peer.request('INVITE'))
  on.peer.reply(invite, 200, { body: sdp('answer'), headers: how.headers ?? [] })
  await on.run(listener.answered)
  return { session, invite, ack: await on.run(on.peer.request('ACK')) }
}

/** A call that we answered. */
export async function answered(
  on: Scene,
  listener: Listener = new Changeable(),
  fields: Record<string, string> = {},
): Promise<{ session: IncomingSession; ok: SipResponse }> {
  let session: IncomingSession | undefined
  on.agent.onInvite = (incoming) => {
    session = incoming
    incoming.handler = listener
    incoming.accept(sdp('answer'))
  }
  on.peer.send('INVITE', fields, sdp())
  const ok = await on.run(on.peer.response(200))
  on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
  await on.world.clock.advance(5)
  return { session: session!, ok }
}
