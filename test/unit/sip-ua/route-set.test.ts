// Proxies on the way (RFC 3261 8.1.2, 12.2.1.1, 16.12.1.1): preloaded routes, record routes with loose and strict routers.
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SipRequest } from '../../../src/sip/message.ts'
import { Listener, type Scene, ScriptedPeer, scene, sdp } from './scripted-peer.ts'

let s: Scene
let far: ScriptedPeer
beforeEach(async () => {
  s = await scene()
  far = await ScriptedPeer.open(s.world, '192.0.2.9', { address: '192.0.2.1', port: 5060 })
})
afterEach(async () => {
  await s.close()
  far.close()
  expect(s.internalErrors()).toEqual([])
})

const account = { aor: 'sip:alice@home.example', server: 'sip:192.0.2.2;lr', route: ['sip:edge.example;lr'] }
const routes = (request: SipRequest): string[] => request.lines('Route')
const accepted = async (recordRoutes: string[], options = {}) => {
  const listener = new Listener()
  const session = s.agent.invite('sip:bob@192.0.2.2', listener, { offer: sdp(), ...options })
  const invite = await s.run(s.peer.request('INVITE'))
  s.peer.reply(invite, 200, {
    headers: [
      'Contact: <sip:bob@203.0.113.7:5070;x=1>',
      ...recordRoutes.map((value) => `Record-Route: ${value}`),
    ],
    body: sdp('answer'),
  })
  await s.run(listener.answered)
  return { session, listener, invite }
}

test('the chain of an account goes before INVITE and REGISTER, first the server', async () => {
  const listener = new Listener()
  const session = s.agent.invite('sip:bob@far.example', listener, { account, offer: sdp() })
  const invite = await s.run(s.peer.request('INVITE'))
  expect(routes(invite)).toEqual(['<sip:192.0.2.2;lr>', '<sip:edge.example;lr>'])
  expect(invite.uriText).toBe('sip:bob@far.example')
  s.peer.reply(invite, 180)
  await s.world.clock.advance(10)
  session.hangUp()
  const cancel = await s.run(s.peer.request('CANCEL'))
  expect(routes(cancel)).toEqual(routes(invite))
  s.peer.reply(cancel, 200)
  s.peer.reply(invite, 487)
  const ack = await s.run(s.peer.request('ACK'))
  expect(routes(ack)).toEqual(routes(invite))

  const registration = s.agent.register(account)
  const register = await s.run(s.peer.request('REGISTER'))
  expect(routes(register)).toEqual(routes(invite))
  expect(register.uriText).toBe('sip:home.example')
  s.peer.reply(register, 403)
  await s.run(registration.unregister())
})

test('without ";lr" the server is a place to send to, and no route', async () => {
  s.agent.invite('sip:bob@far.example', new Listener(), {
    account: { aor: 'sip:alice@home.example', server: 'sip:192.0.2.2' },
    offer: sdp(),
  })
  const invite = await s.run(s.peer.request('INVITE'))
  expect(routes(invite)).toEqual([])
  s.peer.reply(invite, 403)
  await s.run(s.peer.request('ACK'))
})

test('loose routers of a 200 are passed in reverse order, several in a line included', async () => {
  const { session } = await accepted(['<sip:p2.example;lr>, <sip:192.0.2.9;lr>'])
  const ack = await s.run(far.request('ACK'))
  expect(routes(ack)).toEqual(['<sip:192.0.2.9;lr>', '<sip:p2.example;lr>'])
  expect(ack.uriText).toBe('sip:bob@203.0.113.7:5070;x=1')
  session.hangUp()
  const bye = await s.run(far.request('BYE'))
  expect(routes(bye)).toEqual(routes(ack))
  far.reply(bye, 200)
})

test('a strict router becomes the Request-URI, and the remote target the last Route', async () => {
  const { session } = await accepted(['<sip:p2.example;lr>', '<sip:192.0.2.9;method=INVITE;x=y>'])
  const ack = await s.run(far.request('ACK'))
  expect(ack.uriText).toBe('sip:192.0.2.9;x=y')
  expect(routes(ack)).toEqual(['<sip:p2.example;lr>', '<sip:bob@203.0.113.7:5070;x=1>'])
  session.hangUp()
  const bye = await s.run(far.request('BYE'))
  expect(bye.uriText).toBe(ack.uriText)
  expect(routes(bye)).toEqual(routes(ack))
  far.reply(bye, 200)
})

test('a re-INVITE through a strict router is acknowledged, and refused, in its own form', async () => {
  const { session } = await accepted(['<sip:192.0.2.9>'])
  await s.run(far.request('ACK'))
  const refused = session.reinvite(sdp('again')).catch((error) => error.status)
  const reinvite = await s.run(far.request('INVITE'))
  expect(reinvite.uriText).toBe('sip:192.0.2.9')
  expect(routes(reinvite)).toEqual(['<sip:bob@203.0.113.7:5070;x=1>'])
  far.reply(reinvite, 488)
  const ack = await s.run(far.request('ACK'))
  expect([ack.uriText, routes(ack)]).toEqual([reinvite.uriText, routes(reinvite)])
  expect(await s.run(refused)).toBe(488)
  session.hangUp()
  far.reply(await s.run(far.request('BYE')), 200)
})

test('a strict proxy at the head of a chain gets an INVITE in its form', async () => {
  s.agent.invite('sip:bob@far.example', new Listener(), {
    account: { aor: 'sip:alice@home.example', route: ['sip:192.0.2.2'] },
    offer: sdp(),
  })
  const invite = await s.run(s.peer.request('INVITE'))
  expect(invite.uriText).toBe('sip:192.0.2.2')
  expect(routes(invite)).toEqual(['<sip:bob@far.example>'])
  s.peer.reply(invite, 403)
  expect((await s.run(s.peer.request('ACK'))).uriText).toBe('sip:192.0.2.2')
})

test('two record routes of one proxy between two transports: the nearer one says how it is reached', async () => {
  const { session } = await accepted(['<sip:192.0.2.9;transport=tcp;r2=on;lr>', '<sip:192.0.2.9;r2=on;lr>'])
  const ack = await s.run(far.request('ACK'))
  expect(routes(ack)).toEqual(['<sip:192.0.2.9;r2=on;lr>', '<sip:192.0.2.9;transport=tcp;r2=on;lr>'])
  session.hangUp()
  far.reply(await s.run(far.request('BYE')), 200)
})

test('called through proxies: their order is kept, and the nearest is asked first', async () => {
  const called = new Promise<void>((resolve) => {
    s.agent.onInvite = (session) => {
      session.handler = new Listener()
      session.accept(sdp('answer'))
      resolve()
    }
  })
  s.peer.send('INVITE', { 'Record-Route': '<sip:192.0.2.9;lr>, <sip:p1.example>' }, sdp())
  await s.run(called)
  const response = await s.run(s.peer.response(200))
  expect(response.lines('Record-Route').join(', ')).toBe('<sip:192.0.2.9;lr>, <sip:p1.example>')
  s.peer.inDialog(response, 'ACK', 1)
  await s.world.clock.advance(10)
  const stopping = s.agent.stop()
  const bye = await s.run(far.request('BYE'))
  expect(routes(bye)).toEqual(['<sip:192.0.2.9;lr>', '<sip:p1.example>'])
  expect(bye.uriText).toBe('sip:bob@192.0.2.2:5060')
  far.reply(bye, 200)
  await s.run(stopping)
})
