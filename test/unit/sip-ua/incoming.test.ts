import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Body, IncomingSession } from '../../../src/sip/session.ts'
import { Listener, type Scene, ScriptedPeer, scene, sdp } from './scripted-peer.ts'

let on: Scene
let sessions: IncomingSession[]
let listener: Listener
beforeEach(async () => {
  on = await scene()
  sessions = []
  listener = new Listener()
  on.agent.onInvite = (session) => {
    session.handler = listener
    sessions.push(session)
  }
})
afterEach(async () => {
  expect(on.internalErrors()).toEqual([])
  await on.close()
  expect(on.world.open).toEqual([])
  expect(on.world.clock.pendingTimers).toBe(0)
})

const ring = async (fields: Record<string, string | undefined> = {}, body: Body | null = sdp()) => {
  on.peer.send('INVITE', { ...fields, 'Call-ID': fields['Call-ID'] ?? 'incoming' }, body ?? undefined)
  await on.world.clock.advance(5)
  return sessions.at(-1)!
}

describe('a call that comes in (RFC 3261 13.3)', () => {
  it('rings, is answered, confirmed, and hung up by either side', async () => {
    const session = await ring({ 'User-Agent': 'Tester 1.0', 'Record-Route': '<sip:192.0.2.2;lr>' })
    expect(session).toMatchObject({
      direction: 'incoming',
      callId: 'incoming',
      remote: { uri: 'sip:bob@192.0.2.2', displayName: 'Bob' },
      local: { uri: 'sip:alice@192.0.2.1' },
      localAddress: '192.0.2.1',
      userAgent: 'Tester 1.0',
      offer: sdp(),
    })
    session.progress(180)
    session.progress(183, sdp('early'))
    session.accept(sdp('answer'))
    session.accept(sdp('answer'))
    session.reject(486)
    const ringing = await on.run(on.peer.response(180))
    await on.run(on.peer.response(183))
    const ok = await on.run(on.peer.response(200))
    expect(ok.toTag).toBe(ringing.toTag)
    expect(ok.bodyText).toBe(sdp('answer').content)
    expect(ok.get('Contact')).toBe('<sip:alice@192.0.2.1:5060>')
    expect(ok.get('Record-Route')).toBe('<sip:192.0.2.2;lr>')
    expect(ok.list('Allow').sort()).toEqual(
      'ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK REFER UPDATE'.split(' '),
    )
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
    await on.world.clock.advance(5)
    expect(listener.confirmed).toEqual({ answer: undefined })
    session.hangUp()
    const bye = await on.run(on.peer.request('BYE'))
    expect(bye.list('Route')).toEqual(['<sip:192.0.2.2;lr>'])
    expect(bye.uriText).toBe(on.peer.uri)
    on.peer.reply(bye, 200)
    expect(listener.ended).toMatchObject({ by: 'local', status: 200 })
  })

  it('shows nobody a control character of the peer', async () => {
    const esc = String.fromCharCode(27)
    on.peer.send('INVITE', { Subject: `${esc}[2J` }, sdp())
    await on.run(on.peer.response(400))
    const session = await ring({ From: `"red \\${esc}[31m" <sip:bob@192.0.2.2>;tag=b` })
    expect(session.remote.displayName).toBe('red  [31m')
    session.reject(486)
    await on.run(on.peer.response(486))
  })

  it('cannot be changed before it is answered, and can afterwards', async () => {
    const session = await ring()
    session.progress(180)
    await on.run(on.peer.response(180))
    await expect(session.reinvite(sdp('hold'))).rejects.toThrow(/it is not established/)
    await expect(session.info({ contentType: 'text/plain', content: 'x' })).rejects.toThrow(
      /the call is not established/,
    )
    expect(() => session.accept({ contentType: 'a/b\r\nX: y', content: '' })).toThrow(/line break/)
    session.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
    await on.world.clock.advance(5)
    await expect(session.reinvite({ contentType: 'a/b\r\nX: y', content: '' })).rejects.toThrow(/line break/)
    const changed = session.reinvite(sdp('hold'))
    on.peer.reply(await on.run(on.peer.request('INVITE')), 200, { body: sdp('changed') })
    expect(await on.run(changed)).toEqual(sdp('changed'))
    on.peer.inbox.length = 0
  })

  it('sends 100 only when the application is silent for 200 ms', async () => {
    const session = await ring()
    await on.world.clock.advance(150)
    expect(on.peer.inbox).toEqual([])
    await on.run(on.peer.response(100))
    session.reject(480, 'Out to\r\nlunch')
    expect((await on.run(on.peer.response(480))).reason).toBe('Out to lunch')
    expect(listener.ended).toMatchObject({ by: 'local', status: 480 })
  })

  it('answers a late offer with an offer and gets the answer from the ACK', async () => {
    const session = await ring({}, null)
    expect(session.offer).toBeUndefined()
    session.accept(sdp('our offer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence, { body: sdp('their answer') })
    await on.world.clock.advance(5)
    expect(listener.confirmed).toEqual({ answer: sdp('their answer') })
  })

  it('repeats its 200 until the ACK, and hangs up without one after 32 s', async () => {
    const session = await ring()
    session.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    await on.world.clock.advance(2_000)
    expect(on.peer.inbox.length).toBe(2)
    expect(await on.run(listener.end)).toMatchObject({
      by: 'network',
      status: 408,
      reason: expect.stringContaining('no ACK'),
    })
    const bye = await on.run(on.peer.request('BYE'))
    on.peer.reply(bye, 200)
    expect(bye.callId).toBe(ok.callId)
  })

  it('survives a BYE instead of the ACK (a process killer in sip.js)', async () => {
    const session = await ring()
    session.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'BYE', ok.cseq.sequence + 1)
    expect((await on.run(on.peer.response(200))).cseq.method).toBe('BYE')
    expect(await on.run(listener.end)).toMatchObject({ by: 'remote' })
    await on.world.clock.advance(40_000)
    expect(on.peer.inbox).toEqual([])
  })

  it('holds its own BYE back until the ACK (RFC 3261 15)', async () => {
    const session = await ring()
    session.accept(sdp('answer'))
    session.hangUp({ status: 480, text: 'no keys' })
    const ok = await on.run(on.peer.response(200))
    await on.world.clock.advance(100)
    expect(on.peer.inbox).toEqual([])
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
    const bye = await on.run(on.peer.request('BYE'))
    expect(bye.get('Reason')).toBe('SIP;cause=480;text="no keys"')
    on.peer.reply(bye, 200)
    expect(listener.heard).toEqual(['ended'])
  })

  it.each([
    ['its registrar', '192.0.2.2', true],
    ['anybody else, who may have called for its password', '192.0.2.3', false],
  ])('has its BYE challenged by %s', async (_, address, answers) => {
    const account = { aor: 'sip:alice@example.com', password: 'secret', server: 'sip:192.0.2.2' }
    on.agent.register(account)
    on.peer.reply(await on.run(on.peer.request('REGISTER')), 200)
    const caller =
      address === '192.0.2.2' ? on.peer : await ScriptedPeer.open(on.world, address, on.peer.agent)
    caller.send('INVITE', {}, sdp())
    await on.world.clock.advance(5)
    sessions[0]!.accept(sdp('answer'))
    const ok = await on.run(caller.response(200))
    caller.inDialog(ok, 'ACK', ok.cseq.sequence)
    await on.world.clock.advance(5)
    sessions[0]!.hangUp()
    caller.reply(await on.run(caller.request('BYE')), 407, {
      headers: ['Proxy-Authenticate: Digest realm="example.com", nonce="n"'],
    })
    await on.world.clock.advance(5)
    const again = caller.inbox.find((message) => message.kind === 'request' && message.method === 'BYE')
    expect(again?.get('Proxy-Authorization') !== undefined).toBe(answers)
    if (again?.kind === 'request') caller.reply(again, 200)
    if (caller !== on.peer) caller.close()
  })

  it('is cancelled: 200 to the CANCEL, 487 to the INVITE, one To tag', async () => {
    const session = await ring({ Via: 'SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx;rport', CSeq: '7 INVITE' })
    session.progress(180)
    on.peer.send('CANCEL', {
      Via: 'SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx;rport',
      CSeq: '7 CANCEL',
      'Call-ID': 'incoming',
      Reason: 'SIP;cause=200;text="Call completed elsewhere"',
    })
    const ok = await on.run(on.peer.response(200))
    const terminated = await on.run(on.peer.response(487))
    expect(ok.toTag).toBe(terminated.toTag)
    expect(await on.run(listener.end)).toMatchObject({
      by: 'remote',
      status: 487,
      reasonHeader: 'SIP;cause=200;text="Call completed elsewhere"',
    })
    session.accept(sdp('too late'))
    expect(listener.heard).toEqual(['ended'])
  })

  it('ends with 487 when the invitation expires, even if nobody is left to cancel it', async () => {
    const session = await ring({ Expires: '20' })
    session.progress(180)
    await on.world.clock.advance(19_000)
    expect(listener.ended).toBeUndefined()
    await on.world.clock.advance(1_100)
    expect(listener.ended).toMatchObject({ by: 'remote', status: 487, reason: 'the invitation has expired' })
    await on.run(on.peer.response(487))

    const answered = await ring({ Expires: '20', 'Call-ID': 'answered' })
    answered.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
    await on.world.clock.advance(21_000)
    expect(listener.heard).toEqual(['ended', 'confirmed'])
  })

  it('leaves a CANCEL after the answer without effect', async () => {
    const via = 'SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKy;rport'
    const session = await ring({ Via: via, CSeq: '7 INVITE' })
    session.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.send('CANCEL', { Via: via, CSeq: '7 CANCEL', 'Call-ID': 'incoming' })
    expect((await on.run(on.peer.response(200))).cseq.method).toBe('CANCEL')
    on.peer.inDialog(ok, 'ACK', 7)
    await on.world.clock.advance(5)
    expect(listener.heard).toEqual(['confirmed'])
  })

  it('is hung up in its early dialog', async () => {
    const session = await ring()
    session.progress(180)
    const ringing = await on.run(on.peer.response(180))
    on.peer.inDialog(ringing, 'BYE', ringing.cseq.sequence + 1)
    await on.run(on.peer.response(200))
    await on.run(on.peer.response(487))
    expect(listener.ended).toMatchObject({ by: 'remote' })
  })

  it('is rejected by hanging up: 603', async () => {
    ;(await ring()).hangUp()
    await on.run(on.peer.response(603))
  })

  it('answers 480 when nobody listens, and 503 while it stops', async () => {
    on.agent.onInvite = undefined
    on.peer.send('INVITE', {}, sdp())
    await on.run(on.peer.response(480))
  })

  it('takes SDP in every dress', async () => {
    const content = sdp().content
    for (const [contentType, body] of [
      ['application/sdp;charset=utf-8', content],
      ['Application/SDP', content],
      [
        'multipart/mixed;boundary="b 1"',
        `--b 1\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b 1\r\nContent-Type: application/sdp\r\n\r\n${content}\r\n--b 1--\r\n`,
      ],
    ] as const) {
      const session = await ring({ 'Call-ID': contentType }, { contentType, content: body })
      expect(session.callId).toBe(contentType)
      expect(session.offer).toEqual(sdp())
    }
  })

  it('hands INFO to the application and answers it', async () => {
    const bodies: unknown[] = []
    Object.assign(listener, { onInfo: (body: unknown) => bodies.push(body) })
    const session = await ring()
    session.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
    on.peer.inDialog(ok, 'INFO', ok.cseq.sequence + 1, {
      body: { contentType: 'application/dtmf-relay', content: 'Signal=5\r\n' },
    })
    expect((await on.run(on.peer.response(200))).cseq.method).toBe('INFO')
    expect(bodies).toEqual([{ contentType: 'application/dtmf-relay', content: 'Signal=5\r\n' }])
    const sent = session.info({ contentType: 'application/dtmf-relay', content: 'Signal=6\r\n' })
    const info = await on.run(on.peer.request('INFO'))
    expect(info.bodyText).toBe('Signal=6\r\n')
    on.peer.reply(info, 200)
    await on.run(sent)
    const refused = session.info({ contentType: 'x/y', content: 'z' }).catch((error: Error) => error.message)
    on.peer.reply(await on.run(on.peer.request('INFO')), 469, { reason: 'Bad Info Package' })
    expect(await on.run(refused)).toMatch(/469 Bad Info Package/)
  })
})

describe('what a UAS examines first (RFC 3261 8.2)', () => {
  it.each([
    ['REFER', { 'Refer-To': '<sip:carol@192.0.2.3>' }, 603, 'Call-ID'],
    ['NOTIFY', { Event: 'message-summary' }, 481, 'Call-ID'],
    ['SUBSCRIBE', { Event: 'presence' }, 405, 'Allow'],
    ['PUBLISH', {}, 405, 'Allow'],
    ['FROBNICATE', {}, 501, 'Allow'],
    ['INVITE', { Require: '100rel, gruu' }, 420, 'Unsupported'],
    ['OPTIONS', { Require: 'x' }, 420, 'Unsupported'],
    ['INVITE', { Contact: undefined }, 400, 'Call-ID'],
    ['BYE', {}, 481, 'Call-ID'],
    ['INFO', {}, 481, 'Call-ID'],
    ['INVITE', { To: '<sip:alice@192.0.2.1>;tag=nosuch' }, 481, 'Call-ID'],
    ['CANCEL', {}, 481, 'Call-ID'],
    ['OPTIONS', {}, 200, 'Accept'],
  ])('%s %o: %d', async (method, fields, status, header) => {
    on.peer.send(method, fields)
    const response = await on.run(on.peer.response(status))
    expect(response.get(header)).toBeTruthy()
    expect(response.toTag).not.toBe('')
    expect(sessions).toEqual([])
  })

  it('names what it does not support', async () => {
    on.peer.send('INVITE', { Require: 'precondition, timer, foo' }, sdp())
    expect((await on.run(on.peer.response(420))).list('Unsupported')).toEqual(['precondition', 'foo'])
    on.peer.send('INVITE', {}, { contentType: 'text/plain', content: 'hello' })
    expect((await on.run(on.peer.response(415))).get('Accept')).toBe('application/sdp')
    on.peer.send('INVITE', { 'Content-Encoding': 'gzip' }, sdp())
    expect((await on.run(on.peer.response(415))).get('Accept-Encoding')).toBe('identity')
    for (const uri of ['sips:alice@192.0.2.1', 'tel:+4930123', 'http://x/']) {
      on.peer.send('INVITE', {}, sdp(), uri)
      expect((await on.run(on.peer.response(416))).reason).toContain('Unsupported URI Scheme')
    }
    on.peer.raw(on.peer.compose('INVITE', {}, sdp()).replace('SIP/2.0\r\n', 'SIP/7.0\r\n'))
    await on.run(on.peer.response(505))
  })

  it('takes a call for any user part', async () => {
    on.peer.send('INVITE', {}, sdp(), 'sip:whoever%20else@192.0.2.1;foo=bar')
    await on.world.clock.advance(5)
    expect(sessions).toHaveLength(1)
    sessions[0]!.accept(sdp('answer'))
    expect((await on.run(on.peer.response(200))).get('Contact')).toBe('<sip:whoever%20else@192.0.2.1:5060>')
  })

  it('refuses the second copy of a forked INVITE (RFC 3261 8.2.2.2)', async () => {
    const fields = { 'Call-ID': 'same', CSeq: '5 INVITE' }
    on.peer.send('INVITE', fields, sdp())
    on.peer.send('INVITE', fields, sdp())
    await on.run(on.peer.response(482))
    expect(sessions).toHaveLength(1)
  })

  it('answers OPTIONS in a dialog and refuses an old CSeq with 500', async () => {
    const session = await ring({ CSeq: '100 INVITE' })
    session.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'ACK', 100)
    on.peer.inDialog(ok, 'OPTIONS', 101)
    expect((await on.run(on.peer.response(200))).cseq.method).toBe('OPTIONS')
    on.peer.inDialog(ok, 'INFO', 99)
    await on.run(on.peer.response(500))
    on.peer.inDialog(ok, 'PUBLISH', 102)
    await on.run(on.peer.response(405))
  })

  it('calls itself (a hairpin)', async () => {
    const caller = new Listener()
    const call = on.agent.invite('sip:me@192.0.2.1', caller, { offer: sdp() })
    await on.world.clock.advance(5)
    sessions[0]!.accept(sdp('answer'))
    await on.run(caller.answered)
    await on.world.clock.advance(5)
    expect(listener.heard).toEqual(['confirmed'])
    call.hangUp()
    expect(await on.run(listener.end)).toMatchObject({ by: 'remote' })
  })
})

