import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Listener, type Scene, ScriptedPeer, scene, sdp } from './scripted-peer.ts'

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

const account = (more = {}) => ({ aor: 'sip:alice@example.com', password: 'secret', ...more })

describe('a call that we place (RFC 3261 13.2)', () => {
  it('rings, is answered, is acknowledged and hung up', async () => {
    const listener = new Listener()
    const session = on.agent.invite(on.peer.uri, listener, {
      account: account({ displayName: 'A "q" \\ b' }),
      offer: sdp(),
    })
    const invite = await on.run(on.peer.request('INVITE'))
    expect(invite.get('From')).toMatch(/^"A \\"q\\" \\\\ b" <sip:alice@example\.com>;tag=/)
    expect(invite.get('Contact')).toBe('<sip:alice@192.0.2.1:5060>')
    expect(invite.get('Content-Type')).toBe('application/sdp')
    expect(invite.bodyText).toBe(sdp().content)
    expect(invite.callId).toBe(session.callId)
    on.peer.reply(invite, 100)
    on.peer.reply(invite, 180)
    on.peer.reply(invite, 183, { body: sdp('early') })
    on.peer.reply(invite, 200, { body: sdp('answer') })
    const ack = await on.run(on.peer.request('ACK'))
    expect(listener.heard).toEqual(['180', '183', 'accepted'])
    expect(listener.provisional[1]?.body).toEqual(sdp('early'))
    expect(listener.accepted).toMatchObject({ status: 200, remoteTag: 'peer', body: sdp('answer') })
    expect(ack.cseq.sequence).toBe(invite.cseq.sequence)
    expect(ack.get('Via')).not.toBe(invite.get('Via'))
    session.hangUp()
    session.hangUp()
    const bye = await on.run(on.peer.request('BYE'))
    expect(bye.cseq.sequence).toBe(invite.cseq.sequence + 1)
    on.peer.reply(bye, 200)
    expect(await on.run(listener.end)).toMatchObject({ by: 'local', status: 200 })
  })

  it('acknowledges a repeated 2xx again with the same ACK', async () => {
    on.agent.invite(on.peer.uri, new Listener(), { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 200, { body: sdp('answer') })
    const first = await on.run(on.peer.request('ACK'))
    on.peer.reply(invite, 200, { body: sdp('answer') })
    const second = await on.run(on.peer.request('ACK'))
    expect(second.get('Via')).toBe(first.get('Via'))
  })

  it('puts a late offer answer into the ACK (RFC 3261 13.2.2.4)', async () => {
    const listener = new Listener(sdp('late answer'))
    on.agent.invite(on.peer.uri, listener)
    const invite = await on.run(on.peer.request('INVITE'))
    expect(invite.body.length).toBe(0)
    on.peer.reply(invite, 200, { body: sdp('their offer') })
    expect((await on.run(on.peer.request('ACK'))).bodyText).toBe(sdp('late answer').content)
    expect(listener.accepted?.body).toEqual(sdp('their offer'))
  })

  it('answers 407 and then 401 with ACKs and new CSeqs, once per realm', async () => {
    const listener = new Listener()
    on.agent.invite(on.peer.uri, listener, { account: account(), offer: sdp() })
    const first = await on.run(on.peer.request('INVITE'))
    on.peer.reply(first, 407, { headers: ['Proxy-Authenticate: Digest realm="p", nonce="1", qop="auth"'] })
    const ack = await on.run(on.peer.request('ACK'))
    expect([ack.get('Via'), ack.cseq.sequence]).toEqual([first.get('Via'), first.cseq.sequence])
    const second = await on.run(on.peer.request('INVITE'))
    expect(second.cseq.sequence).toBe(first.cseq.sequence + 1)
    expect(second.callId).toBe(first.callId)
    expect(second.fromTag).toBe(first.fromTag)
    expect(second.get('Proxy-Authorization')).toContain('realm="p"')
    on.peer.reply(second, 401, {
      headers: ['WWW-Authenticate: Digest realm="w", nonce="2", algorithm=SHA-256'],
    })
    const third = await on.run(on.peer.request('INVITE'))
    expect(third.get('Proxy-Authorization')).toContain('nc=00000002')
    expect(third.get('Authorization')).toContain('algorithm=SHA-256')
    on.peer.reply(third, 401, { headers: ['WWW-Authenticate: Digest realm="w", nonce="3"'] })
    expect(await on.run(listener.end)).toMatchObject({
      by: 'remote',
      status: 401,
      reason: expect.stringContaining('refused the user name "alice"'),
    })
  })

  it.each([486, 480, 488, 404, 603])('reports a rejection with %d', async (status) => {
    const listener = new Listener()
    on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, status, { reason: 'Because', headers: ['Retry-After: 17 (busy)'] })
    expect(await on.run(listener.end)).toEqual({ by: 'remote', status, reason: 'Because' })
    expect(listener.rejected).toMatchObject({ status, retryAfter: 17 })
    await on.run(on.peer.request('ACK'))
  })

  it('reports a redirect with its contacts and does not follow it', async () => {
    const listener = new Listener()
    on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 302, {
      headers: ['Contact: <sip:carol@192.0.2.9>;q=0.7, "D" <sip:dave@192.0.2.10?x=1>'],
    })
    await on.run(listener.end)
    expect(listener.rejected?.contacts).toEqual(['sip:carol@192.0.2.9', 'sip:dave@192.0.2.10?x=1'])
  })

  it('sends no ACK-less answer into a void: no response for 32 s ends the call', async () => {
    const listener = new Listener()
    const startedAt = on.world.clock.now()
    on.agent.invite('sip:nobody@192.0.2.77', listener, { offer: sdp() })
    expect(await on.run(listener.end)).toMatchObject({
      by: 'network',
      status: 408,
      reason: expect.stringContaining('32 s'),
    })
    expect(on.world.clock.now() - startedAt).toBeLessThan(33_000)
  })

  it('gives up ringing after ringTimeoutMs', async () => {
    const listener = new Listener()
    on.agent.invite(on.peer.uri, listener, { offer: sdp(), ringTimeoutMs: 5_000 })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 180)
    const cancel = await on.run(on.peer.request('CANCEL'))
    on.peer.reply(cancel, 200)
    on.peer.reply(invite, 487)
    expect(await on.run(listener.end)).toMatchObject({ by: 'local', status: 408 })
  })

  it('gives up at once where nothing has come back, and hangs up an answer that comes all the same', async () => {
    const listener = new Listener()
    on.agent.invite(on.peer.uri, listener, { offer: sdp(), ringTimeoutMs: 2_000 })
    const invite = await on.run(on.peer.request('INVITE'))
    const before = on.world.clock.now()
    expect(await on.run(listener.end)).toMatchObject({ by: 'local', status: 408 })
    expect(on.world.clock.now() - before).toBeLessThanOrEqual(2_000)
    on.peer.reply(invite, 200, { body: sdp() })
    await on.run(on.peer.request('ACK'))
    on.peer.reply(await on.run(on.peer.request('BYE')), 200)
  })

  it('refuses what it cannot send, in words, before anything is sent', () => {
    const listener = new Listener()
    const place =
      (target: string, headers: [string, string][] = []) =>
      () =>
        on.agent.invite(target, listener, { headers })
    expect(place('bob')).toThrow(/no SIP URI/)
    expect(place('sip:bob@192.0.2.2;x="\r\nEvil: 1"')).toThrow(/no SIP URI/)
    expect(place('tel:+49123')).toThrow(/tel: scheme/)
    expect(place(on.peer.uri, [['X-A', 'b\r\nVia: evil']])).toThrow(/line break/)
    expect(place(on.peer.uri, [['X A', 'b']])).toThrow(/no header name/)
    expect(place(on.peer.uri, [['via', 'b']])).toThrow(/set by floe/)
  })

  it('carries extra headers', async () => {
    on.agent.invite(on.peer.uri, new Listener(), { headers: [['X-Test', 'one, "two"']] })
    expect((await on.run(on.peer.request('INVITE'))).get('X-Test')).toBe('one, "two"')
  })
})

