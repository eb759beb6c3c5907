// What a registrar may tell beyond 200, what it sees of us, and several of them: RFC 3608, RFC 5626, RFC 5627, NATs.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SipRequest } from '../../../src/sip/message.ts'
import type { RegistrationState } from '../../../src/sip/session.ts'
import { Listener, type Scene, ScriptedPeer, scene, sdp } from './scripted-peer.ts'

let on: Scene
let states: RegistrationState[]
beforeEach(async () => {
  on = await scene()
  states = []
})
afterEach(async () => {
  expect(on.internalErrors()).toEqual([])
  await on.close()
  await on.world.clock.advance(40_000)
  expect(on.world.open).toEqual([])
  expect(on.world.clock.pendingTimers).toBe(0)
})

const instanceId = 'urn:uuid:00000000-0000-8000-8000-000000000001'
const account = { aor: 'sip:alice@example.com', password: 'secret', server: 'sip:192.0.2.2', instanceId }
const register = (more = {}, options = {}) => {
  const registration = on.agent.register({ ...account, ...more }, options)
  registration.onState = (state) => states.push(state)
  return registration
}
const next = (peer = on.peer) => on.run(peer.request('REGISTER'))
const settle = () => on.world.clock.advance(5)
/** As a server answers that sees the request come from another place than its Via says. */
const seenFrom = (request: SipRequest, address: string, port: number): SipRequest => {
  const via = request
    .get('Via')!
    .replace(/;rport[^;]*/, '')
    .replace(/;received=[^;]*/, '')
  request.replaceFirst('Via', `${via};received=${address};rport=${port}`)
  return request
}
const contactsOf = (request: SipRequest) =>
  request.nameAddrs('Contact').map(({ uriText, params }) => [uriText, params.get('expires')])
const listed = (request: SipRequest, more: string[] = []) => ({
  headers: [`Contact: ${[request.list('Contact')[0], ...more].join(', ')}`],
})
const challenge = { headers: ['WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5, qop="auth"'] }

