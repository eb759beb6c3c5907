import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SipRequest, SipResponse } from '../../../src/sip/message.ts'
import { formatReferTo } from '../../../src/sip/refer-to.ts'
import { parseReplaces } from '../../../src/sip/replaces.ts'
import type { IncomingRefer, IncomingSession, Session } from '../../../src/sip/session.ts'
import { Listener, type Scene, scene, sdp } from './scripted-peer.ts'

let on: Scene
beforeEach(async () => {
  on = await scene()
})
afterEach(async () => {
  expect(on.internalErrors()).toEqual([])
  await on.close()
  expect(on.world.open).toEqual([])
  expect(on.world.clock.pendingTimers).toBe(0)
})

/** A call of ours that the peer has answered. */
async function established(
  handler: object = {},
): Promise<{ session: Session; invite: SipRequest; listener: Listener }> {
  const listener = Object.assign(new Listener(), handler)
  const session = on.agent.invite('sip:bob@192.0.2.2', listener, { offer: sdp() })
  const invite = await on.run(on.peer.request('INVITE'))
  on.peer.reply(invite, 200, { body: sdp('answer') })
  const ack = await on.run(on.peer.request('ACK'))
  return { session, invite: ack, listener }
}
const hangUp = async (session: Session) => {
  session.hangUp()
  on.peer.reply(await on.run(on.peer.request('BYE')), 200)
}
const outcome = (promise: Promise<unknown>) =>
  on.run(
    promise.then(
      () => 'done',
      (error: Error) => error.message,
    ),
  )

describe('Refer-To and Replaces', () => {
  const replaces = { callId: '425928@bobster.example.org', toTag: '7743', fromTag: '6472', earlyOnly: false }
  it('are written as RFC 5589 has them, and read back', () => {
    expect(formatReferTo('sip:carol@192.0.2.3;transport=tcp?Subject=x', replaces)).toBe(
      '<sip:carol@192.0.2.3;transport=tcp?Replaces=425928%40bobster.example.org%3Bto-tag%3D7743%3Bfrom-tag%3D6472>',
    )
    expect(formatReferTo('sip:carol@h')).toBe('<sip:carol@h>')
    expect(parseReplaces('425928@bobster.example.org;to-tag=7743;from-tag=6472')).toEqual(replaces)
    expect(parseReplaces(' a ; from-tag=1;early-only ;to-tag=2')).toEqual({
      callId: 'a',
      toTag: '2',
      fromTag: '1',
      earlyOnly: true,
    })
  })
  it.each([
    '',
    'a',
    'a;to-tag=1',
    'a;to-tag=1;from-tag=',
    'a b;to-tag=1;from-tag=2',
    `${'x'.repeat(300)};to-tag=1;from-tag=2`,
  ])('are not read from %j', (text) => expect(parseReplaces(text)).toBeUndefined())
})

