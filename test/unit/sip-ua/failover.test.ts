// Several servers for one domain (RFC 3263 4.3), in virtual time: peers that do exactly what a test says.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SipRequest } from '../../../src/sip/message.ts'
import type { RegistrationState } from '../../../src/sip/session.ts'
import { Listener, type Scene, ScriptedPeer, scene, sdp } from './scripted-peer.ts'

let s: Scene
let first: ScriptedPeer
let second: ScriptedPeer
let third: ScriptedPeer
const open = (address: string): Promise<ScriptedPeer> =>
  ScriptedPeer.open(s.world, address, { address: '192.0.2.1', port: 5060 })
const publish = (...servers: number[]): void =>
  s.world.names.set('_sip._udp.example.com', {
    srv: servers.map((number, i) => ({
      priority: i,
      weight: 0,
      port: 5060,
      target: `server${number}.example.com`,
      ttlSeconds: 86_400,
    })),
  })
beforeEach(async () => {
  s = await scene()
  first = await open('192.0.2.11')
  second = await open('192.0.2.12')
  third = await open('192.0.2.13')
  for (const number of [1, 2, 3])
    s.world.names.set(`server${number}.example.com`, {
      addresses: [{ address: `192.0.2.1${number}`, ttlSeconds: 86_400 }],
    })
  publish(1, 2)
})
afterEach(async () => {
  await s.close()
  expect(s.internalErrors()).toEqual([])
  for (const peer of [first, second, third]) peer.close()
})

const call = () => {
  const listener = new Listener()
  const startedAt = s.world.clock.now()
  const session = s.agent.invite('sip:bob@example.com;transport=udp', listener, { offer: sdp() })
  return { listener, session, startedAt }
}
const branch = (request: SipRequest): string => request.topVia.params.get('branch')!
const answered = async (peer: ScriptedPeer, listener: Listener): Promise<SipRequest> => {
  const invite = await s.run(peer.request('INVITE'))
  peer.reply(invite, 200, { body: sdp('answer') })
  await s.run(listener.answered)
  await s.run(peer.request('ACK'))
  return invite
}
/** How long a call takes until that server has its INVITE, which it answers; the call is then ended. */
const callAnsweredBy = async (peer: ScriptedPeer): Promise<number> => {
  const { listener, session, startedAt } = call()
  await answered(peer, listener)
  const tookMs = s.world.clock.now() - startedAt
  session.hangUp()
  peer.reply(await s.run(peer.request('BYE')), 200)
  await s.run(listener.end)
  return tookMs
}

