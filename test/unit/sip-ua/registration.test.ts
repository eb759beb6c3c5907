import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TcpConnection, TcpListener } from '../../../src/runtime/runtime.ts'
import { parseMessage, responseTo, type SipRequest, serializeMessage } from '../../../src/sip/message.ts'
import type { RegistrationState } from '../../../src/sip/session.ts'
import { type Scene, scene } from './scripted-peer.ts'

let on: Scene
let states: RegistrationState[]
beforeEach(async () => {
  on = await scene()
  states = []
})
afterEach(async () => {
  expect(on.internalErrors()).toEqual([])
  await on.close()
  expect(on.world.open).toEqual([])
  expect(on.world.clock.pendingTimers).toBe(0)
})

const register = (more = {}, options = {}) => {
  const account = { aor: 'sip:alice@example.com', password: 'secret', server: 'sip:192.0.2.2', ...more }
  const registration = on.agent.register(account, options)
  registration.onState = (state) => states.push(state)
  return registration
}
const next = () => on.run(on.peer.request('REGISTER'))
const names = () => states.map((state) => state.state)

describe('a registration (RFC 3261 10.2)', () => {
  it('answers 401 and 407, and names what the registrar granted', async () => {
    const registration = register({ displayName: 'Alice' }, { expiresSeconds: 300 })
    expect(registration.state).toEqual({ state: 'registering' })
    const first = await next()
    expect(first.uriText).toBe('sip:example.com')
    expect(first.get('To')).toBe('<sip:alice@example.com>')
    expect(first.get('Contact')).toMatch(
      /^<sip:alice@192\.0\.2\.1:5060;rinstance=[\w-]{8}>;\+sip\.instance="<urn:uuid:[0-9a-f-]{36}>";reg-id=1;expires=300$/,
    )
    expect(first.get('Expires')).toBe('300')
    on.peer.reply(first, 401, {
      headers: [
        'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5, qop="auth"',
        'WWW-Authenticate: Digest realm="r", nonce="n2", algorithm=SHA-256, qop="auth"',
      ],
    })
    const second = await next()
    expect(second.get('Authorization')).toContain('algorithm=SHA-256')
    expect(second.cseq.sequence).toBe(first.cseq.sequence + 1)
    on.peer.reply(second, 407, { headers: ['Proxy-Authenticate: Digest realm="p", nonce="n"'] })
    const third = await next()
    expect(third.get('Proxy-Authorization')).toContain('realm="p"')
    const contact = third.get('Contact')!.replace('expires=300', 'expires=120')
    on.peer.reply(third, 200, { headers: [`Contact: <sip:alice@192.0.2.50>;expires=7, ${contact}`] })
    await on.world.clock.advance(5)
    expect(registration.state).toMatchObject({
      state: 'registered',
      expiresSeconds: 120,
      registrar: 'sip:example.com',
    })
    expect(registration.state).toHaveProperty('contact', expect.stringContaining('rinstance='))
    // The refresh comes before the end, with the same Call-ID and known credentials.
    const before = on.world.clock.now()
    const refresh = await next()
    expect(on.world.clock.now() - before).toBeGreaterThan(100_000)
    expect(on.world.clock.now() - before).toBeLessThan(116_000)
    expect(refresh.callId).toBe(first.callId)
    expect(refresh.get('Authorization')).toContain('nc=00000003')
    expect(refresh.get('Expires')).toBe('300')
  })

  it.each([
    ['an Expires header', ['Contact: <sip:alice@192.0.2.1:5060>', 'Expires: 90'], 90],
    ['nothing at all', [], 600],
    ['a Contact that was rewritten', ['Contact: <sip:alice@203.0.113.9:1024>;expires=77'], 77],
    [
      'somebody else’s Contacts, of which ours lasts longest',
      ['Contact: <sip:alice@192.0.2.50>;expires=3, <sip:alice@203.0.113.9>;expires=66'],
      66,
    ],
    ['a Contact under another user', ['Contact: <sip:x-7@192.0.2.1>;expires=55'], 55],
    ['an absurd interval', ['Expires: 4294967295'], 86_400],
  ])('takes %s for its lifetime', async (_, headers, expiresSeconds) => {
    const registration = register()
    on.peer.reply(await next(), 200, {
      headers: [...headers, ...(headers.some((h) => h.startsWith('Contact')) ? [] : ['Contact-None: x'])],
    })
    await on.world.clock.advance(5)
    expect(registration.state).toMatchObject({ state: 'registered', expiresSeconds })
  })

  it('asks for the interval that 423 demands, and keeps it', async () => {
    register({}, { expiresSeconds: 60 })
    on.peer.reply(await next(), 423, { headers: ['Min-Expires: 1800'] })
    const again = await next()
    expect(again.get('Expires')).toBe('1800')
    on.peer.reply(again, 423, { headers: ['Min-Expires: 1800'] })
    await on.world.clock.advance(5)
    expect(states.at(-1)).toMatchObject({ state: 'failed', status: 423 })
  })

  it('fails at once on a wrong password, in words, and does not ask again', async () => {
    register()
    on.peer.reply(await next(), 401, { headers: ['WWW-Authenticate: Digest realm="r", nonce="1"'] })
    on.peer.reply(await next(), 401, { headers: ['WWW-Authenticate: Digest realm="r", nonce="2"'] })
    await on.world.clock.advance(3_600_000)
    expect(states).toEqual([
      {
        state: 'failed',
        status: 401,
        reason: expect.stringMatching(/refused the user name "alice" or its password/),
      },
    ])
    expect(on.peer.inbox).toEqual([])
    expect(JSON.stringify([states, on.facts])).not.toContain('secret')
  })

  it.each([403, 404, 302, 600])('fails on %d and does not ask again', async (status) => {
    register()
    on.peer.reply(await next(), status, { reason: 'No' })
    await on.world.clock.advance(3_600_000)
    if (status < 500) {
      expect(states).toEqual([{ state: 'failed', status, reason: 'No' }])
      expect(on.peer.inbox).toEqual([])
    }
  })

  it('goes on asking, ever more rarely, when a registrar refuses whom it had accepted', async () => {
    register()
    on.peer.reply(await next(), 200)
    on.peer.reply(await next(), 404, { reason: 'Not Found' })
    await on.world.clock.advance(5)
    expect(states.at(-1)).toMatchObject({ state: 'failed', status: 404, retryInMs: expect.any(Number) })
    on.peer.reply(await next(), 200)
    await on.world.clock.advance(5)
    expect(names()).toEqual(['registered', 'failed', 'registering', 'registered'])
  })

  it('does not take a binding of no duration for one', async () => {
    register()
    on.peer.reply(await next(), 200, { headers: ['Expires: 0'] })
    await on.world.clock.advance(1_000)
    expect(states).toEqual([
      {
        state: 'failed',
        status: 200,
        reason: expect.stringMatching(/granted no time/),
        retryInMs: expect.any(Number),
      },
    ])
    expect(on.peer.inbox).toEqual([])
  })

  it('takes a stale nonce for what it is', async () => {
    register()
    on.peer.reply(await next(), 401, { headers: ['WWW-Authenticate: Digest realm="r", nonce="1"'] })
    on.peer.reply(await next(), 401, {
      headers: ['WWW-Authenticate: Digest realm="r", nonce="2", stale=true'],
    })
    const third = await next()
    expect(third.get('Authorization')).toContain('nonce="2"')
    on.peer.reply(third, 200)
    await on.world.clock.advance(5)
    expect(names()).toEqual(['registered'])
  })

  it('backs off, longer and longer, from a registrar that is ill or silent, and recovers', async () => {
    register()
    const delays: number[] = []
    for (let i = 0; i < 9; i++) {
      const request = await next()
      on.peer.reply(request, i === 8 ? 200 : 503, i === 2 ? { headers: ['Retry-After: 1000'] } : {})
      await on.world.clock.advance(5)
      const state = states.at(-1)!
      if (state.state === 'failed') delays.push(state.retryInMs!)
    }
    expect(delays[0]).toBeGreaterThanOrEqual(2_000)
    expect(delays[0]).toBeLessThanOrEqual(4_000)
    expect(delays[2]).toBe(1_000_000)
    expect(Math.max(...delays.filter((delay) => delay !== 1_000_000))).toBeLessThanOrEqual(300_000)
    expect(delays[7]).toBeGreaterThan(100_000)
    expect(states.at(-1)).toMatchObject({ state: 'registered' })
    expect(names().filter((name) => name === 'registering')).toHaveLength(8)
  })

  it('says who did not answer', async () => {
    register({ server: 'sip:192.0.2.99' })
    await on.world.clock.advance(33_000)
    expect(states[0]).toMatchObject({
      state: 'failed',
      status: 408,
      reason: expect.stringMatching(/did not answer within 32 s/),
    })
    expect(states[0]).toHaveProperty('retryInMs')
  })

  it('says that a connection was refused, and tries again', async () => {
    register({ server: 'sip:192.0.2.2;transport=tcp' })
    await on.world.clock.advance(15_000)
    expect(states[0]).toMatchObject({ state: 'failed', status: 503, unanswered: true })
    expect(states[0]).toHaveProperty('retryInMs')
  })

  describe('over TCP', () => {
    const connections: TcpConnection[] = []
    let asked: SipRequest[]
    let pings: number
    let listener: TcpListener
    beforeEach(async () => {
      asked = []
      pings = 0
      const host = on.world.host('registrar', on.world.internet.at('192.0.2.3', { latencyMs: 1 }))
      listener = await host.listenTcp({ address: '192.0.2.3', port: 5060 })
      listener.onConnection = (accepted) => {
        connections.push(accepted)
        accepted.onData = (data) => {
          if (Buffer.from(data).equals(Buffer.from('\r\n\r\n'))) {
            pings++
            accepted.write(Buffer.from('\r\n'))
          }
          const result = parseMessage(data)
          if (!('message' in result) || result.message.kind !== 'request') return
          asked.push(result.message)
          accepted.write(serializeMessage(responseTo(result.message, 200, 'OK', 't')))
        }
      }
    })
    afterEach(() => {
      for (const connection of connections.splice(0)) connection.close()
      listener.close()
    })
    const overTcp = (options = {}) => register({ server: 'sip:192.0.2.3;transport=tcp' }, options)

    it('registers anew when its connection goes', async () => {
      const registration = overTcp()
      await on.world.clock.advance(20)
      expect(registration.state.state).toBe('registered')
      connections[0]!.close()
      await on.world.clock.advance(20)
      expect(registration.state).toMatchObject({
        state: 'failed',
        reason: expect.stringMatching(/connection to sip:192\.0\.2\.3;transport=tcp was closed/),
      })
      await on.world.clock.advance(5_000)
      expect(names()).toEqual(['registered', 'failed', 'registering', 'registered'])
      expect(asked).toHaveLength(2)
      await on.run(registration.unregister())
    })

    it('keeps its connection alive between refreshes that are an hour apart (RFC 5626 4.4.1)', async () => {
      const registration = overTcp({ expiresSeconds: 3_600 })
      await on.world.clock.advance(3_500_000)
      expect(names()).toEqual(['registered'])
      expect(asked).toHaveLength(1)
      expect(pings).toBeGreaterThan(3_500 / 120 - 1)
      await on.run(registration.unregister())
      pings = 0
      await on.world.clock.advance(1_000_000)
      expect(pings).toBe(0)
    })

    it('removes the binding that a connection which has gone left behind', async () => {
      const registration = overTcp()
      await on.world.clock.advance(20)
      connections[0]!.close()
      await on.world.clock.advance(20)
      expect(registration.state.state).toBe('failed')
      await on.run(registration.unregister())
      expect(asked.at(-1)!.get('Expires')).toBe('0')
    })
  })

  it('unregisters: Expires 0, bounded in time', async () => {
    const registration = register()
    on.peer.reply(await next(), 200)
    await on.world.clock.advance(5)
    const gone = registration.unregister()
    const last = await next()
    expect(last.get('Expires')).toBe('0')
    on.peer.reply(last, 200)
    await on.run(gone)
    expect(names()).toEqual(['registered', 'unregistered'])
    await on.world.clock.advance(3_600_000)
    expect(on.peer.inbox).toEqual([])

    const other = register()
    on.peer.reply(await next(), 200)
    await on.world.clock.advance(5)
    const startedAt = on.world.clock.now()
    await on.run(other.unregister())
    expect(on.world.clock.now() - startedAt).toBeLessThanOrEqual(4_100)
    expect(other.state).toEqual({ state: 'unregistered' })
  })

  it('unregisters when the user agent stops', async () => {
    register()
    on.peer.reply(await next(), 200)
    await on.world.clock.advance(5)
    const stopped = on.agent.stop({ deadlineMs: 3_000 })
    const last = await next()
    expect(last.get('Expires')).toBe('0')
    on.peer.reply(last, 200)
    const startedAt = on.world.clock.now()
    await on.run(stopped)
    expect(on.world.clock.now() - startedAt).toBeLessThan(100)
    expect(names().at(-1)).toBe('unregistered')
    expect(() => register()).toThrow(/has been stopped/)
  })

  it('refuses an account that is none', () => {
    expect(() => register({ aor: 'alice' })).toThrow(/no SIP URI/)
    expect(() => register({ server: 'tel:+49123' })).toThrow(/tel: scheme/)
  })
})