describe('a REFER that we send (RFC 3515)', () => {
  const report = (refer: SipRequest, sequence: number, state: string, text?: string, event = 'refer') =>
    on.peer.inDialog(refer, 'NOTIFY', sequence, {
      headers: [`Event: ${event}`, `Subscription-State: ${state}`],
      ...(text !== undefined && { body: { contentType: 'message/sipfrag;version=2.0', content: text } }),
    })

  it('follows the reports up to the last, and answers challenges', async () => {
    const { session } = await established()
    const told: string[] = []
    const done = outcome(
      session.refer('sip:carol@192.0.2.3', undefined, (status, reason) => told.push(`${status} ${reason}`)),
    )
    const refer = await on.run(on.peer.request('REFER'))
    expect(refer.get('Refer-To')).toBe('<sip:carol@192.0.2.3>')
    expect(refer.get('Referred-By')).toBe(`<${session.local.uri}>`)
    expect(refer.get('Contact')).toMatch(/^<sip:.*192\.0\.2\.1:5060>$/)
    expect(await outcome(session.refer('sip:dave@192.0.2.3'))).toMatch(/Another transfer is still under way/)
    on.peer.reply(refer, 202)
    report(refer, 10, 'active;expires=60', 'SIP/2.0 100 Trying\r\n')
    report(refer, 11, 'active;expires=60', 'SIP/2.0 180 Ringing\r\nContact: <sip:x>\r\n')
    report(refer, 12, 'terminated;reason=noresource', 'SIP/2.0 200 OK\r\n')
    expect(await done).toBe('done')
    expect(told).toEqual(['100 Trying', '180 Ringing', '200 OK'])
    on.peer.inbox.length = 0
    await hangUp(session)
  })

  it('hears a report that comes before the answer, and one that says no', async () => {
    const { session, listener } = await established()
    const done = outcome(session.refer('sip:carol@192.0.2.3'))
    const refer = await on.run(on.peer.request('REFER'))
    report(refer, 10, 'active', 'SIP/2.0 100 Trying\r\n', `refer;id=${refer.cseq.sequence}`)
    await on.run(on.peer.response(200))
    on.peer.reply(refer, 202)
    report(
      refer,
      11,
      'terminated;reason=noresource',
      'SIP/2.0 486 Busy\u0007 Here\r\n',
      `refer;id=${refer.cseq.sequence}`,
    )
    expect(await done).toBe('The transfer failed: 486 Busy  Here.')
    expect(listener.ended).toBeUndefined()
    on.peer.inbox.length = 0
    await hangUp(session)
  })

  it.each([
    ['refuses it', 405, [], 'The far end refused the transfer: 405 Whatever.'],
    ['will not report (RFC 4488)', 202, ['Refer-Sub: false'], 'done'],
    ['never reports', 202, [], 'The far end did not report how the transfer goes within 32 s.'],
  ])('ends where the peer %s', async (_, status, headers, sentence) => {
    const { session } = await established()
    const done = outcome(session.refer('sip:carol@192.0.2.3'))
    on.peer.reply(await on.run(on.peer.request('REFER')), status, { headers })
    expect(await done).toBe(sentence)
    await hangUp(session)
  })

  it('ends where the reports end, or lapse, before anything is decided', async () => {
    const { session } = await established()
    const first = outcome(session.refer('sip:carol@192.0.2.3'))
    const refer = await on.run(on.peer.request('REFER'))
    on.peer.reply(refer, 202)
    report(refer, 10, 'terminated;reason=rejected')
    expect(await first).toMatch(/stopped reporting before the transfer was decided: rejected/)
    const second = outcome(session.refer('sip:carol@192.0.2.3'))
    const again = await on.run(on.peer.request('REFER'))
    on.peer.reply(again, 202)
    report(again, 11, 'active;expires=20', 'SIP/2.0 180 Ringing\r\n', `refer;id=${again.cseq.sequence}`)
    expect(await second).toBe('The far end did not report how the transfer goes within 20 s.')
    on.peer.inbox.length = 0
    report(again, 12, 'active', 'SIP/2.0 200 OK\r\n', `refer;id=${again.cseq.sequence}`)
    await on.run(on.peer.response(481))
    await hangUp(session)
  })

  it('takes odd reports without harm: none, huge, garbage, of other events', async () => {
    const { session } = await established()
    const done = outcome(session.refer('sip:carol@192.0.2.3'))
    const refer = await on.run(on.peer.request('REFER'))
    on.peer.reply(refer, 202)
    report(refer, 10, 'active')
    report(refer, 11, 'active', `SIP/2.0 180 ${'x'.repeat(60_000)}\r\n`)
    report(refer, 12, 'active', '\u0000\ud800 SIP/2.0 200 OK')
    report(refer, 13, 'odd;;expires=x', 'SIP/2.0 999 no\r\n')
    await on.world.clock.advance(10)
    const answers = on.peer.inbox.splice(0).map((answer) => answer.kind === 'response' && answer.status)
    expect(answers).toEqual(Array(answers.length).fill(200))
    report(refer, 14, 'active', 'SIP/2.0 200 OK\r\n', 'presence')
    expect((await on.run(on.peer.response(489))).get('Allow-Events')).toBe('refer')
    report(refer, 15, 'terminated', 'sip/2.0 202 Accepted')
    expect(await done).toBe('done')
    on.peer.inbox.length = 0
    await hangUp(session)
  })

  it('counts as done where a peer that accepted it hangs up by itself', async () => {
    const { session } = await established()
    const done = outcome(session.refer('sip:carol@192.0.2.3'))
    const refer = await on.run(on.peer.request('REFER'))
    on.peer.reply(refer, 202)
    await on.world.clock.advance(5)
    on.peer.inDialog(refer, 'BYE', 10)
    await on.run(on.peer.response(200))
    expect(await done).toBe('done')
  })
})