describe('dialogs (RFC 3261 12)', () => {
  it.each([
    ['the recorded route', ['Record-Route: <sip:192.0.2.4;lr>'], '192.0.2.4'],
    ['the remote target where no route was recorded', [], '192.0.2.2'],
  ])('follow %s, and no longer the outbound proxy (RFC 3261 12.1.2)', async (_, headers, address) => {
    const proxy = await ScriptedPeer.open(on.world, '192.0.2.3', on.peer.agent)
    const router = await ScriptedPeer.open(on.world, '192.0.2.4', on.peer.agent)
    const listener = new Listener()
    const account = { aor: 'sip:alice@example.com', server: 'sip:192.0.2.3' }
    const session = on.agent.invite('sip:bob@example.com', listener, { offer: sdp(), account })
    const contact = `Contact: <${on.peer.uri}>`
    proxy.reply(await on.run(proxy.request('INVITE')), 200, {
      headers: [...headers, contact],
      body: sdp('answer'),
    })
    await on.run(listener.answered)
    session.hangUp()
    await on.world.clock.advance(5)
    const next = address === '192.0.2.4' ? router : on.peer
    expect(proxy.inbox).toEqual([])
    expect((await on.run(next.request('ACK'))).uriText).toBe(on.peer.uri)
    next.reply(await on.run(next.request('BYE')), 200)
    proxy.close()
    router.close()
  })

  it('sends requests through the recorded route to the refreshed target', async () => {
    const proxy = await ScriptedPeer.open(on.world, '192.0.2.3', on.peer.agent)
    const listener = new Listener()
    const session = on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    const routes = 'Record-Route: <sip:192.0.2.4;lr>, <sip:192.0.2.3;lr;ftag=x>'
    on.peer.reply(invite, 180, { headers: [routes, 'Contact: <sip:first@192.0.2.2>'] })
    on.peer.reply(invite, 200, {
      headers: [routes, 'Contact: <sip:second%20one@192.0.2.2;x=y?h=v>'],
      body: sdp('answer'),
    })
    const ack = await on.run(proxy.request('ACK'))
    session.hangUp()
    for (const request of [ack, await on.run(proxy.request('BYE'))]) {
      expect(request.uriText).toBe('sip:second%20one@192.0.2.2;x=y')
      expect(request.list('Route')).toEqual(['<sip:192.0.2.3;lr;ftag=x>', '<sip:192.0.2.4;lr>'])
    }
    proxy.close()
  })

  it('acknowledges a rejection along every preloaded or recorded route of its INVITE', async () => {
    const listener = new Listener()
    const session = on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    const routes = 'Record-Route: <sip:192.0.2.4;lr>, <sip:192.0.2.2;lr>'
    on.peer.reply(invite, 200, { headers: [routes], body: sdp('answer') })
    await on.run(listener.answered)
    const change = session.reinvite(sdp('hold')).catch((error: Error) => error.message)
    const reinvite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(reinvite, 488)
    await on.run(on.peer.request('ACK'))
    const ack = await on.run(on.peer.request('ACK'))
    expect(ack.get('Via')).toBe(reinvite.get('Via'))
    expect(ack.list('Route')).toEqual(reinvite.list('Route'))
    expect(ack.list('Route')).toHaveLength(2)
    expect(await on.run(change)).toMatch(/refused the change of the call: 488/)
  })

  it('reports each early dialog by its tag, takes the first 2xx, and hangs the other fork up', async () => {
    const listener = new Listener()
    const session = on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 180, { tag: 'a' })
    on.peer.reply(invite, 183, { tag: 'b', body: sdp('early b') })
    on.peer.reply(invite, 200, { tag: 'b', body: sdp('b') })
    on.peer.reply(invite, 200, { tag: 'c', body: sdp('c') })
    const acks = [await on.run(on.peer.request('ACK')), await on.run(on.peer.request('ACK'))]
    expect(acks.map((ack) => ack.toTag)).toEqual(['b', 'c'])
    const bye = await on.run(on.peer.request('BYE'))
    expect(bye.toTag).toBe('c')
    on.peer.reply(bye, 200)
    expect(listener.provisional.map((response) => [response.status, response.remoteTag])).toEqual([
      [180, 'a'],
      [183, 'b'],
    ])
    expect(listener.accepted?.body).toEqual(sdp('b'))
    expect(listener.ended).toBeUndefined()
    session.hangUp()
    expect((await on.run(on.peer.request('BYE'))).toTag).toBe('b')
  })

  it('rings for a gateway that forgets Contact and To tag, and finds the way to one that forgets Contact in its 200', async () => {
    const listener = new Listener()
    on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 180, { tag: '', headers: ['Contact-Not: x'] })
    on.peer.reply(invite, 200, { body: sdp('answer') })
    await on.run(on.peer.request('ACK'))
    expect(listener.provisional[0]).toMatchObject({ status: 180, remoteTag: '' })
  })

  it('ends a call that is answered without a To tag, which nobody could hang up', async () => {
    const listener = new Listener()
    on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    on.peer.reply(await on.run(on.peer.request('INVITE')), 200, { tag: '', body: sdp('answer') })
    expect(await on.run(listener.end)).toMatchObject({
      by: 'network',
      reason: expect.stringContaining('To tag'),
    })
  })

  it('authenticates a BYE', async () => {
    const listener = new Listener()
    const session = on.agent.invite(on.peer.uri, listener, { account: account(), offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 200, { body: sdp('answer') })
    await on.run(listener.answered)
    session.hangUp()
    const bye = await on.run(on.peer.request('BYE'))
    on.peer.reply(bye, 407, { headers: ['Proxy-Authenticate: Digest realm="p", nonce="1"'] })
    const again = await on.run(on.peer.request('BYE'))
    expect(again.cseq.sequence).toBe(bye.cseq.sequence + 1)
    expect(again.get('Proxy-Authorization')).toContain('realm="p"')
    on.peer.reply(again, 200)
  })

  it('is hung up by the peer, with its reason', async () => {
    const listener = new Listener()
    on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 200, { body: sdp('answer') })
    await on.run(listener.answered)
    on.peer.send('BYE', {
      'Call-ID': invite.callId,
      To: `${invite.get('From')}x`,
      From: '<sip:bob@192.0.2.2>;tag=peer',
    })
    await on.run(on.peer.response(481))
    const ack = await on.run(on.peer.request('ACK'))
    on.peer.inDialog(ack, 'BYE', 2, { headers: ['Reason: Q.850;cause=16'] })
    await on.run(on.peer.response(200))
    expect(await on.run(listener.end)).toEqual({
      by: 'remote',
      status: 200,
      reason: 'the peer hung up',
      reasonHeader: 'Q.850;cause=16',
    })
  })
})