describe('a server that is silent', () => {
  test('is passed over after 4 s, with a branch of its own for the next one', async () => {
    const { listener } = call()
    const lost = await s.run(first.request('INVITE'))
    const invite = await answered(second, listener)
    expect(s.world.clock.now()).toBeGreaterThan(4_000)
    expect(s.world.clock.now()).toBeLessThan(4_100)
    expect(branch(invite)).not.toBe(branch(lost))
    expect(invite.callId).toBe(lost.callId)
    expect(listener.accepted?.status).toBe(200)
  })

  test('is left alone by the next call, tried again after 30 s for a moment, and by everybody when it answers', async () => {
    expect(await callAnsweredBy(second)).toBeGreaterThan(4_000)
    expect(await callAnsweredBy(second)).toBeLessThan(100)
    first.inbox.splice(0)
    await s.world.clock.advance(31_000)
    const again = await callAnsweredBy(second)
    expect(again).toBeGreaterThan(1_000)
    expect(again).toBeLessThan(1_100)
    // Twice as long after the second time.
    await s.world.clock.advance(31_000)
    expect(await callAnsweredBy(second)).toBeLessThan(100)
    await s.world.clock.advance(31_000)
    first.inbox.splice(0)
    expect(await callAnsweredBy(first)).toBeLessThan(100)
    expect(await callAnsweredBy(first)).toBeLessThan(100)
  })

  test('and wakes up late has its ringing cancelled', async () => {
    const { listener } = call()
    const late = await s.run(first.request('INVITE'))
    const invite = await s.run(second.request('INVITE'))
    second.reply(invite, 180)
    await s.world.clock.advance(1_000)
    first.reply(late, 180, { tag: 'late' })
    const cancel = await s.run(first.request('CANCEL'))
    expect(branch(cancel)).toBe(branch(late))
    first.reply(cancel, 200)
    first.reply(late, 487, { tag: 'late' })
    expect(branch(await s.run(first.request('ACK')))).toBe(branch(late))
    second.reply(invite, 200, { body: sdp('answer') })
    await s.run(listener.answered)
    expect(listener.heard).toEqual(['180', 'accepted'])
  })

  test('and answers late has its call acknowledged and ended', async () => {
    const { listener } = call()
    const late = await s.run(first.request('INVITE'))
    await answered(second, listener)
    first.reply(late, 200, { tag: 'late', body: sdp('answer') })
    await s.run(first.request('ACK'))
    first.reply(await s.run(first.request('BYE')), 200)
    expect(listener.heard).toEqual(['accepted'])
  })

  test('may still answer first while the next one is asked', async () => {
    const { listener } = call()
    const slow = await s.run(first.request('INVITE'))
    const other = await s.run(second.request('INVITE'))
    first.reply(slow, 180)
    await s.world.clock.advance(500)
    second.reply(other, 180, { tag: 'b' })
    second.reply(await s.run(second.request('CANCEL')), 200)
    second.reply(other, 487, { tag: 'b' })
    await s.run(second.request('ACK'))
    first.reply(slow, 200, { body: sdp('answer') })
    await s.run(listener.answered)
    await s.run(first.request('ACK'))
  })

  test('leaves the last server the rest of the 32 s', async () => {
    const { listener, startedAt } = call()
    const end = await s.run(listener.end)
    expect(end).toMatchObject({ by: 'network', status: 408 })
    expect(s.world.clock.now() - startedAt).toBeGreaterThan(31_000)
    expect(s.world.clock.now() - startedAt).toBeLessThan(33_000)
  })
})

describe('503', () => {
  test('is acknowledged, and the next server is asked at once', async () => {
    const { listener } = call()
    const refused = await s.run(first.request('INVITE'))
    first.reply(refused, 503)
    const invite = await answered(second, listener)
    const ack = await s.run(first.request('ACK'))
    expect(branch(ack)).toBe(branch(refused))
    expect(branch(invite)).not.toBe(branch(refused))
    expect(ack.toTag).toBe('peer')
    expect(s.world.clock.now()).toBeLessThan(100)
  })

  test('with Retry-After keeps everybody away for so long', async () => {
    const { listener } = call()
    first.reply(await s.run(first.request('INVITE')), 503, { headers: ['Retry-After: 120 (at lunch)'] })
    await answered(second, listener)
    await s.world.clock.advance(100_000)
    first.inbox.splice(0)
    expect(await callAnsweredBy(second)).toBeLessThan(100)
    await s.world.clock.advance(21_000)
    expect(await callAnsweredBy(first)).toBeLessThan(100)
  })

  test('of all servers is what the caller is told', async () => {
    const { listener } = call()
    first.reply(await s.run(first.request('INVITE')), 503, { reason: 'First' })
    second.reply(await s.run(second.request('INVITE')), 503, { reason: 'Second' })
    expect(await s.run(listener.end)).toMatchObject({ by: 'remote', status: 503 })
    await s.run(first.request('ACK'))
    await s.run(second.request('ACK'))
  })

  test('of a second server while the first one stays silent does not keep the caller for 32 s', async () => {
    const { listener, startedAt } = call()
    await s.run(first.request('INVITE'))
    second.reply(await s.run(second.request('INVITE')), 503)
    expect(await s.run(listener.end)).toMatchObject({ by: 'remote', status: 503 })
    expect(s.world.clock.now() - startedAt).toBeLessThan(8_200)
  })

  test('other refusals are final', async () => {
    const { listener } = call()
    first.reply(await s.run(first.request('INVITE')), 500)
    expect(await s.run(listener.end)).toMatchObject({ by: 'remote', status: 500 })
    expect(second.inbox).toEqual([])
  })
})

