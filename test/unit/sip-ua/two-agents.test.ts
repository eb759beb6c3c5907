import { Core } from 'sip.js'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Simulation, simulate } from '../../../src/sim/simulate.ts'
import type { Body, EndInfo, IncomingSession, Session } from '../../../src/sip/session.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import type { SipFact } from '../../../src/trace/facts.ts'
import { Listener, sdp } from './scripted-peer.ts'

let restore = (): void => {}
afterEach(() => {
  restore()
  vi.restoreAllMocks()
})

const facts: SipFact[] = []

async function twoAgents(
  world: Simulation,
  link: { latencyMs: number; loss?: number },
  protocol: 'udp' | 'tcp' = 'udp',
) {
  restore = world.clock.installGlobals()
  facts.length = 0
  const start = (name: string, address: string): Promise<UserAgent> =>
    UserAgent.start({
      runtime: world.host(name, world.internet.at(address, link)),
      listen: [{ protocol, address, port: 5060 }],
      record: (fact) => facts.push(fact),
    })
  const suffix = protocol === 'tcp' ? ';transport=tcp' : ''
  return {
    alice: await start('alice', '192.0.2.1'),
    bob: await start('bob', '192.0.2.2'),
    bobUri: `sip:bob@192.0.2.2${suffix}`,
  }
}

const internalErrors = () =>
  facts.filter((fact) => fact.type === 'dropped' && fact.reason.startsWith('internal error'))

