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
  /** A process that takes 1 ms for a call that it takes and 0.15 ms for one that it turns away, with a queue of two seconds in
   *  front; `perMs` calls come. Returns the calls it took in each second, and how long they waited. */
  const run = (seconds: number, perMs: number, restMs = 0) => {
    let now = 0
    let busy = 0
    let backlogMs = 0
    const overload = new Overload({ now: () => now, busyMs: () => busy } as Clock)
    const taken: number[] = []
    const waited: number[] = []
    let due = 0
    for (let second = 0; second < seconds; second++) {
      let count = 0
      for (let ms = 0; ms < 1_000; ms++) {
        now++
        for (due += perMs; due >= 1; due--) {
          if (backlogMs > 2_000) continue
          const admitted = overload.admits()
          if (admitted) overload.acknowledged(1 + backlogMs)
          backlogMs += admitted ? 1 : 0.15
          count += admitted ? 1 : 0
        }
        const worked = Math.min(1, backlogMs)
        backlogMs -= worked
        busy += Math.min(1, worked + restMs)
      }
      taken.push(count)
      waited.push(backlogMs)
    }
    return { taken, waited, overload }
  }
  it('turns nobody away whom it can serve, however busy the loop is', () => {
    expect(run(5, 0.95, 1).taken.reduce((sum, count) => sum + count)).toBeGreaterThan(4_740)
  })
  it.each([2, 3])('at %i times the capacity does most of what it can, and lets nobody wait long', (times) => {
    const { taken, waited } = run(30, times)
    const settled = taken.slice(10)
    // What turning the others away costs is lost.
    const possible = (1_000 - 0.15 * 1_000 * times) / 0.85
    expect(settled.reduce((sum, count) => sum + count) / 20).toBeGreaterThan(0.85 * possible)
    expect(waited.slice(10).reduce((sum, ms) => sum + ms) / 20).toBeLessThan(1_000)
  })
  it('takes all again when the load has gone, and says when to come back', () => {
    let now = 0
    let busy = 0
    let loaded = true
    const overload = new Overload({ now: () => now, busyMs: () => busy } as Clock)
    const admitted = (ms: number): number =>
      Array.from({ length: ms }, () => {
        now++
        if (loaded) busy++
        overload.acknowledged(loaded ? 2_000 : 1)
        return overload.admits()
      }).filter(Boolean).length
    expect(admitted(10_000)).toBeLessThan(2_000)
    expect(overload.retryAfter).toBeGreaterThanOrEqual(2)
    // A few are always taken: four in 200 ms.
    expect(admitted(10_000)).toBeGreaterThanOrEqual(199)
    loaded = false
    admitted(5_000)
    expect(admitted(1_000)).toBe(1_000)
  })
  it('takes slow peers for slow, not for a queue', () => {
    let now = 0
    const overload = new Overload({ now: () => now, busyMs: () => now / 2 } as Clock)
    for (let i = 0; i < 10_000; i++) {
      now++
      overload.acknowledged(3_000)
      expect(overload.admits()).toBe(true)
    }
  })
})
