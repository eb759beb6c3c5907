// UPDATE (RFC 3311) of the peer: answered with and without an offer, refused where it crosses another exchange.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
  expect(on.world.clock.pendingTimers).toBe(0)
})

describe('an UPDATE of the peer', () => {
  it('without an offer is accepted, and moves the remote target', async () => {
    const listener = new Changeable()
    const { session, ok } = await answered(on, listener)
    on.peer.inDialog(ok, 'UPDATE', 50, { headers: ['Contact: <sip:moved@192.0.2.2>'] })
    const answer = await on.run(on.peer.response(200))
    expect(answer.get('Contact')).toBe('<sip:alice@192.0.2.1:5060>')
    expect(answer.list('Allow')).toContain('UPDATE')
    expect(answer.bodyText).toBe('')
    expect(listener.changes).toEqual([])
    session.hangUp()
    expect((await on.run(on.peer.request('BYE'))).uriText).toBe('sip:moved@192.0.2.2')
  })

  it('with an offer is answered by the application, once', async () => {
    const listener = new Changeable()
    const { ack } = await placed(on, listener)
    on.peer.inDialog(ack, 'UPDATE', 1, { body: sdp('their hold') })
    await on.world.clock.advance(5)
    expect(listener.changes[0]?.offer).toEqual(sdp('their hold'))
    listener.changes[0]!.accept(sdp('held'))
    listener.changes[0]!.reject(488)
    expect((await on.run(on.peer.response(200))).bodyText).toBe(sdp('held').content)
    on.peer.inDialog(ack, 'UPDATE', 2, { body: sdp('nonsense') })
    await on.world.clock.advance(5)
    listener.changes[1]!.reject(488)
    await on.run(on.peer.response(488))
    on.peer.inDialog(ack, 'UPDATE', 3, { body: sdp('again') })
    await on.world.clock.advance(5)
    listener.changes[2]!.accept(sdp('ok'))
    await on.run(on.peer.response(200))
  })

  it('is refused 488 where nobody takes offers, 415 for its body, 400 without Contact, 481 without a dialog', async () => {
    const { ack } = await placed(on, new Listener())
    on.peer.inDialog(ack, 'UPDATE', 1, { body: sdp() })
    await on.run(on.peer.response(488))
    on.peer.inDialog(ack, 'UPDATE', 2, { body: { contentType: 'text/plain', content: 'x' } })
    await on.run(on.peer.response(415))
    on.peer.send('UPDATE', { Contact: undefined })
    await on.run(on.peer.response(400))
    on.peer.send('UPDATE')
    await on.run(on.peer.response(481))
  })

  it('crosses our re-INVITE: 491; theirs, or another UPDATE: 500 with Retry-After', async () => {
    const listener = new Changeable()
    const { session, ok } = await answered(on, listener)
    const change = session.reinvite(sdp('ours'))
    const ours = await on.run(on.peer.request('INVITE'))
    on.peer.inDialog(ok, 'UPDATE', 50, { body: sdp('theirs') })
    await on.run(on.peer.response(491))
    // One without an offer disturbs nothing.
    on.peer.inDialog(ok, 'UPDATE', 51)
    await on.run(on.peer.response(200))
    on.peer.reply(ours, 200, { body: sdp('answer') })
    await on.run(change)
    on.peer.inDialog(ok, 'INVITE', 52, { body: sdp('theirs') })
    await on.world.clock.advance(5)
    on.peer.inDialog(ok, 'UPDATE', 53, { body: sdp('theirs, too') })
    expect((await on.run(on.peer.response(500))).get('Retry-After')).toMatch(/^(\d|10)$/)
    listener.changes[0]!.accept(sdp('answer'))
    await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'ACK', 52)
    on.peer.inDialog(ok, 'UPDATE', 54, { body: sdp('first') })
    await on.world.clock.advance(5)
    on.peer.inDialog(ok, 'UPDATE', 55, { body: sdp('second') })
    await on.run(on.peer.response(500))
    listener.changes[1]!.accept(sdp('answer'))
    await on.run(on.peer.response(200))
  })

  it('that waits for its answer puts our re-INVITE off, and is ended by BYE with 487', async () => {
    const listener = new Changeable()
    const { session, ok } = await answered(on, listener)
    on.peer.inDialog(ok, 'UPDATE', 50, { body: sdp('theirs') })
    await on.world.clock.advance(5)
    const change = session.reinvite(sdp('ours')).catch((error: Error) => error.message)
    await on.world.clock.advance(3)
    expect(on.peer.inbox).toEqual([])
    on.peer.inDialog(ok, 'BYE', 51)
    await on.run(on.peer.response(487))
    expect(await on.run(change)).toMatch(/ended before its change/)
    listener.changes[0]!.accept(sdp('too late'))
  })

  it('in an early dialog is refused where the first offer has no answer yet', async () => {
    let progressed = false
    on.agent.onInvite = (session) => {
      session.handler = new Changeable()
      session.progress(180)
      progressed = true
    }
    on.peer.send('INVITE', {}, sdp())
    const ringing = await on.run(on.peer.response(180))
    expect(progressed).toBe(true)
    on.peer.inDialog(ringing, 'UPDATE', 50, { body: sdp('theirs') })
    await on.run(on.peer.response(500))
    on.peer.inDialog(ringing, 'UPDATE', 51)
    await on.run(on.peer.response(200))
  })
})
