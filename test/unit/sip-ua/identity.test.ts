// What a peer's headers say of it, and what ours say of us: RFC 3323, 3325, 3326, 5009, 5373, 5806, 7044.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { IncomingSession } from '../../../src/sip/session.ts'
import { answered, Changeable, placed } from './established.ts'
import { Listener, type Scene, scene, sdp } from './scripted-peer.ts'

let on: Scene
beforeEach(async () => {
  on = await scene()
})
afterEach(async () => {
  expect(on.internalErrors()).toEqual([])
  await on.close()
  expect(on.world.open).toEqual([])
})

/** A call comes in, and is refused when it has been looked at. */
async function called(fields: Record<string, string>): Promise<IncomingSession['peerInfo']> {
  let session: IncomingSession | undefined
  on.agent.onInvite = (incoming) => {
    session = incoming
    incoming.handler = new Listener()
  }
  on.peer.send('INVITE', fields, sdp())
  await on.world.clock.advance(5)
  session!.reject(486)
  return session!.peerInfo
}

const bob = { uri: 'sip:bob@192.0.2.2', displayName: 'Bob' }

describe('who calls', () => {
  it.each<[string, Record<string, string>, object]>([
    ['as From says', {}, {}],
    ['and with what', { 'User-Agent': 'phone/1' }, { userAgent: 'phone/1' }],
    [
      'diverted (RFC 5806)',
      { Diversion: '"Carol" <sip:carol@x>;reason=no-answer;counter=1, <tel:+4912>;reason="user-busy"' },
      {
        diversion: [
          { uri: 'sip:carol@x', displayName: 'Carol', reason: 'no-answer' },
          { uri: 'tel:+4912', reason: 'user-busy' },
        ],
      },
    ],
    [
      'by way of (RFC 7044)',
      { 'History-Info': '<sip:a@x?Reason=SIP%3Bcause%3D302>;index=1, <sip:b@x>;index=1.1;rc=1' },
      {
        history: [
          { uri: 'sip:a@x', index: '1', reason: 'SIP;cause=302' },
          { uri: 'sip:b@x', index: '1.1' },
        ],
      },
    ],
    [
      'asking to be answered: Call-Info',
      { 'Call-Info': '<sip:x>;answer-after=5' },
      { autoAnswerAfterMs: 5_000 },
    ],
    ['Alert-Info', { 'Alert-Info': '<http://x>;info=alert-autoanswer;delay=0' }, { autoAnswerAfterMs: 0 }],
    ['Answer-Mode', { 'Answer-Mode': 'Auto' }, { autoAnswerAfterMs: 0 }],
    ['Answer-Mode: Manual', { 'Answer-Mode': 'Manual' }, {}],
    ['a claim that only a server may make', { 'P-Asserted-Identity': '<sip:president@x>' }, {}],
    ['babble', { Diversion: '<<', 'History-Info': '"', 'Alert-Info': ';;', 'Call-Info': 'answer-after' }, {}],
  ])('%s', async (_name, fields, expected) => {
    expect(await called(fields)).toEqual({ ...bob, ...expected })
  })

  const register = async (): Promise<void> => {
    on.agent.register({ aor: 'sip:alice@192.0.2.2', server: on.peer.uri })
    on.peer.reply(await on.run(on.peer.request('REGISTER')), 200, {
      headers: ['Contact: <sip:alice@192.0.2.1:5060>;expires=300'],
    })
    await on.world.clock.advance(5)
  }

  it('asserted by the account’s own server (RFC 3325)', async () => {
    await register()
    const peer = await called({ 'P-Asserted-Identity': '"Bob B." <sip:bob@pbx>, <tel:+49>' })
    expect(peer.asserted).toEqual({ uri: 'sip:bob@pbx', displayName: 'Bob B.' })
  })

  it('asserted anew when the far end has changed in the call, by UPDATE and by re-INVITE', async () => {
    await register()
    const changeable = new Changeable()
    const { session, ack } = await placed(on, changeable)
    const asserting = (user: string) => ({ headers: [`P-Asserted-Identity: <sip:${user}@pbx>`] })
    on.peer.inDialog(ack, 'UPDATE', 1, asserting('carol'))
    await on.run(on.peer.response(200))
    expect(session.peerInfo.asserted).toEqual({ uri: 'sip:carol@pbx' })
    on.peer.inDialog(ack, 'INVITE', 2, { ...asserting('dave'), body: sdp() })
    await on.world.clock.advance(5)
    changeable.changes[0]!.accept(sdp('answer'))
    await on.run(on.peer.response(200))
    on.peer.inDialog(ack, 'ACK', 2)
    expect(session.peerInfo.asserted).toEqual({ uri: 'sip:dave@pbx' })
  })
})

