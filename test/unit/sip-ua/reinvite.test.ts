import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SipRequest } from '../../../src/sip/message.ts'
import * as established from './established.ts'
import { Changeable } from './established.ts'
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

const placed = (listener?: Listener) => established.placed(on, listener)
const answered = (listener?: Listener) => established.answered(on, listener)

describe('our re-INVITE (RFC 3261 14.1)', () => {
  it('is answered, acknowledged, and moves the remote target', async () => {
    const { session, invite } = await placed()
    const change = session.reinvite(sdp('hold'))
    const reinvite = await on.run(on.peer.request('INVITE'))
    expect(reinvite.cseq.sequence).toBe(invite.cseq.sequence + 1)
    expect(reinvite.bodyText).toBe(sdp('hold').content)
    expect(reinvite.get('Contact')).toBe('<sip:alice@192.0.2.1:5060>')
    on.peer.reply(reinvite, 200, { headers: ['Contact: <sip:moved@192.0.2.2>'], body: sdp('held') })
    expect(await on.run(change)).toEqual(sdp('held'))
    const ack = await on.run(on.peer.request('ACK'))
    expect(ack.cseq.sequence).toBe(reinvite.cseq.sequence)
    expect(ack.uriText).toBe('sip:moved@192.0.2.2')
    session.hangUp()
    expect((await on.run(on.peer.request('BYE'))).uriText).toBe('sip:moved@192.0.2.2')
  })

  it('is authenticated', async () => {
    const { session } = await placed()
    const change = session.reinvite(sdp('hold'))
    const first = await on.run(on.peer.request('INVITE'))
    on.peer.reply(first, 407, { headers: ['Proxy-Authenticate: Digest realm="p", nonce="1"'] })
    const second = await on.run(on.peer.request('INVITE'))
    expect(second.cseq.sequence).toBe(first.cseq.sequence + 1)
    expect(second.get('Proxy-Authorization')).toContain('realm="p"')
    on.peer.reply(second, 200, { body: sdp('held') })
    expect(await on.run(change)).toEqual(sdp('held'))
  })

  it.each([
    ['the caller waits 2.1 to 4 s', 'caller', 2_100, 4_000],
    ['the callee waits up to 2 s', 'callee', 0, 2_000],
  ])('is tried again after glare: %s', async (_, role, atLeast, atMost) => {
    const { session } = role === 'caller' ? await placed() : await answered()
    const change = session.reinvite(sdp('hold'))
    for (let i = 0; i < 3; i++) {
      on.peer.reply(await on.run(on.peer.request('INVITE')), 491, { reason: 'Request Pending' })
      await on.world.clock.advance(3)
      const refusedAt = on.world.clock.now()
      const again = await on.run(on.peer.request('INVITE'))
      const waitedMs = on.world.clock.now() - refusedAt
      expect(waitedMs).toBeGreaterThanOrEqual(atLeast - 5)
      expect(waitedMs).toBeLessThanOrEqual(atMost + 5)
      on.peer.inbox.unshift(again)
    }
    on.peer.reply(await on.run(on.peer.request('INVITE')), 200, { body: sdp('held') })
    expect(await on.run(change)).toEqual(sdp('held'))
  })

  it('gives up after endless glare, and the call goes on', async () => {
    const listener = new Changeable()
    const { session } = await placed(listener)
    const change = session.reinvite(sdp('hold')).catch((error: Error) => error.message)
    let tries = 0
    let settled = false
    void change.then(() => {
      settled = true
    })
    while (!settled && tries < 20) {
      const request = on.peer.inbox.findIndex(
        (message) => message.kind === 'request' && message.method === 'INVITE',
      )
      if (request >= 0) {
        tries++
        on.peer.reply(on.peer.inbox.splice(request, 1)[0] as SipRequest, 491, { reason: 'Request Pending' })
      }
      await on.world.clock.advance(50)
    }
    expect(await change).toMatch(/491 Request Pending/)
    expect(tries).toBe(8)
    expect(listener.ended).toBeUndefined()
  })

  it('given up, and accepted all the same: that is acknowledged, and the call can be changed by both', async () => {
    const listener = new Changeable()
    const { session } = await placed(listener)
    const change = session.reinvite(sdp('moved'), { limitMs: 3_000 }).catch((error: Error) => error.message)
    const late = await on.run(on.peer.request('INVITE'))
    expect(await on.run(change)).toBe('The peer did not answer the change of the call in time.')
    on.peer.reply(late, 200, { body: sdp('taken') })
    const ack = await on.run(on.peer.request('ACK'))
    expect(ack.cseq.sequence).toBe(late.cseq.sequence)
    on.peer.inDialog(ack, 'INVITE', 10, { body: sdp('theirs') })
    await on.world.clock.advance(5)
    listener.changes[0]?.accept(sdp('ours'))
    on.peer.inDialog(await on.run(on.peer.response(200)), 'ACK', 10)
    await on.world.clock.advance(5)
    const again = session.reinvite(sdp('again'), { limitMs: 3_000 })
    on.peer.inbox.length = 0
    on.peer.reply(await on.run(on.peer.request('INVITE')), 200, { body: sdp('taken') })
    expect(await on.run(again)).toEqual(sdp('taken'))
    expect(listener.ended).toBeUndefined()
  })

  it('ends the call when the peer no longer knows it (481) or is dead', async () => {
    const listener = new Changeable()
    const { session } = await placed(listener)
    const change = session.reinvite(sdp('hold')).catch((error: Error) => error.message)
    on.peer.reply(await on.run(on.peer.request('INVITE')), 481, { reason: 'Gone' })
    expect(await on.run(change)).toMatch(/481 Gone/)
    expect(await on.run(listener.end)).toMatchObject({ by: 'network', status: 481 })
    const dead = new Changeable()
    const { session: other } = await placed(dead)
    const silent = other.reinvite(sdp('hold')).catch((error: Error) => error.message)
    expect(await on.run(silent)).toBe('The peer did not answer the change of the call in time.')
    expect(dead.ended).toMatchObject({ by: 'network', status: 408 })
  })

  it('fails when the call ends meanwhile, and refuses to start on an ended call or twice', async () => {
    const listener = new Changeable()
    const { session, ack } = await placed(listener)
    const change = session.reinvite(sdp('hold')).catch((error: Error) => error.message)
    await expect(session.reinvite(sdp('again'))).rejects.toThrow(/still under way/)
    await on.run(on.peer.request('INVITE'))
    on.peer.inDialog(ack, 'BYE', 1)
    expect(await on.run(change)).toMatch(/ended before its change/)
    await expect(session.reinvite(sdp())).rejects.toThrow(/not established/)
    await expect(session.info(sdp())).rejects.toThrow(/not established/)
  })
})