describe('the Contact', () => {
  it('names instance and flow (RFC 5626 4.2), and what floe can do', async () => {
    register()
    const request = await next()
    const [contact] = request.nameAddrs('Contact')
    expect(contact!.params.get('+sip.instance')).toBe(`<${instanceId}>`)
    expect(contact!.params.get('reg-id')).toBe('1')
    expect(request.list('Supported')).toEqual(['path', 'gruu', 'outbound'])
    on.peer.reply(request, 200)
  })

  it('becomes the address from which the registrar sees us, and the first one is removed', async () => {
    const registration = register()
    const first = seenFrom(await next(), '203.0.113.7', 40_001)
    on.peer.reply(first, 200, listed(first))
    const second = seenFrom(await next(), '203.0.113.7', 40_001)
    const inside = first.nameAddrs('Contact')[0]!.uriText
    const outside = inside.replace('192.0.2.1:5060', '203.0.113.7:40001')
    expect(contactsOf(second)).toEqual([
      [outside, '600'],
      [inside, '0'],
    ])
    on.peer.reply(second, 200, listed(second))
    await settle()
    expect(states).toHaveLength(1)
    expect(registration.state).toMatchObject({
      state: 'registered',
      contact: outside,
      seenAs: '203.0.113.7:40001',
    })
    // A refresh says so at once, and follows where the NAT moves us.
    const refresh = seenFrom(await next(), '203.0.113.7', 40_002)
    expect(contactsOf(refresh)).toEqual([[outside, '600']])
    on.peer.reply(refresh, 200, listed(refresh))
    const moved = seenFrom(await next(), '203.0.113.7', 40_002)
    expect(contactsOf(moved)).toEqual([
      [outside.replace('40001', '40002'), '600'],
      [outside, '0'],
    ])
    on.peer.reply(moved, 200, listed(moved))
    await settle()
    // Calls through that server say the same.
    on.agent.invite('sip:bob@example.com', new Listener(), { account, offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    expect(invite.get('Contact')).toBe('<sip:alice@203.0.113.7:40002>')
    on.peer.reply(invite, 486)
  })

  it('stays where a registrar writes the address itself, or keeps the flow (RFC 5626 5.3)', async () => {
    register()
    const first = seenFrom(await next(), '203.0.113.7', 40_001)
    on.peer.reply(first, 200, { headers: ['Contact: <sip:alice@203.0.113.7:40001;rinstance=x>;expires=300'] })
    await settle()
    expect(states).toMatchObject([{ state: 'registered', expiresSeconds: 300 }])
    const second = await next()
    const headers = [...listed(second).headers, 'Require: outbound']
    on.peer.reply(seenFrom(second, '203.0.113.9', 40_001), 200, { headers })
    await settle()
    expect(states).toHaveLength(2)
    expect(on.peer.inbox).toEqual([])
    on.agent.invite('sip:bob@example.com', new Listener(), { account, offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    expect(invite.get('Contact')).toBe('<sip:alice@192.0.2.1:5060;ob>')
    expect(invite.hasToken('Supported', 'outbound')).toBe(true)
    on.peer.reply(invite, 486)
  })

  it('is not run after for ever where a NAT shows another address each time', async () => {
    register()
    for (let port = 40_001; states.length === 0; port++) {
      const request = seenFrom(await next(), '203.0.113.7', port)
      on.peer.reply(request, 200, listed(request))
      await settle()
      expect(port).toBeLessThan(40_010)
    }
    expect(states).toMatchObject([{ state: 'registered' }])
  })

  it('left by an earlier run of the same instance is removed, once; that of another device is not', async () => {
    register()
    const first = await next()
    const stale = `<sip:alice@192.0.2.1:6060>;+sip.instance="<${instanceId}>";expires=90`
    const other = '<sip:alice@192.0.2.77>;+sip.instance="<urn:uuid:other>";expires=90'
    on.peer.reply(first, 200, listed(first, [stale, other]))
    const second = await next()
    expect(contactsOf(second)).toEqual([
      [first.nameAddrs('Contact')[0]!.uriText, '600'],
      ['sip:alice@192.0.2.1:6060', '0'],
    ])
    // A registrar that keeps it all the same is not asked again.
    on.peer.reply(second, 200, listed(second, [stale, other]))
    await settle()
    expect(states).toMatchObject([{ state: 'registered' }])
    expect(on.peer.inbox).toEqual([])
  })
})

describe('what the registrar tells', () => {
  it('goes into calls: GRUU as Contact (RFC 5627), Service-Route as Route (RFC 3608); identities are shown', async () => {
    register()
    const request = await next()
    const gruu = 'sip:alice@example.com;gr=urn:uuid:1'
    const own = `${request.list('Contact')[0]};pub-gruu="${gruu}";temp-gruu="sip:tgruu.1@example.com;gr"`
    on.peer.reply(request, 200, {
      headers: [
        `Contact: ${own}`,
        'Service-Route: <sip:orig@scscf.example.com;lr>, <sip:second.example.com;lr>',
        'P-Associated-URI: <sip:alice@example.com>, <tel:+15550100>',
      ],
    })
    await settle()
    expect(states[0]).toMatchObject({
      gruu: { public: gruu, temporary: 'sip:tgruu.1@example.com;gr' },
      serviceRoutes: ['<sip:orig@scscf.example.com;lr>', '<sip:second.example.com;lr>'],
      identities: ['sip:alice@example.com', 'tel:+15550100'],
    })
    const listener = new Listener()
    const session = on.agent.invite('sip:bob@example.com', listener, { account, offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    expect(invite.list('Route')).toEqual(['<sip:orig@scscf.example.com;lr>', '<sip:second.example.com;lr>'])
    expect(invite.get('Contact')).toBe(`<${gruu}>`)
    on.peer.reply(invite, 200, { headers: ['Contact: <sip:bob@192.0.2.2>'], body: sdp('answer') })
    await on.run(listener.answered)
    // In the dialog its own routes count, and it has none.
    expect((await on.run(on.peer.request('ACK'))).list('Route')).toEqual([])
    session.hangUp()
    on.peer.reply(await on.run(on.peer.request('BYE')), 200)
    // Who hides is not told by the Contact either (RFC 5627 3.3).
    on.agent.invite('sip:bob@example.com', new Listener(), { account, offer: sdp(), privacy: ['id'] })
    const hidden = await on.run(on.peer.request('INVITE'))
    expect(hidden.get('Contact')).toBe('<sip:tgruu.1@example.com;gr>')
    on.peer.reply(hidden, 486)
    // REGISTER itself goes to the registrar.
    const refresh = await next()
    expect([refresh.list('Route'), refresh.uriText]).toEqual([[], 'sip:example.com'])
    on.peer.reply(refresh, 200)
  })

  it('a GRUU that is none is not taken', async () => {
    register()
    const request = await next()
    const own = `${request.list('Contact')[0]};pub-gruu="tel:1";temp-gruu="sip:a b"`
    on.peer.reply(request, 200, { headers: [`Contact: ${own}`] })
    await settle()
    expect(states[0]).not.toHaveProperty('gruu')
  })

  it('439: it is asked without outbound (RFC 5626 11.6)', async () => {
    register()
    on.peer.reply(await next(), 439)
    const second = await next()
    expect(second.get('Contact')).not.toContain('reg-id')
    expect(second.list('Supported')).toEqual(['path', 'gruu'])
    on.peer.reply(second, 200)
    await settle()
    expect(states).toMatchObject([{ state: 'registered' }])
  })

  it('another realm and algorithm at a refresh are answered', async () => {
    register()
    on.peer.reply(await next(), 401, challenge)
    on.peer.reply(await next(), 200)
    const refresh = await next()
    expect(refresh.get('Authorization')).toContain('realm="r"')
    on.peer.reply(refresh, 401, {
      headers: ['WWW-Authenticate: Digest realm="new", nonce="m", algorithm=SHA-256, qop="auth"'],
    })
    const again = await next()
    expect(again.lines('Authorization').some((line) => /realm="new".*algorithm=SHA-256/.test(line))).toBe(
      true,
    )
    on.peer.reply(again, 200)
    await settle()
    expect(states.map(({ state }) => state)).toEqual(['registered', 'registered'])
  })

  it.each([
    ['403', (request: SipRequest) => on.peer.reply(request, 403), 2_000],
    ['a password that was right', (request: SipRequest) => on.peer.reply(request, 401, challenge), 300_000],
  ])('%s is refused at a refresh: asked again later', async (_name, refuse, atLeastMs) => {
    register()
    on.peer.reply(await next(), 401, challenge)
    on.peer.reply(await next(), 200)
    const refresh = await next()
    refuse(refresh)
    if (atLeastMs === 300_000) {
      // The old nonce may have been too old; the new one is not.
      refuse(await next())
    }
    await settle()
    const state = states.at(-1)!
    expect(state).toMatchObject({ state: 'failed', retryInMs: expect.any(Number) })
    expect(state.state === 'failed' && state.retryInMs).toBeGreaterThanOrEqual(atLeastMs)
    on.peer.reply(await next(), 200)
    await settle()
    expect(states.at(-1)).toMatchObject({ state: 'registered', lastFailure: { status: expect.any(Number) } })
  })
})

describe('several servers', () => {
  let second: ScriptedPeer
  const servers = ['sip:192.0.2.2', 'sip:192.0.2.4']
  beforeEach(async () => {
    second = await ScriptedPeer.open(on.world, '192.0.2.4', { address: '192.0.2.1', port: 5060 })
  })
  afterEach(() => second.close())

  it('without outbound: the next one at once where one is ill, and calls go there', async () => {
    register({ server: servers })
    on.peer.reply(await next(), 503)
    second.reply(await next(second), 200)
    await settle()
    expect(states).toMatchObject([{ state: 'registering' }, { state: 'registered', server: servers[1] }])
    on.agent.invite('sip:bob@example.com', new Listener(), {
      account: { ...account, server: servers },
      offer: sdp(),
    })
    second.reply(await on.run(second.request('INVITE')), 486)
    // And back, when that one fails.
    second.reply(await next(second), 500)
    on.peer.reply(await next(), 200)
    await settle()
    expect(states.at(-1)).toMatchObject({ state: 'registered', server: servers[0] })
  })

  it('pauses after all have failed, and then asks them all again', async () => {
    register({ server: servers })
    on.peer.reply(await next(), 503)
    second.reply(await next(second), 503)
    await settle()
    expect(states.at(-1)).toMatchObject({ state: 'failed', retryInMs: expect.any(Number) })
    on.peer.reply(await next(), 503)
    second.reply(await next(second), 200)
    await settle()
    expect(states.at(-1)).toMatchObject({ state: 'registered', server: servers[1] })
  })

  it('with outbound: a flow to each, every one healed alone (RFC 5626 4.2, 4.5)', async () => {
    const outbound = (request: SipRequest) => ({
      headers: [...listed(request).headers, 'Require: outbound'],
    })
    const registration = register({ server: servers })
    const first = await next()
    on.peer.reply(first, 200, outbound(first))
    const other = await next(second)
    expect(other.nameAddrs('Contact')[0]!.params.get('reg-id')).toBe('2')
    expect(other.callId).not.toBe(first.callId)
    second.reply(other, 200, outbound(other))
    await settle()
    expect(registration.state).toMatchObject({
      flows: [
        { regId: 1, server: servers[0], state: 'registered' },
        { regId: 2, server: servers[1], state: 'registered' },
      ],
    })
    // One fails: still registered, calls go by the other, and the pause is that of a flow that has company.
    on.peer.reply(await next(), 500)
    await settle()
    expect(registration.state).toMatchObject({
      state: 'registered',
      server: servers[1],
      flows: [{ state: 'failed', lastFailure: { status: 500 } }, { state: 'registered' }],
    })
    const failedAt = on.world.clock.now()
    const refresh = await next(second)
    second.reply(refresh, 200, outbound(refresh))
    const again = await next()
    expect(on.world.clock.now() - failedAt).toBeGreaterThanOrEqual(45_000)
    on.peer.reply(again, 200, outbound(again))
    await settle()
    expect(registration.state).toMatchObject({ server: servers[0], flows: [{ state: 'registered' }, {}] })
    // Both are un-registered. Whatever was repeated while it waited for its turn here is no news.
    on.peer.inbox.length = 0
    second.inbox.length = 0
    const gone = registration.unregister()
    for (const peer of [on.peer, second]) {
      const last = await next(peer)
      expect(last.get('Expires')).toBe('0')
      peer.reply(last, 200)
    }
    await on.run(gone)
    expect(states.at(-1)).toEqual({ state: 'unregistered' })
  })
})