describe('Reason (RFC 3326)', () => {
  it('of a refusal, a BYE and a CANCEL is told', async () => {
    const listener = new Listener()
    const session = on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    on.peer.reply(await on.run(on.peer.request('INVITE')), 480, {
      headers: ['Reason: Q.850;cause=20;text="Subscriber absent", SIP;cause=480', 'Server: exchange'],
    })
    expect(await on.run(listener.end)).toMatchObject({
      status: 480,
      reasonHeader: expect.stringContaining('Q.850'),
    })
    expect(session.peerInfo).toEqual({
      uri: on.peer.uri,
      userAgent: 'exchange',
      reason: [
        { protocol: 'Q.850', cause: 20, text: 'Subscriber absent' },
        { protocol: 'SIP', cause: 480 },
      ],
    })
    await on.run(on.peer.request('ACK'))
    const { session: other, ack } = await placed(on)
    on.peer.inDialog(ack, 'BYE', 1, { headers: ['Reason: Q.850 ;cause=16 ;text="Normal \\"clearing\\""'] })
    await on.world.clock.advance(5)
    expect(other.peerInfo.reason).toEqual([{ protocol: 'Q.850', cause: 16, text: 'Normal "clearing"' }])
  })

  it('goes out with BYE in both roles', async () => {
    const { session } = await answered(on)
    session.hangUp({ status: 503, text: 'no "more" money' })
    expect((await on.run(on.peer.request('BYE'))).get('Reason')).toBe(
      'SIP;cause=503;text="no \\"more\\" money"',
    )
  })
})

it('early media is told of (RFC 5009)', async () => {
  const listener = new Listener()
  const session = on.agent.invite(on.peer.uri, listener, { offer: sdp() })
  const invite = await on.run(on.peer.request('INVITE'))
  on.peer.reply(invite, 183, { headers: ['P-Early-Media: sendonly'] })
  await on.world.clock.advance(5)
  expect(session.peerInfo.earlyMedia).toBe('sendonly')
  on.peer.reply(invite, 486)
  await on.run(listener.end)
})

describe('privacy (RFC 3323, RFC 3325)', () => {
  const account = {
    aor: 'sip:alice@example.com',
    displayName: 'Alice',
    username: 'alice',
    password: 'secret',
  }

  it('hides From, display name and Contact; only the own server learns who it is', async () => {
    const { invite, session } = await placed(on, undefined, {
      options: { account: { ...account, server: on.peer.uri }, privacy: ['id', 'user'] },
    })
    expect(invite.get('From')).toMatch(/^"Anonymous" <sip:anonymous@anonymous\.invalid>;tag=/)
    expect(invite.get('Privacy')).toBe('id;user')
    expect(invite.get('P-Preferred-Identity')).toBe('"Alice" <sip:alice@example.com>')
    expect(invite.get('Contact')).toBe('<sip:anonymous@192.0.2.1:5060>')
    session.hangUp()
    const bye = await on.run(on.peer.request('BYE'))
    expect(bye.get('From')).toContain('anonymous.invalid')
    const direct = await placed(on, undefined, { options: { account, privacy: ['id'] } })
    expect(direct.invite.headers.some(({ value }) => /alice/i.test(value))).toBe(false)
  })

  it('none is said, and hides nothing; what is no privacy is a UsageError', async () => {
    const { invite } = await placed(on, undefined, { options: { account, privacy: ['none'] } })
    expect(invite.get('Privacy')).toBe('none')
    expect(invite.get('From')).toContain('alice@example.com')
    for (const privacy of [['secret'], ['none', 'id']] as never[])
      expect(() => on.agent.invite(on.peer.uri, new Listener(), { privacy })).toThrow(/privacy/)
  })
})
