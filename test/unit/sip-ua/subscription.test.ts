import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SipRequest } from '../../../src/sip/message.ts'
import type {
  Body,
  SipSubscription,
  SubscribeOptions,
  SubscriptionState,
  UnsolicitedNotify,
} from '../../../src/sip/session.ts'
import { type Scene, ScriptedPeer, scene } from './scripted-peer.ts'

let on: Scene
let states: SubscriptionState[]
let bodies: (Body | undefined)[]
beforeEach(async () => {
  on = await scene()
  states = []
  bodies = []
})
afterEach(async () => {
  expect(on.internalErrors()).toEqual([])
  await on.close()
  expect(on.world.open).toEqual([])
  expect(on.world.clock.pendingTimers).toBe(0)
})

const summary = (waiting: string): Body => ({
  contentType: 'application/simple-message-summary',
  content: `Messages-Waiting: ${waiting}\r\n`,
})

function subscribe(options: SubscribeOptions = {}, event = 'message-summary'): SipSubscription {
  const subscription = on.agent.subscribe('sip:alice@192.0.2.2', event, options)
  subscription.onState = (state) => states.push(state)
  subscription.onNotify = (body) => bodies.push(body)
  return subscription
}
const next = () => on.run(on.peer.request('SUBSCRIBE'))
const names = () => states.map(({ state }) => state)

let sequence = 0
/** A NOTIFY in the dialog that `subscribe` began; `tag` is the notifier's. */
function notify(
  subscribe: SipRequest,
  state: string,
  body?: Body,
  more: { tag?: string; event?: string; from?: ScriptedPeer } = {},
) {
  const { tag = 'peer', event = subscribe.get('Event')!, from = on.peer } = more
  const to = subscribe.get('To')!.replace(/;tag=.*/, '')
  from.send(
    'NOTIFY',
    {
      From: `${to};tag=${tag}`,
      To: subscribe.get('From')!,
      'Call-ID': subscribe.callId,
      CSeq: `${++sequence} NOTIFY`,
      Event: event,
      'Subscription-State': state,
    },
    body,
  )
}
const active = async (options: SubscribeOptions = {}) => {
  const subscription = subscribe(options)
  const request = await next()
  on.peer.reply(request, 200, { headers: ['Expires: 600'] })
  notify(request, 'active;expires=600', summary('no'))
  await on.run(on.peer.response(200))
  return { subscription, request }
}
const ended = async (subscription: SipSubscription) => {
  const stopped = subscription.stop()
  const last = await next()
  expect(last.get('Expires')).toBe('0')
  on.peer.reply(last, 200, { headers: ['Expires: 0'] })
  notify(last, 'terminated;reason=timeout')
  await on.run(on.peer.response(200))
  await on.run(stopped)
}