test('CANCEL goes to the server that rings, and no other is asked any more', async () => {
  publish(1, 2, 3)
  const { listener, session } = call()
  await s.run(first.request('INVITE'))
  const invite = await s.run(second.request('INVITE'))
  second.reply(invite, 180)
  await s.world.clock.advance(100)
  session.hangUp()
  const cancel = await s.run(second.request('CANCEL'))
  expect(branch(cancel)).toBe(branch(invite))
  second.reply(cancel, 200)
  second.reply(invite, 487)
  expect(branch(await s.run(second.request('ACK')))).toBe(branch(invite))
  expect(await s.run(listener.end)).toMatchObject({ by: 'local', status: 487 })
  await s.world.clock.advance(10_000)
  expect(third.inbox).toEqual([])
})

test('who hangs up while a server is silent does not make the next one ring', async () => {
  const { listener, session } = call()
  await s.run(first.request('INVITE'))
  await s.world.clock.advance(2_000)
  session.hangUp()
  await s.run(listener.end)
  expect(second.inbox).toEqual([])
})

test('an account keeps to one of its servers, whatever their weights', async () => {
  s.world.names.set('_sip._udp.example.com', {
    srv: [1, 2, 3].map((number) => ({
      priority: 0,
      weight: 1,
      port: 5060,
      target: `server${number}.example.com`,
    })),
  })
  const account = { aor: 'sip:alice@example.com', server: 'sip:example.com;transport=udp' }
  const hosts = new Set<string>()
  for (let i = 0; i < 8; i++) {
    const asked = s.agent.options('sip:bob@elsewhere.example', account)
    await s.world.clock.advance(20)
    for (const peer of [first, second, third])
      for (const request of peer.inbox.splice(0)) {
        hosts.add(peer.uri)
        if (request.kind === 'request') peer.reply(request, 200)
      }
    await s.run(asked)
  }
  expect(hosts.size).toBe(1)
})

test('who is told to merge (482) waits for the one that has the request already', async () => {
  const { listener } = call()
  const slow = await s.run(first.request('INVITE'))
  const merged = await s.run(second.request('INVITE'))
  first.reply(slow, 100)
  await s.world.clock.advance(100)
  second.reply(merged, 482)
  await s.world.clock.advance(5_000)
  first.reply(slow, 200, { body: sdp('answer') })
  await s.run(listener.answered)
})

describe('a registration', () => {
  const register = () => {
    const states: RegistrationState[] = []
    const registration = s.agent.register(
      { aor: 'sip:alice@example.com', server: 'sip:example.com;transport=udp' },
      { expiresSeconds: 300 },
    )
    registration.onState = (state) => states.push(state)
    return { registration, states }
  }
  const grant = async (peer: ScriptedPeer): Promise<void> => {
    const request = await s.run(peer.request('REGISTER'))
    peer.reply(request, 200, { headers: [`Contact: ${request.get('Contact')}`] })
    await s.world.clock.advance(10)
  }

  test('finds the server that lives, and the calls of the phone do, too', async () => {
    const { registration, states } = register()
    await grant(second)
    expect(states.map(({ state }) => state)).toEqual(['registered'])
    expect(await callAnsweredBy(second)).toBeLessThan(100)
    const gone = registration.unregister()
    await grant(second)
    await s.run(gone)
  })

  test('moves on when its server dies, without a gap', async () => {
    const { registration, states } = register()
    await grant(first)
    // Not a word from it any more; the refresh is due 30 s before the end.
    await s.world.clock.advance(271_000)
    await grant(second)
    expect(s.world.clock.now()).toBeLessThan(276_000)
    expect(states.map(({ state }) => state)).toEqual(['registered', 'registered'])
    const gone = registration.unregister()
    await grant(second)
    await s.run(gone)
  })
})

test('in the dialog the route set is resolved anew, and fails over as well', async () => {
  const { listener, session } = call()
  const invite = await s.run(first.request('INVITE'))
  first.reply(invite, 200, {
    headers: ['Record-Route: <sip:example.com;transport=udp;lr>', 'Contact: <sip:bob@192.0.2.99>'],
    body: sdp('answer'),
  })
  await s.run(listener.answered)
  await s.run(first.request('ACK'))
  session.hangUp()
  const lost = await s.run(first.request('BYE'))
  const bye = await s.run(second.request('BYE'))
  expect(bye.uriText).toBe('sip:bob@192.0.2.99')
  expect(branch(bye)).not.toBe(branch(lost))
  second.reply(bye, 200)
})