describe('what must never end the process', () => {
  it('survives hostile messages in every state', async () => {
    const hostile = [
      'SIP/2.0 200 OK\r\n\r\n',
      'SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: one INVITE\r\n\r\n',
      'INVITE \r\n\r\n',
      on.peer.compose('PRACK'),
      on.peer.compose('ACK', { To: '<sip:alice@192.0.2.1>;tag=zz' }),
      on.peer.compose('INVITE', { From: '<sip:%zz@b>;tag=1', Contact: '<sip:%zz@192.0.2.2>' }, sdp()),
      on.peer.compose('INVITE', { Contact: '*' }, sdp()),
      on.peer.compose(
        'INVITE',
        { From: '<tel:+1>;tag=1', To: '<urn:service:sos>', Contact: '<tel:+1>' },
        sdp(),
      ),
      on.peer.compose('INVITE', { 'Call-ID': '__proto__', From: '<sip:constructor@b>;tag=__proto__' }, sdp()),
      on.peer.compose('INVITE', { From: '<sip:a@b>' }, sdp()),
      on.peer.compose('INVITE', { 'Record-Route': '<<>>, "' }, sdp()),
      on.peer.compose('INVITE', { 'Content-Disposition': '""=;' }, sdp()),
    ]
    for (const text of hostile) on.peer.raw(text)
    await on.world.clock.advance(50)
    for (const session of sessions) session.handler = new Listener()
    for (const session of sessions) session.accept(sdp('answer'))
    await on.world.clock.advance(70_000)
    const ok = on.peer.inbox.filter((message) => message.kind === 'response' && message.status === 200)
    expect(ok.length).toBeGreaterThan(0)
  })

  it('keeps an exception of the application to itself and answers 500', async () => {
    on.agent.onInvite = () => {
      throw new Error('application bug')
    }
    on.peer.send('INVITE', {}, sdp())
    await on.run(on.peer.response(500))
    expect(on.internalErrors()).toHaveLength(1)
    on.facts.length = 0
  })
})
