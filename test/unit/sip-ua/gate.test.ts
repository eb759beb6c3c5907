// What is turned away before it costs anything: scanners, offenders, floods, calls beyond what the process can do; all in virtual
// time, on a peer that writes its messages by hand.
import { afterEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/runtime/runtime.ts'
import { Door } from '../../../src/sip/door.ts'
import { Overload } from '../../../src/sip/overload.ts'
import { scannerOf } from '../../../src/sip/scanner.ts'
import { type Scene, scene, sdp } from './scripted-peer.ts'

let on: Scene
afterEach(() => on?.close())

const dropped = (): string[] => on.facts.flatMap((fact) => (fact.type === 'dropped' ? [fact.reason] : []))

describe('scanners', () => {
  it.each([
    ['friendly-scanner', 'friendly-scanner'],
    ['  SIPVicious/0.3', 'sipvicious'],
    ['VaxSIPUserAgent/3.1', 'vaxsipuseragent'],
    ['sipcli/v1.8', 'sipcli'],
    ['sipsak 0.9.8', undefined],
    ['Linphone/5.0 (my sipcli phone)', undefined],
    ['', undefined],
  ])('"%s" is %s', (name, scanner) => {
    const text = `OPTIONS sip:100@192.0.2.1 SIP/2.0\r\nVia: x\r\nUser-Agent:${name}\r\n\r\n`
    expect(scannerOf(Buffer.from(text))).toBe(scanner)
  })

  it('get no answer, not even to OPTIONS, and leave no trace but one line', async () => {
    on = await scene()
    on.peer.send('OPTIONS', { 'User-Agent': 'friendly-scanner' })
    on.peer.send('INVITE', { 'User-Agent': 'sipcli/v1.8' }, sdp())
    await on.world.clock.advance(60_000)
    expect(on.peer.inbox).toEqual([])
    expect(dropped()).toEqual(['a scanner (friendly-scanner)', 'a scanner (sipcli)'])
    on.peer.send('OPTIONS', { 'User-Agent': 'somebody' })
    await on.run(on.peer.response(200))
  })
})

describe('the gate', () => {
  it('turns away without state: one answer, not repeated, the same To tag for the same request', async () => {
    on = await scene()
    on.agent.callerRules = () => ({ status: 403, reason: 'Forbidden' })
    const invite = on.peer.compose('INVITE', {}, sdp())
    on.peer.raw(invite)
    const first = await on.run(on.peer.response(403))
    await on.world.clock.advance(40_000)
    expect(on.peer.inbox).toEqual([])
    on.peer.raw(invite)
    expect((await on.run(on.peer.response(403))).toTag).toBe(first.toTag)
    expect(first.toTag).not.toBe('')
  })

  it('never answers a datagram with more octets than it had', async () => {
    on = await scene()
    on.agent.callerRules = () => ({ status: 403, reason: 'Forbidden'.repeat(20) })
    const invite = on.peer.compose('INVITE', { 'Max-Forwards': undefined, Contact: undefined })
    on.peer.raw(invite)
    expect((await on.run(on.peer.response(403))).reason).toBe('')
    on.agent.callerRules = () => ({
      status: 401,
      reason: 'Unauthorized',
      headers: [{ name: 'WWW-Authenticate', value: `Digest realm="${'x'.repeat(300)}"` }],
    })
    on.peer.raw(on.peer.compose('INVITE'))
    await on.world.clock.advance(40_000)
    expect(on.peer.inbox).toEqual([])
    expect(dropped().at(-1)).toMatch(/not answered, since the answer would be longer/)
  })

  it('ignores who was refused twenty times, for five minutes, and nobody else', async () => {
    on = await scene()
    let asked = 0
    on.agent.callerRules = () => {
      asked++
      return { status: 404, reason: 'Not Found', suspicious: true }
    }
    for (let i = 0; i < 30; i++) on.peer.send('INVITE', {}, sdp())
    await on.world.clock.advance(1_000)
    expect(asked).toBe(20)
    expect(on.peer.inbox).toHaveLength(20)
    await on.world.clock.advance(300_000)
    on.peer.send('INVITE', {}, sdp())
    await on.world.clock.advance(1_000)
    expect(asked).toBe(21)
  })

  it('lets in-dialog requests, ACK and CANCEL through', async () => {
    on = await scene()
    on.agent.onInvite = (session) => {
      session.handler = { onEnded() {} }
      session.accept(sdp('answer'))
    }
    on.peer.send('INVITE', {}, sdp())
    const answer = await on.run(on.peer.response(200))
    on.agent.callerRules = () => ({ status: 403, reason: 'Forbidden' })
    on.peer.inDialog(answer, 'ACK', answer.cseq.sequence)
    on.peer.inDialog(answer, 'BYE', answer.cseq.sequence + 1)
    expect((await on.run(on.peer.response(200))).cseq.method).toBe('BYE')
    expect(on.agent.calls.total).toBe(0)
    expect(on.internalErrors()).toEqual([])
  })

  it('counts calls in progress by their source', async () => {
    on = await scene()
    on.agent.onInvite = (session) => {
      session.handler = { onEnded() {} }
      session.progress(180)
    }
    const invites = [1, 2, 3].map(() => on.peer.compose('INVITE', {}, sdp()))
    for (const invite of invites) on.peer.raw(invite)
    await on.world.clock.advance(100)
    expect([
      on.agent.calls.total,
      on.agent.calls.from('192.0.2.2'),
      on.agent.calls.from('192.0.2.3'),
    ]).toEqual([3, 3, 0])
    on.peer.raw(invites[0]!.replace(/^INVITE/, 'CANCEL').replace(/CSeq: (\d+) INVITE/, 'CSeq: $1 CANCEL'))
    await on.world.clock.advance(100)
    expect([on.agent.calls.total, on.agent.calls.from('192.0.2.2')]).toEqual([2, 2])
  })
})

describe('the door', () => {
  it('trusts whom it is told to trust', () => {
    const clock = { now: () => 0 } as Clock
    const door = new Door(clock)
    const from = { address: '192.0.2.9', port: 5060 }
    const invite = Buffer.from('INVITE sip:a SIP/2.0\r\n')
    for (let i = 0; i < 20; i++) door.offenders.strike(0, from.address)
    expect(door.refuses(invite, from)).toBe('refused too often')
    expect(door.refuses(Buffer.from('ACK sip:a SIP/2.0\r\n'), from)).toBeUndefined()
    expect(door.refuses(Buffer.from('SIP/2.0 200 OK\r\n'), from)).toBeUndefined()
    door.trusted = (address) => address === from.address
    expect(door.refuses(invite, from)).toBeUndefined()
  })
})

describe('overload', () => {
  /** A process that is busy for `occupancy` of its time and is called `perSecond` times; the share of calls that is taken. */
  const run = (seconds: number, perSecond: number, occupancy: (share: number) => number) => {
    let now = 0
    let busy = 0
    const overload = new Overload({ now: () => now, busyMs: () => busy } as Clock)
    const taken: boolean[] = []
    for (let i = 0; i < seconds * perSecond; i++) {
      const recent = taken.slice(-perSecond / 10)
      now += 1_000 / perSecond
      busy += (1_000 / perSecond) * occupancy(recent.filter(Boolean).length / Math.max(1, recent.length))
      taken.push(overload.admits())
    }
    return taken.slice(-perSecond * 2).filter(Boolean).length / (perSecond * 2)
  }
  it('turns nobody away below saturation', () => {
    expect(run(5, 1_000, () => 0.9)).toBe(1)
  })
  it('takes about as much as can be done at twice the capacity', () => {
    const share = run(10, 2_000, (taken) => Math.min(1, 2 * taken))
    expect(share).toBeGreaterThan(0.35)
    expect(share).toBeLessThan(0.6)
  })
  it('always takes some, and all again when the load has gone', () => {
    expect(run(10, 1_000, () => 1)).toBeCloseTo(0.02)
    let loaded = true
    let now = 0
    let busy = 0
    const overload = new Overload({ now: () => now, busyMs: () => busy } as Clock)
    const admitted = (ms: number): boolean[] =>
      Array.from({ length: ms }, () => {
        now++
        if (loaded) busy++
        return overload.admits()
      })
    expect(admitted(5_000).filter(Boolean).length).toBeLessThan(2_500)
    expect(overload.retryAfter).toBeGreaterThanOrEqual(2)
    loaded = false
    expect(admitted(3_000).slice(-100).every(Boolean)).toBe(true)
  })
  it('forgives a pause', () => {
    let now = 0
    let busy = 0
    const overload = new Overload({ now: () => now, busyMs: () => busy } as Clock)
    const step = (ms: number, load: number): boolean => {
      now += ms
      busy += ms * load
      return overload.admits()
    }
    expect([step(100, 0), step(1_300, 1), step(100, 0.2), step(100, 0.2)]).toEqual([true, true, true, true])
  })
})