describe('their re-INVITE (RFC 3261 14.2)', () => {
  it('is accepted, with our Contact, and moves the remote target', async () => {
    const listener = new Changeable()
    const { session, ok } = await answered(listener)
    on.peer.inDialog(ok, 'INVITE', 50, {
      body: sdp('their hold'),
      headers: ['Contact: <sip:moved@192.0.2.2>'],
    })
    await on.world.clock.advance(5)
    expect(listener.changes[0]?.offer).toEqual(sdp('their hold'))
    await on.run(on.peer.response(100))
    listener.changes[0]!.accept(sdp('held'))
    listener.changes[0]!.reject(488)
    const answer = await on.run(on.peer.response(200))
    expect(answer.bodyText).toBe(sdp('held').content)
    expect(answer.get('Contact')).toBe('<sip:alice@192.0.2.1:5060>')
    on.peer.inDialog(ok, 'ACK', 50)
    await on.world.clock.advance(5)
    session.hangUp()
    expect((await on.run(on.peer.request('BYE'))).uriText).toBe('sip:moved@192.0.2.2')
  })

  it('may ask for our offer; its answer comes with the ACK', async () => {
    const listener = new Changeable()
    const { ack } = await placed(listener)
    on.peer.inDialog(ack, 'INVITE', 1)
    await on.world.clock.advance(5)
    expect(listener.changes[0]?.offer).toBeUndefined()
    listener.changes[0]!.accept(sdp('our offer'))
    await on.run(on.peer.response(200))
    on.peer.inDialog(ack, 'ACK', 1, { body: sdp('their answer') })
    await on.world.clock.advance(5)
    expect(listener.confirmed).toEqual({ answer: sdp('their answer') })
  })

  it('is refused: by the application, for want of one, for its body, for glare, for being second', async () => {
    const listener = new Changeable()
    const { session, ok } = await answered(listener)
    on.peer.inDialog(ok, 'INVITE', 50, { body: sdp() })
    await on.world.clock.advance(5)
    on.peer.inDialog(ok, 'INVITE', 51, { body: sdp() })
    expect((await on.run(on.peer.response(500))).get('Retry-After')).toMatch(/^\d+$/)
    listener.changes[0]!.reject(488)
    on.peer.inDialog(ok, 'ACK', 50)
    await on.run(on.peer.response(488))
    on.peer.inDialog(ok, 'INVITE', 52, { body: { contentType: 'text/plain', content: 'x' } })
    await on.run(on.peer.response(415))
    const change = session.reinvite(sdp('ours'))
    const ours = await on.run(on.peer.request('INVITE'))
    on.peer.inDialog(ok, 'INVITE', 53, { body: sdp() })
    await on.run(on.peer.response(491))
    on.peer.reply(ours, 200, { body: sdp('theirs') })
    await on.run(change)
    const plain = new Listener()
    const { ack } = await placed(plain)
    on.peer.inDialog(ack, 'INVITE', 1, { body: sdp() })
    await on.run(on.peer.response(488))
  })

  it('is ended by CANCEL or BYE with 487', async () => {
    const listener = new Changeable()
    const { ack } = await placed(listener)
    const via = 'SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKre;rport'
    on.peer.inDialog(ack, 'INVITE', 1, { body: sdp(), headers: [`Via: ${via}`] })
    await on.world.clock.advance(5)
    on.peer.inDialog(ack, 'CANCEL', 1, { headers: [`Via: ${via}`] })
    await on.run(on.peer.response(200))
    await on.run(on.peer.response(487))
    on.peer.inDialog(ack, 'ACK', 1, { headers: [`Via: ${via}`] })
    listener.changes[0]!.accept(sdp('too late'))
    on.peer.inDialog(ack, 'INVITE', 2, { body: sdp() })
    await on.world.clock.advance(5)
    on.peer.inDialog(ack, 'BYE', 3)
    await on.run(on.peer.response(487))
    await on.run(on.peer.response(200))
    expect(listener.ended).toMatchObject({ by: 'remote', status: 200 })
  })

  it('without an ACK to our 200 ends the call after 32 s', async () => {
    const listener = new Changeable()
    const { ack } = await placed(listener)
    on.peer.inDialog(ack, 'INVITE', 1, { body: sdp() })
    await on.world.clock.advance(5)
    listener.changes[0]!.accept(sdp('held'))
    expect(await on.run(listener.end)).toMatchObject({ by: 'network', status: 408 })
    await on.run(on.peer.request('BYE'))
  })
})
