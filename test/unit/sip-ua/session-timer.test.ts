// Session timers (RFC 4028) in both roles and with both refreshers.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allowsUpdate, answered, Changeable, placed } from './established.ts'
import { type Scene, scene, sdp } from './scripted-peer.ts'

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

const seconds = (n: number) => on.world.clock.advance(n * 1_000)
/** The next UPDATE, and not the repetition of one. */
const nextUpdate = async () => {
  const update = await on.run(on.peer.request('UPDATE'))
  on.peer.inbox.length = 0
  return update
}
/** Requests that have come and nobody has taken. */
const waiting = (method: string) =>
  on.peer.inbox.filter((message) => message.kind === 'request' && message.method === method).length

describe('a call that we place', () => {
  it('asks for 1800 s, or what it is told, or nothing', async () => {
    const { invite } = await placed(on)
    expect(invite.get('Session-Expires')).toBe('1800')
    expect(invite.list('Supported')).toContain('timer')
    const other = await placed(on, undefined, { options: { sessionExpiresSeconds: 120 } })
    expect(other.invite.get('Session-Expires')).toBe('120')
    const none = await placed(on, undefined, { options: { sessionExpiresSeconds: 0 } })
    expect(none.invite.get('Session-Expires')).toBeUndefined()
  })

  it('asks for more where the path wants more (422), and keeps to that', async () => {
    const listener = new Changeable()
    const session = on.agent.invite(on.peer.uri, listener, { offer: sdp(), sessionExpiresSeconds: 100 })
    const first = await on.run(on.peer.request('INVITE'))
    on.peer.reply(first, 422, { headers: ['Min-SE: 300'] })
    const second = await on.run(on.peer.request('INVITE'))
    expect(second.cseq.sequence).toBe(first.cseq.sequence + 1)
    expect(second.get('Session-Expires')).toBe('300')
    expect(second.get('Min-SE')).toBe('300')
    on.peer.reply(second, 422, { headers: ['Min-SE: 300'] })
    expect(await on.run(listener.end)).toMatchObject({ status: 422 })
    session.hangUp()
  })

  it('is refreshed by us at half the interval, by UPDATE without a body', async () => {
    const listener = new Changeable()
    const { session } = await placed(on, listener, {
      headers: ['Session-Expires: 120;refresher=uac', allowsUpdate],
      options: { sessionExpiresSeconds: 120 },
    })
    for (let round = 0; round < 5; round++) {
      await seconds(59)
      expect(waiting('UPDATE')).toBe(0)
      await seconds(2)
      const update = await nextUpdate()
      expect(update.get('Session-Expires')).toBe('120;refresher=uac')
      expect(update.bodyText).toBe('')
      expect(update.get('Contact')).toBe('<sip:alice@192.0.2.1:5060>')
      on.peer.reply(update, 200, { headers: ['Session-Expires: 120;refresher=uac'] })
      await on.world.clock.advance(10)
    }
    expect(listener.ended).toBeUndefined()
    session.hangUp()
    await on.run(on.peer.request('BYE'))
  })

  it('is refreshed by a re-INVITE where the peer takes no UPDATE, or refuses it', async () => {
    const listener = new Changeable()
    await placed(on, listener, { headers: ['Session-Expires: 90'] })
    await seconds(46)
    expect(listener.refreshesDue).toBe(1)
    expect(waiting('UPDATE')).toBe(0)
    const other = new Changeable()
    await placed(on, other, { headers: ['Session-Expires: 90', allowsUpdate] })
    await seconds(46)
    on.peer.reply(await nextUpdate(), 501)
    await on.world.clock.advance(10)
    expect(other.refreshesDue).toBe(1)
  })

  it('is refreshed by any re-INVITE of ours', async () => {
    const listener = new Changeable()
    const { session } = await placed(on, listener, {
      headers: ['Session-Expires: 90;refresher=uac', allowsUpdate],
    })
    await seconds(40)
    const change = session.reinvite(sdp('hold'))
    const reinvite = await on.run(on.peer.request('INVITE'))
    expect(reinvite.get('Session-Expires')).toBe('90;refresher=uac')
    on.peer.reply(reinvite, 200, { body: sdp('held'), headers: ['Session-Expires: 200;refresher=uac'] })
    await on.run(change)
    await seconds(90)
    expect(waiting('UPDATE')).toBe(0)
    await seconds(12)
    expect(waiting('UPDATE')).toBeGreaterThan(0)
  })

  it('ends with BYE where the peer should refresh and does not', async () => {
    const listener = new Changeable()
    await placed(on, listener, { headers: ['Session-Expires: 90;refresher=uas'] })
    await seconds(59)
    expect(listener.ended).toBeUndefined()
    await seconds(2)
    expect(listener.ended).toMatchObject({ by: 'network', status: 408 })
    expect((await on.run(on.peer.request('BYE'))).get('Reason')).toContain('Session timer expired')
    expect(listener.refreshesDue).toBe(0)
  })

  it('ends where our refresh is never answered', async () => {
    const silent = new Changeable()
    await placed(on, silent, { headers: ['Session-Expires: 90', allowsUpdate] })
    await seconds(61)
    expect(silent.ended).toMatchObject({ by: 'network', status: 408 })
  })

  it('ends where the peer no longer knows the call', async () => {
    const gone = new Changeable()
    await placed(on, gone, { headers: ['Session-Expires: 90', allowsUpdate] })
    await seconds(46)
    on.peer.reply(await nextUpdate(), 481)
    expect(await on.run(gone.end)).toMatchObject({ status: 481 })
  })

  it('tries again where the peer is busy, and goes on without timers where the answer names none', async () => {
    const listener = new Changeable()
    await placed(on, listener, { headers: ['Session-Expires: 90', allowsUpdate] })
    await seconds(46)
    on.peer.reply(await nextUpdate(), 491)
    await seconds(6)
    on.peer.reply(await nextUpdate(), 200)
    await seconds(10_000)
    expect(listener.ended).toBeUndefined()
  })
})