describe('a REFER that comes in a call', () => {
  let refers: IncomingRefer[]
  const receive = async (referTo: string[] | string, more: string[] = []) => {
    refers = []
    const { session, invite } = await established({ onRefer: (refer: IncomingRefer) => refers.push(refer) })
    const lines = typeof referTo === 'string' ? [`Refer-To: ${referTo}`] : referTo
    on.peer.inDialog(invite, 'REFER', 20, { headers: [...lines, ...more] })
    await on.world.clock.advance(5)
    return { session, invite }
  }

  it('is told of with target, Replaces and Referred-By, and its progress is reported in order', async () => {
    const { session } = await receive(
      '"Carol" <sip:carol@192.0.2.3;method=INVITE?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Route=%3Csip%3Aevil%3E>',
      ['Referred-By: "Al" <sip:al@h>'],
    )
    expect(refers).toEqual([
      {
        target: 'sip:carol@192.0.2.3',
        replaces: { callId: 'a@b', toTag: '1', fromTag: '2', earlyOnly: false },
        referredBy: '"Al" <sip:al@h>',
        accept: expect.any(Function),
        reject: expect.any(Function),
      },
    ])
    const progress = refers[0]!.accept()
    const accepted = await on.run(on.peer.response(202))
    expect(accepted.get('Contact')).toBeDefined()
    // What is overtaken while the first waits for its answer is left out.
    progress.tell(180, 'Ringing')
    progress.tell(183, 'Session\r\nProgress')
    const trying = await on.run(on.peer.request('NOTIFY'))
    expect(trying.get('Event')).toBe('refer')
    expect(trying.get('Subscription-State')).toBe('active;expires=180')
    expect(trying.get('Content-Type')).toBe('message/sipfrag;version=2.0')
    expect(trying.bodyText).toBe('SIP/2.0 100 Trying\r\n')
    on.peer.reply(trying, 200)
    const second = await on.run(on.peer.request('NOTIFY'))
    expect(second.bodyText).toBe('SIP/2.0 183 Session Progress\r\n')
    on.peer.reply(second, 200)
    progress.tell(200, 'OK')
    progress.tell(486, 'too late')
    const last = await on.run(on.peer.request('NOTIFY'))
    expect(last.get('Subscription-State')).toBe('terminated;reason=noresource')
    expect(last.bodyText).toBe('SIP/2.0 200 OK\r\n')
    on.peer.reply(last, 200)
    await hangUp(session)
  })

  it.each([
    ['no Refer-To', [], 400],
    ['two', ['Refer-To: <sip:a@b>, <sip:c@d>'], 400],
    ['no URI', ['Refer-To: <>'], 400],
    ['another scheme', ['Refer-To: <mailto:a@b>'], 416],
    ['another method', ['Refer-To: <sip:a@b;method=BYE>'], 603],
    ['a bad Replaces', ['Refer-To: <sip:a@b?Replaces=x%0d%0aVia:%20evil%3Bto-tag%3D1%3Bfrom-tag%3D2>'], 400],
    ['a bad escape', ['Refer-To: <sip:a@b?Replaces=%zz>'], 400],
    ['two Replaces', ['Refer-To: <sip:a@b?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&replaces=b>'], 400],
    ['endless headers', [`Refer-To: <sip:a@b?Replaces=${'x'.repeat(3_000)}>`], 400],
  ])('is refused with %s', async (_, lines, status) => {
    const { session } = await receive(lines)
    await on.run(on.peer.response(status))
    expect(refers).toEqual([])
    await hangUp(session)
  })

  it('is refused without a handler, while another is under way, and in time', async () => {
    const { session, invite } = await established()
    on.peer.inDialog(invite, 'REFER', 20, { headers: ['Refer-To: <sip:a@b>'] })
    await on.run(on.peer.response(603))
    await hangUp(session)
    const busy = await receive('<sip:a@b>')
    on.peer.inDialog(busy.invite, 'REFER', 21, { headers: ['Refer-To: <sip:c@d>'] })
    await on.run(on.peer.response(491))
    await on.run(on.peer.response(603))
    // Too late to accept.
    refers[0]!.accept().tell(200, 'OK')
    refers[0]!.reject()
    await on.world.clock.advance(10)
    expect(on.peer.inbox).toEqual([])
    await hangUp(busy.session)
  })

  it('may name a number', async () => {
    const { session } = await receive('<tel:+1-555;ext=7>')
    expect(refers[0]?.target).toBe('tel:+1-555;ext=7')
    refers[0]!.reject()
    await on.run(on.peer.response(603))
    await hangUp(session)
  })

  it('is not reported on where that is not wanted (RFC 4488)', async () => {
    const { session } = await receive('<sip:a@b>', ['Refer-Sub: false'])
    refers[0]!.accept().tell(200, 'OK')
    expect((await on.run(on.peer.response(200))).get('Refer-Sub')).toBe('false')
    await on.world.clock.advance(10)
    expect(on.peer.inbox).toEqual([])
    await hangUp(session)
  })

  it('ends its reports, not the call, where the peer knows them no more', async () => {
    const { session } = await receive('<sip:a@b>')
    const progress = refers[0]!.accept()
    await on.run(on.peer.response(202))
    on.peer.reply(await on.run(on.peer.request('NOTIFY')), 481)
    await on.world.clock.advance(10)
    progress.tell(200, 'OK')
    await on.world.clock.advance(10)
    expect(on.peer.inbox).toEqual([])
    await hangUp(session)
  })
})