describe('a subscription (RFC 6665 4.1)', () => {
  it('asks with credentials, is told by NOTIFY, refreshes in time, and ends', async () => {
    const account = { aor: 'sip:alice@192.0.2.2', password: 'secret' }
    const subscription = subscribe({
      account,
      accept: ['application/simple-message-summary'],
      expiresSeconds: 300,
    })
    const first = await next()
    expect(first.get('Event')).toBe('message-summary')
    expect(first.get('Accept')).toBe('application/simple-message-summary')
    expect(first.get('Expires')).toBe('300')
    expect(first.get('Contact')).toBe('<sip:alice@192.0.2.1:5060>')
    on.peer.reply(first, 401, { headers: ['WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'] })
    const second = await next()
    expect(second.get('Authorization')).toContain('username="alice"')
    expect(second.cseq.sequence).toBe(2)
    on.peer.reply(second, 200, { headers: ['Expires: 200'] })
    notify(second, 'active;expires=200', summary('yes'))
    await on.run(on.peer.response(200))
    expect(bodies).toEqual([summary('yes')])
    expect(subscription.state).toEqual({ state: 'active', expiresSeconds: 200 })
    const before = on.world.clock.now()
    const refresh = await next()
    expect(on.world.clock.now() - before).toBeGreaterThan(150_000)
    expect(on.world.clock.now() - before).toBeLessThan(196_000)
    expect(refresh.toTag).toBe('peer')
    expect(refresh.uriText).toBe(on.peer.uri)
    expect(refresh.cseq.sequence).toBe(3)
    on.peer.reply(refresh, 200, { headers: ['Expires: 600'] })
    notify(refresh, 'active;expires=600', summary('no'))
    await on.run(on.peer.response(200))
    await ended(subscription)
    expect(names()).toEqual(['active', 'terminated'])
    expect(states.at(-1)).toEqual({ state: 'terminated', reason: 'stopped' })
    notify(refresh, 'active;expires=600', summary('no'))
    await on.run(on.peer.response(481))
  })

  it('takes a NOTIFY before the answer, and only that of one fork', async () => {
    const subscription = subscribe()
    const request = await next()
    notify(request, 'pending;expires=60')
    await on.run(on.peer.response(200))
    expect(subscription.state).toEqual({ state: 'pending', expiresSeconds: 60 })
    on.peer.reply(request, 202, { headers: ['Expires: 60'] })
    const other = await ScriptedPeer.open(on.world, '192.0.2.3', { address: '192.0.2.1', port: 5060 })
    notify(request, 'active;expires=60', summary('yes'), { tag: 'other', from: other })
    await on.run(other.response(481))
    other.close()
    notify(request, 'active;expires=60', summary('no'))
    await on.run(on.peer.response(200))
    expect(bodies).toEqual([undefined, summary('no')])
    expect(names()).toEqual(['pending', 'active'])
    await ended(subscription)
  })

  it('asks for longer where 423 wants that, at first and in a refresh', async () => {
    const subscription = subscribe({ expiresSeconds: 10 })
    on.peer.reply(await next(), 423, { headers: ['Min-Expires: 60'] })
    const second = await next()
    expect(second.get('Expires')).toBe('60')
    on.peer.reply(second, 200, { headers: ['Expires: 60'] })
    notify(second, 'active;expires=60')
    await on.run(on.peer.response(200))
    on.peer.reply(await next(), 423, { headers: ['Min-Expires: 90'] })
    const refresh = await next()
    expect(refresh.get('Expires')).toBe('90')
    on.peer.reply(refresh, 200, { headers: ['Expires: 90'] })
    await ended(subscription)
  })

  it.each([
    [489, 'Bad Event'],
    [404, 'Not Found'],
    [403, 'Forbidden'],
    [603, 'Decline'],
    [423, 'Interval Too Brief'],
  ])('is over where it is refused with %d', async (status, reason) => {
    subscribe()
    on.peer.reply(await next(), status, { reason })
    await on.world.clock.advance(100_000)
    expect(states).toEqual([{ state: 'terminated', reason, status }])
    expect(on.peer.inbox).toEqual([])
  })

  it.each([
    [500, 'Retry-After: 7', 7_000],
    [480, 'X: y', undefined],
  ])('is tried again after %d (%s)', async (status, header, afterMs) => {
    const subscription = subscribe()
    on.peer.reply(await next(), status, { headers: [header] })
    await on.world.clock.advance(5)
    const state = states[0]!
    if (state.state !== 'terminated') throw new Error(state.state)
    expect(state.status).toBe(status)
    if (afterMs !== undefined) expect(state.retryInMs).toBe(afterMs)
    const again = await next()
    expect(names()).toEqual(['terminated', 'subscribing'])
    on.peer.reply(again, 200, { headers: ['Expires: 60'] })
    await subscription.stop()
  })

  it('is tried again where no answer and where no NOTIFY comes (Timer N)', async () => {
    const subscription = subscribe()
    const first = await next()
    on.peer.reply(first, 200, { headers: ['Expires: 600'] })
    await on.world.clock.advance(32_100)
    expect(states[0]).toMatchObject({ state: 'terminated', reason: 'no NOTIFY came', status: 408 })
    const second = await next()
    expect(second.callId).not.toBe(first.callId)
    notify(first, 'active;expires=60')
    await on.run(on.peer.response(481))
    await subscription.stop()
    expect(states.at(-1)).toEqual({ state: 'terminated', reason: 'stopped' })
  })

  it.each([
    ['deactivated', 500],
    ['timeout', 500],
    ['probation;retry-after=20', 20_000],
    ['giveup;retry-after=30', 30_000],
  ])('begins anew after terminated;reason=%s', async (reason, afterMs) => {
    const { subscription, request } = await active()
    notify(request, `terminated;reason=${reason}`)
    await on.run(on.peer.response(200))
    const state = states.at(-1)!
    expect(state).toEqual({ state: 'terminated', reason: reason.replace(/;.*/, ''), retryInMs: afterMs })
    const again = await next()
    expect(again.toTag).toBe('')
    expect(again.callId).not.toBe(request.callId)
    await subscription.stop()
  })

  it.each(['rejected', 'noresource', 'invariant'])('is over after terminated;reason=%s', async (reason) => {
    const { request } = await active()
    notify(request, `terminated;reason=${reason}`)
    await on.run(on.peer.response(200))
    await on.world.clock.advance(1_000_000)
    expect(states.at(-1)).toEqual({ state: 'terminated', reason })
    expect(on.peer.inbox).toEqual([])
  })

  it('begins anew where its dialog is gone, and stands where a refresh fails otherwise', async () => {
    const { subscription, request } = await active()
    const first = await next()
    on.peer.reply(first, 500)
    const second = await next()
    expect(second.callId).toBe(request.callId)
    expect(subscription.state.state).toBe('active')
    on.peer.reply(second, 481)
    const anew = await next()
    expect(anew.callId).not.toBe(request.callId)
    expect(anew.toTag).toBe('')
    await subscription.stop()
  })

  it('tells the notifier where we are when the network has changed', async () => {
    const { subscription, request } = await active()
    on.agent.networkChanged()
    const refresh = await next()
    expect(refresh.callId).toBe(request.callId)
    on.peer.reply(refresh, 200, { headers: ['Expires: 600'] })
    await ended(subscription)
  })

  it('does not go round in circles with a notifier that grants nothing', async () => {
    const subscription = subscribe()
    const startedAt = on.world.clock.now()
    for (let i = 0; i < 10; i++) {
      const request = await next()
      on.peer.reply(request, 200, { headers: ['Expires: 0'] })
      notify(request, i % 2 ? 'terminated;reason=deactivated' : 'active;expires=0')
      await on.run(on.peer.response(200))
    }
    expect(on.world.clock.now() - startedAt).toBeGreaterThan(4_000)
    await subscription.stop()
    on.peer.inbox.length = 0
  })

  it('refuses NOTIFYs of other events, and those that no subscription waits for', async () => {
    const { subscription, request } = await active()
    notify(request, 'active', undefined, { event: 'presence' })
    expect((await on.run(on.peer.response(489))).get('Allow-Events')).toBe('message-summary')
    on.peer.send('NOTIFY', { Event: 'message-summary', 'Subscription-State': 'active' }, summary('yes'))
    await on.run(on.peer.response(481))
    expect(bodies).toEqual([summary('no')])
    await ended(subscription)
  })

  it('hands over what nobody has subscribed to, where somebody wants it', async () => {
    const unasked = (event: string | undefined, body?: Body) =>
      on.peer.send('NOTIFY', { Event: event, 'Subscription-State': 'terminated' }, body)
    unasked('no event')
    expect((await on.run(on.peer.response(489))).get('Allow-Events')).toContain('message-summary')
    unasked('Message-Summary;id=1', summary('yes'))
    await on.run(on.peer.response(481))
    const got: UnsolicitedNotify[] = []
    on.agent.onNotify = (notify) => got.push(notify)
    unasked(undefined)
    await on.run(on.peer.response(489))
    unasked('Message-Summary;id=1', summary('yes'))
    await on.run(on.peer.response(200))
    unasked('keep-alive')
    await on.run(on.peer.response(200))
    expect(got).toEqual([
      { from: 'sip:bob@192.0.2.2', displayName: 'Bob', event: 'message-summary', body: summary('yes') },
      { from: 'sip:bob@192.0.2.2', displayName: 'Bob', event: 'keep-alive' },
    ])
  })

  it('ends in time where nobody answers any more, and with the user agent', async () => {
    const { subscription } = await active()
    const startedAt = on.world.clock.now()
    await on.run(subscription.stop())
    expect(on.world.clock.now() - startedAt).toBe(4_000)
    on.peer.inbox.length = 0
    expect(() => on.agent.subscribe('sip:a@192.0.2.2', 'no event')).toThrow(/no event package/)
    expect(() => on.agent.subscribe('sip:a@192.0.2.2', 'x', { accept: ['a\r\nb'] })).toThrow(
      /no content type/,
    )
  })
})
