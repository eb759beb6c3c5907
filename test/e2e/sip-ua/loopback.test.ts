// The user agent on real loopback sockets: registration against a registrar that checks the digest, calls in both roles over
// UDP and TCP, and nothing left behind afterwards.
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { afterEach, describe, expect, it } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { parseMessage, responseTo, type SipRequest, serializeMessage } from '../../../src/sip/message.ts'
import type { RegistrationState, SipRegistration } from '../../../src/sip/session.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { Listener, sdp } from '../../unit/sip-ua/scripted-peer.ts'

const agents: UserAgent[] = []
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop({ deadlineMs: 2_000 })))
})

async function agent(): Promise<{ ua: UserAgent; udp: number; tcp: number }> {
  const ua = await UserAgent.start({
    runtime: nodeRuntime,
    listen: [
      { protocol: 'udp', address: '127.0.0.1', port: 0 },
      { protocol: 'tcp', address: '127.0.0.1', port: 0 },
    ],
  })
  agents.push(ua)
  const port = (protocol: string): number => ua.addresses.find((point) => point.protocol === protocol)!.port
  return { ua, udp: port('udp'), tcp: port('tcp') }
}

/** A registrar for alice with password "secret" that recomputes every digest (RFC 7616 3.4) and refuses nonces it did not give. */
async function registrar(algorithm: 'MD5' | 'SHA-256') {
  const socket = createSocket('udp4')
  const hash = (text: string) =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex')
  const seen: { expires: string; authorized: boolean }[] = []
  const authorized = (request: SipRequest): boolean => {
    const field = (name: string) => request.challenges('Authorization')[0]?.params.get(name) ?? ''
    const a1 = hash(`alice:floe.test:secret`)
    const a2 = hash(`REGISTER:${field('uri')}`)
    return (
      field('nonce') === 'n0nce' &&
      field('response') === hash(`${a1}:n0nce:${field('nc')}:${field('cnonce')}:auth:${a2}`)
    )
  }
  socket.on('message', (data, from) => {
    const result = parseMessage(data)
    if (!('message' in result) || result.message.kind !== 'request') return
    const request = result.message
    const ok = authorized(request)
    seen.push({ expires: request.get('Expires') ?? '', authorized: ok })
    const response = ok ? responseTo(request, 200, 'OK', 't') : responseTo(request, 401, 'Unauthorized', 't')
    if (ok) response.set('Contact', request.get('Contact')!)
    else
      response.set(
        'WWW-Authenticate',
        `Digest realm="floe.test", nonce="n0nce", qop="auth,auth-int", algorithm=${algorithm}`,
      )
    socket.send(serializeMessage(response), from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return { port: socket.address().port, seen, close: () => socket.close() }
}

const settled = (registration: SipRegistration): Promise<RegistrationState> =>
  new Promise((resolve) => {
    registration.onState = resolve
  })

describe('the user agent on loopback sockets', () => {
  it.each(['MD5', 'SHA-256'] as const)(
    'registers with %s, fails on a wrong password, unregisters',
    async (algorithm) => {
      const server = await registrar(algorithm)
      const { ua } = await agent()
      const account = {
        aor: 'sip:alice@floe.test',
        password: 'secret',
        server: `sip:127.0.0.1:${server.port}`,
      }
      const registration = ua.register(account, { expiresSeconds: 120 })
      expect(await settled(registration)).toMatchObject({ state: 'registered', expiresSeconds: 120 })
      const wrong = ua.register({ ...account, password: 'guess' })
      expect(await settled(wrong)).toMatchObject({
        state: 'failed',
        status: 401,
        reason: expect.stringContaining('password'),
      })
      await registration.unregister()
      expect(server.seen).toEqual([
        { expires: '120', authorized: false },
        { expires: '120', authorized: true },
        { expires: '600', authorized: false },
        { expires: '600', authorized: false },
        { expires: '0', authorized: true },
      ])
      server.close()
    },
  )

  it.each(['udp', 'tcp'] as const)(
    'calls over %s: early media, answer, change, hang up; busy; cancel; late offer',
    async (protocol) => {
      const { ua: alice } = await agent()
      const bob = await agent()
      const uri = (user: string) => `sip:${user}@127.0.0.1:${bob[protocol]};transport=${protocol}`
      const heard: Listener[] = []
      bob.ua.onInvite = (session) => {
        const listener = new Listener()
        heard.push(listener)
        session.handler = Object.assign(listener, {
          onReinvite: (reinvite: { accept(body: ReturnType<typeof sdp>): void }) =>
            reinvite.accept(sdp('changed')),
        })
        const user = session.local.uri.split(/[:@]/)[1]
        if (user === 'busy') return session.reject(486)
        // Without an offer the first body would be ours (RFC 3262 5).
        if (session.offer) session.progress(183, sdp('early'))
        else session.progress(180)
        if (user !== 'slow') session.accept(sdp('answer'))
      }
      const caller = new Listener()
      const call = alice.invite(uri('bob'), caller, { offer: sdp() })
      await caller.answered
      expect(await call.reinvite(sdp('hold'))).toEqual(sdp('changed'))
      call.hangUp()
      expect(await heard[0]!.end).toMatchObject({ by: 'remote', status: 200 })
      expect(caller.provisional[0]?.body).toEqual(sdp('early'))

      const busy = new Listener()
      alice.invite(uri('busy'), busy, { offer: sdp() })
      expect(await busy.end).toMatchObject({ by: 'remote', status: 486 })

      const late = new Listener(sdp('late answer'))
      alice.invite(uri('bob'), late)
      await late.answered
      expect(late.accepted?.body).toEqual(sdp('answer'))

      const slow = new Listener()
      const cancelled = alice.invite(uri('slow'), slow, { offer: sdp() })
      await new Promise((resolve) => setTimeout(resolve, 50))
      cancelled.hangUp()
      expect(await slow.end).toMatchObject({ by: 'local', status: 487 })
      expect(await heard[3]!.end).toMatchObject({ by: 'remote', status: 487 })
      expect(heard[2]!.confirmed).toEqual({ answer: sdp('late answer') })
      expect((await alice.options(uri('anyone'))).status).toBe(200)
    },
  )

  it('leaves no socket and no timer behind', async () => {
    const handles = () =>
      process.getActiveResourcesInfo().filter((name) => /UDP|TCP|Timeout/.test(name)).length
    const before = handles()
    const { ua: alice } = await agent()
    const bob = await agent()
    bob.ua.onInvite = (session) => {
      session.handler = new Listener()
      session.accept(sdp('answer'))
    }
    const caller = new Listener()
    alice.invite(`sip:bob@127.0.0.1:${bob.udp}`, caller, { offer: sdp() })
    alice.invite('sip:nobody@127.0.0.1:9', new Listener(), { offer: sdp() })
    await caller.answered
    await Promise.all([alice.stop({ deadlineMs: 200 }), bob.ua.stop({ deadlineMs: 200 })])
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    expect(handles()).toBeLessThanOrEqual(before)
  })

  it('rejects a port in use in words', async () => {
    const { udp } = await agent()
    const second = UserAgent.start({
      runtime: nodeRuntime,
      listen: [{ protocol: 'udp', address: '127.0.0.1', port: udp }],
    })
    await expect(second).rejects.toThrow(new RegExp(String(udp)))
  })
})