describe('a REFER outside of calls', () => {
  it('is refused by default, and reported on in a dialog of its own where it is wanted', async () => {
    on.peer.send('REFER', { 'Refer-To': '<sip:carol@192.0.2.3>' })
    await on.run(on.peer.response(603))
    const refers: (IncomingRefer & { from: string })[] = []
    on.agent.onRefer = (refer) => refers.push(refer)
    on.peer.send('REFER', { 'Refer-To': '<sip:carol@192.0.2.3>' })
    await on.world.clock.advance(5)
    expect(refers[0]).toMatchObject({ from: 'sip:bob@192.0.2.2', target: 'sip:carol@192.0.2.3' })
    const progress = refers[0]!.accept()
    const accepted = await on.run(on.peer.response(202))
    const trying = await on.run(on.peer.request('NOTIFY'))
    expect(trying.fromTag).toBe(accepted.toTag)
    expect(trying.toTag).toBe('bobtag')
    expect(trying.uriText).toBe(on.peer.uri)
    on.peer.reply(trying, 200)
    on.peer.inDialog(trying, 'SUBSCRIBE', 99, { headers: ['Event: refer', 'Expires: 0'] })
    await on.run(on.peer.response(405))
    progress.tell(486, 'Busy Here')
    const last = await on.run(on.peer.request('NOTIFY'))
    expect(last.bodyText).toBe('SIP/2.0 486 Busy Here\r\n')
    on.peer.reply(last, 200)
    await on.world.clock.advance(10)
    on.peer.inDialog(trying, 'OPTIONS', 100)
    await on.run(on.peer.response(481))
  })
})