describe('two user agents', () => {
  it.each(['udp', 'tcp'] as const)('talk over %s without sip.js’s grammar', async (protocol) => {
    const parse = vi.spyOn(Core.Grammar, 'parse')
    const world = simulate(3)
    const { alice, bob, bobUri } = await twoAgents(world, { latencyMs: 5 }, protocol)
    const callee = new Listener()
    const changes: (Body | undefined)[] = []
    Object.assign(callee, {
      onReinvite: (reinvite: { offer?: Body; accept(body: Body): void }) => {
        changes.push(reinvite.offer)
        reinvite.accept(sdp('changed'))
      },
    })
    let incoming: IncomingSession | undefined
    bob.onInvite = (session) => {
      incoming = session
      session.handler = callee
      session.progress(180)
      session.accept(sdp('answer'))
    }
    const caller = new Listener()
    const session = alice.invite(bobUri, caller, {
      account: { aor: 'sip:alice@example.com', displayName: 'Ä "x"' },
      offer: sdp(),
    })
    await world.clock.run(caller.answered)
    expect(await world.clock.run(session.reinvite(sdp('hold')))).toEqual(sdp('changed'))
    await world.clock.run(session.info({ contentType: 'application/dtmf-relay', content: 'Signal=1' }))
    await world.clock.run(incoming!.info({ contentType: 'text/plain', content: 'back' }))
    expect(await world.clock.run(alice.options(bobUri))).toMatchObject({
      status: 200,
      rttMs: expect.any(Number),
    })
    expect(incoming!.remote).toEqual({ uri: 'sip:alice@example.com', displayName: 'Ä "x"' })
    incoming!.hangUp()
    expect(await world.clock.run(caller.end)).toMatchObject({ by: 'remote' })
    expect(callee.heard).toEqual(['confirmed', 'ended'])
    expect(changes).toEqual([sdp('hold')])
    await world.clock.run(Promise.all([alice.stop(), bob.stop()]))
    await world.clock.advance(1_000)
    expect(world.open).toEqual([])
    expect(world.clock.pendingTimers).toBe(0)
    expect(internalErrors()).toEqual([])
    expect(parse).not.toHaveBeenCalled()
  })

  it.each([1, 2, 3])('place 100 calls at a loss of 0.05 without a failure (seed %d)', async (seed) => {
    const world = simulate(seed)
    // Each packet crosses two links: together 5 %.
    const { alice, bob, bobUri } = await twoAgents(world, { latencyMs: 5, loss: 0.0253 })
    const bobEnds: EndInfo[] = []
    bob.onInvite = (session) => {
      session.handler = { onEnded: (end) => bobEnds.push(end) }
      session.progress(180)
      session.accept(sdp('answer'))
    }
    const calls: Promise<void>[] = []
    let established = 0
    for (let i = 0; i < 100; i++) {
      calls.push(
        (async () => {
          await new Promise<void>((resolve) => world.clock.setTimer(20 * i, resolve))
          const caller = new Listener()
          const session: Session = alice.invite(bobUri, caller, { offer: sdp() })
          await Promise.race([caller.answered, caller.end])
          if (caller.ended) return
          established++
          await new Promise<void>((resolve) => world.clock.setTimer(1_000, resolve))
          session.hangUp()
        })(),
      )
    }
    await world.clock.run(Promise.all(calls))
    await world.clock.advance(64_000)
    const lost = facts.filter(
      (fact) => fact.type === 'message' && fact.direction === 'sent' && fact.retransmission,
    )
    expect(lost.length).toBeGreaterThan(10)
    expect(established).toBe(100)
    expect(bobEnds.filter((end) => end.by === 'remote' && end.status === 200)).toHaveLength(100)
    expect(internalErrors()).toEqual([])
    await world.clock.run(Promise.all([alice.stop(), bob.stop()]))
    expect(world.clock.pendingTimers).toBe(0)
  })

  it('end every call within the deadline of stop(), also towards a dead peer', async () => {
    const world = simulate(5)
    const { alice, bob, bobUri } = await twoAgents(world, { latencyMs: 5 })
    bob.onInvite = (session) => {
      session.handler = new Listener()
      if (session.local.uri.includes('bob')) session.accept(sdp('answer'))
      else session.progress(180)
    }
    const established = new Listener()
    const ringing = new Listener()
    const dead = new Listener()
    alice.invite(bobUri, established, { offer: sdp() })
    alice.invite('sip:ring@192.0.2.2', ringing, { offer: sdp() })
    alice.invite('sip:nobody@192.0.2.99', dead, { offer: sdp() })
    await world.clock.advance(300)
    const startedAt = world.clock.now()
    await world.clock.run(alice.stop({ deadlineMs: 1_500 }))
    expect(world.clock.now() - startedAt).toBeLessThanOrEqual(1_501)
    expect([established.ended?.status, ringing.ended?.status, dead.ended?.status]).toEqual([200, 487, 487])
    await world.clock.run(bob.stop())
    await world.clock.advance(10)
    expect(world.open).toEqual([])
    expect(world.clock.pendingTimers).toBe(0)
    expect(internalErrors()).toEqual([])
  })

  it('leaves no promise open', async () => {
    const world = simulate(8)
    const { alice, bob, bobUri } = await twoAgents(world, { latencyMs: 5 })
    bob.onInvite = (session) => {
      // No onReinvite and no answer to what follows: bob goes away without a word.
      session.handler = new Listener()
      session.accept(sdp('answer'))
    }
    const listener = new Listener()
    const session = alice.invite(bobUri, listener, { offer: sdp() })
    await world.clock.run(listener.answered)
    await world.clock.advance(100)
    await world.clock.run(bob.stop({ deadlineMs: 0 }))
    const open = [
      session.info({ contentType: 'text/plain', content: 'x' }),
      session.reinvite(sdp('hold')),
      alice.options(bobUri),
    ].map((promise) => promise.then(String, (error: Error) => error.message))
    await world.clock.run(alice.stop({ deadlineMs: 100 }))
    expect(await Promise.all(open)).toEqual([
      expect.stringMatching(/ended before its request|not established/),
      expect.stringMatching(/ended before its change|not established/),
      expect.stringMatching(/stopped before its request/),
    ])
    expect(world.clock.pendingTimers).toBe(0)
  })

  it('stops at once when there is nothing to say', async () => {
    const world = simulate(6)
    const { alice, bob } = await twoAgents(world, { latencyMs: 5 })
    const startedAt = world.clock.now()
    await world.clock.run(Promise.all([alice.stop(), bob.stop(), bob.stop()]))
    expect(world.clock.now()).toBe(startedAt)
  })

  it('says who does not answer OPTIONS, and that a name does not resolve', async () => {
    const world = simulate(7)
    const { alice, bob } = await twoAgents(world, { latencyMs: 5 })
    await expect(world.clock.run(alice.options('sip:192.0.2.99'))).rejects.toThrow(
      /did not answer OPTIONS within 32 s/,
    )
    await expect(world.clock.run(alice.options('sip:no.such.name'))).rejects.toThrow(
      /could not be sent to sip:no\.such\.name/,
    )
    const listener = new Listener()
    alice.invite('sip:bob@no.such.name', listener, { offer: sdp() })
    expect(await world.clock.run(listener.end)).toMatchObject({
      by: 'network',
      status: 503,
      reason: expect.stringContaining('no.such.name'),
    })
    await world.clock.run(Promise.all([alice.stop(), bob.stop()]))
  })
})