describe('a call that we answer', () => {
  it.each<[string, Record<string, string>, string | undefined, string | undefined]>([
    ['of a peer without timers', {}, undefined, undefined],
    ['of a peer that could', { Supported: 'timer' }, '1800;refresher=uac', 'timer'],
    ['that asks', { Supported: 'timer', 'Session-Expires': '600' }, '600;refresher=uac', 'timer'],
    ['that asks, short', { Supported: 'timer', x: '600;refresher=uas' }, '600;refresher=uas', undefined],
    [
      'that wants long ones',
      { Supported: 'timer', 'Session-Expires': '7200' },
      '1800;refresher=uac',
      'timer',
    ],
    [
      'whose path wants long ones',
      { Supported: 'timer', 'Session-Expires': '7200', 'Min-SE': '3600' },
      '3600;refresher=uac',
      'timer',
    ],
    ['whose proxy asks', { 'Session-Expires': '400' }, '400;refresher=uas', undefined],
    ['that babbles', { Supported: 'timer', 'Session-Expires': 'soon' }, '1800;refresher=uac', 'timer'],
  ])('%s', async (_name, fields, sessionExpires, require) => {
    const { ok, session } = await answered(on, undefined, fields)
    expect(ok.get('Session-Expires')).toBe(sessionExpires)
    expect(ok.get('Require')).toBe(require)
    expect(ok.list('Supported')).toContain('timer')
    session.hangUp()
  })

  it('is refused 422 where it asks for too little, and understands it', async () => {
    on.peer.send('INVITE', { Supported: 'timer', 'Session-Expires': '60' }, sdp())
    expect((await on.run(on.peer.response(422))).get('Min-SE')).toBe('90')
    const { ok } = await answered(on, undefined, { 'Session-Expires': '60' })
    expect(ok.get('Session-Expires')).toBe('90;refresher=uas')
  })

  it('is refreshed by us where it must be, and ends where the caller should refresh and does not', async () => {
    const ours = new Changeable()
    await answered(on, ours, { Supported: 'timer', 'Session-Expires': '90;refresher=uas', Allow: 'UPDATE' })
    await seconds(46)
    const update = await nextUpdate()
    expect(update.get('Session-Expires')).toBe('90;refresher=uac')
    on.peer.reply(update, 200, { headers: ['Session-Expires: 90;refresher=uas'] })
    await seconds(61)
    expect(ours.ended).toMatchObject({ status: 408 })
  })

  it('lives on by the caller’s UPDATE and re-INVITE', async () => {
    const listener = new Changeable()
    const { ok } = await answered(on, listener, { Supported: 'timer', 'Session-Expires': '90;refresher=uac' })
    for (let i = 0; i < 4; i++) {
      await seconds(45)
      const headers = ['Supported: timer', 'Session-Expires: 90;refresher=uac']
      on.peer.inDialog(ok, i % 2 ? 'UPDATE' : 'INVITE', 50 + i, {
        headers,
        ...(i % 2 ? {} : { body: sdp('same') }),
      })
      await on.world.clock.advance(5)
      if (i % 2 === 0) listener.changes.pop()!.accept(sdp('same'))
      const answer = await on.run(on.peer.response(200))
      expect(answer.get('Session-Expires')).toBe('90;refresher=uac')
      expect(answer.get('Require')).toBe('timer')
      if (i % 2 === 0) on.peer.inDialog(ok, 'ACK', 50 + i)
    }
    expect(listener.ended).toBeUndefined()
    await seconds(61)
    expect(listener.ended).toMatchObject({ status: 408 })
  })
})