describe('an INVITE with Replaces (RFC 3891 3)', () => {
  let incoming: IncomingSession[]
  beforeEach(() => {
    incoming = []
    on.agent.onInvite = (session) => {
      session.handler = new Listener()
      incoming.push(session)
    }
  })
  const replacing = async (
    value: string,
    more: Record<string, string> = {},
  ): Promise<SipResponse | undefined> => {
    on.peer.send('INVITE', { Replaces: value, Require: 'replaces', ...more }, sdp())
    await on.world.clock.advance(5)
    const final = on.peer.inbox.findIndex((message) => message.kind === 'response' && message.status >= 300)
    return final < 0 ? undefined : (on.peer.inbox.splice(final, 1)[0] as SipResponse)
  }
  const keyOf = (ack: SipRequest) => `${ack.callId};to-tag=${ack.fromTag};from-tag=${ack.toTag}`

  it('takes the place of the call that it names, which ends when it is accepted', async () => {
    const { session, invite, listener } = await established()
    expect(await replacing(keyOf(invite))).toBeUndefined()
    expect(incoming[0]!.replaces).toBe(session)
    expect(listener.ended).toBeUndefined()
    incoming[0]!.accept(sdp('answer'))
    const bye = await on.run(on.peer.request('BYE'))
    expect(bye.callId).toBe(invite.callId)
    on.peer.reply(bye, 200)
    expect(listener.ended).toMatchObject({ by: 'local', reason: 'replaced by another call' })
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
    await on.world.clock.advance(5)
    incoming[0]!.hangUp()
    on.peer.reply(await on.run(on.peer.request('BYE')), 200)
    // It is over now: too late (603), and nobody is rung.
    expect(await replacing(keyOf(invite))).toMatchObject({ status: 603 })
    expect(incoming).toHaveLength(1)
  })

  it('is refused where it names nothing, or in a way that it may not', async () => {
    const { session, invite } = await established()
    const key = keyOf(invite)
    expect(await replacing('nosuch;to-tag=1;from-tag=2')).toMatchObject({ status: 481 })
    expect(
      await replacing(`${invite.callId};to-tag=${invite.toTag};from-tag=${invite.fromTag}`),
    ).toMatchObject({ status: 481 })
    expect(await replacing(`${key};early-only`)).toMatchObject({ status: 486 })
    expect(await replacing(invite.callId)).toMatchObject({ status: 400 })
    expect(await replacing(key, { Join: key })).toMatchObject({ status: 400 })
    expect(await replacing(key, { Require: 'replaces, magic' })).toMatchObject({ status: 420 })
    expect(incoming).toEqual([])
    await hangUp(session)
  })

  it('takes the place of a call of ours that rings elsewhere, which is cancelled', async () => {
    const listener = new Listener()
    on.agent.invite('sip:bob@192.0.2.2', listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 180, { tag: 'early' })
    await on.world.clock.advance(5)
    const key = `${invite.callId};to-tag=${invite.fromTag};from-tag=early;early-only`
    expect(await replacing(key)).toBeUndefined()
    incoming[0]!.accept(sdp('answer'))
    on.peer.reply(await on.run(on.peer.request('CANCEL')), 200)
    on.peer.reply(invite, 487, { tag: 'early' })
    await on.run(on.peer.request('ACK'))
    expect(listener.ended).toMatchObject({ by: 'local', status: 487 })
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
    await on.world.clock.advance(5)
    incoming[0]!.hangUp()
    on.peer.reply(await on.run(on.peer.request('BYE')), 200)
  })

  it('does not take a call that only rings here', async () => {
    on.peer.send('INVITE', {}, sdp())
    await on.world.clock.advance(5)
    incoming[0]!.progress(180)
    const ringing = await on.run(on.peer.response(180))
    expect(
      await replacing(`${ringing.callId};to-tag=${ringing.toTag};from-tag=${ringing.fromTag}`),
    ).toMatchObject({ status: 481 })
    incoming[0]!.reject(486)
    await on.run(on.peer.response(486))
  })
})