describe('CANCEL and its races (RFC 3261 9.1)', () => {
  it('waits for a provisional response', async () => {
    const listener = new Listener()
    const session = on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    session.hangUp({ status: 200, text: 'Call "completed" elsewhere' })
    const invite = await on.run(on.peer.request('INVITE'))
    await on.world.clock.advance(100)
    expect(
      on.peer.inbox.filter((message) => message.kind === 'request' && message.method === 'CANCEL'),
    ).toEqual([])
    on.peer.reply(invite, 100)
    const cancel = await on.run(on.peer.request('CANCEL'))
    expect(cancel.get('Via')).toBe(invite.get('Via'))
    expect(cancel.cseq.sequence).toBe(invite.cseq.sequence)
    expect(cancel.get('Reason')).toBe('SIP;cause=200;text="Call \\"completed\\" elsewhere"')
    on.peer.reply(cancel, 200)
    on.peer.reply(invite, 487)
    await on.run(on.peer.request('ACK'))
    expect(await on.run(listener.end)).toMatchObject({ by: 'local', status: 487 })
    expect(listener.heard).toEqual(['ended'])
  })

  it('acknowledges and hangs up a 200 that crosses it', async () => {
    const listener = new Listener()
    const session = on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 180)
    await on.world.clock.advance(10)
    session.hangUp()
    const cancel = await on.run(on.peer.request('CANCEL'))
    on.peer.reply(invite, 200, { body: sdp('answer') })
    on.peer.reply(cancel, 481)
    await on.run(on.peer.request('ACK'))
    on.peer.reply(await on.run(on.peer.request('BYE')), 200)
    expect(await on.run(listener.end)).toMatchObject({ by: 'local', status: 487 })
    expect(listener.heard).toEqual(['180', 'ended'])
  })

  it('ends by itself when the peer answers neither CANCEL nor INVITE', async () => {
    const listener = new Listener()
    const session = on.agent.invite(on.peer.uri, listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 180)
    await on.world.clock.advance(10)
    session.hangUp()
    expect(await on.run(listener.end)).toMatchObject({ by: 'local', status: 487 })
  })
})
