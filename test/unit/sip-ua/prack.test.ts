// Reliable provisional responses (RFC 3262) in both roles.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SipRequest, SipResponse } from '../../../src/sip/message.ts'
import type { Body, IncomingSession, ResponseInfo } from '../../../src/sip/session.ts'
import { Changeable } from './established.ts'
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

class Caller extends Changeable {
  earlyAnswer: Body | undefined
  override onProvisional(response: ResponseInfo, acknowledge?: (answer: Body) => void): void {
    super.onProvisional(response)
    acknowledge?.(sdp('early answer'))
  }
  onEarlyAnswer(answer: Body): void {
    this.earlyAnswer = answer
  }
}

const rel = (rseq: number, ...more: string[]) => ['Require: 100rel', `RSeq: ${rseq}`, ...more]

describe('as caller', () => {
  let listener: Caller
  const dial = async (offer: Body | undefined = sdp()): Promise<SipRequest> => {
    listener = new Caller(offer ? undefined : sdp('late answer'))
    on.agent.invite(on.peer.uri, listener, offer ? { offer } : {})
    return on.run(on.peer.request('INVITE'))
  }

  it('offers 100rel and acknowledges each response once, in order', async () => {
    const invite = await dial()
    expect(invite.list('Supported')).toContain('100rel')
    expect(invite.list('Allow')).toContain('PRACK')
    on.peer.reply(invite, 183, { headers: rel(7), body: sdp('answer') })
    const first = await on.run(on.peer.request('PRACK'))
    expect(first.get('RAck')).toBe(`7 ${invite.cseq.sequence} INVITE`)
    expect(first.cseq.sequence).toBe(invite.cseq.sequence + 1)
    expect(first.uriText).toBe(on.peer.uri)
    on.peer.reply(first, 200)
    // Repeated, out of order, and the next one.
    on.peer.reply(invite, 183, { headers: rel(7), body: sdp('answer') })
    on.peer.reply(invite, 180, { headers: rel(9) })
    on.peer.reply(invite, 180, { headers: rel(8) })
    const second = await on.run(on.peer.request('PRACK'))
    expect(second.get('RAck')).toBe(`8 ${invite.cseq.sequence} INVITE`)
    on.peer.reply(second, 200)
    on.peer.reply(invite, 200, { body: sdp('answer') })
    await on.run(listener.answered)
    await on.run(on.peer.request('ACK'))
    expect(on.peer.inbox).toEqual([])
    expect(listener.heard).toEqual(['183', '180', 'accepted'])
    expect(listener.provisional[0]?.reliable).toBe(true)
  })

  it('takes the forks apart, and what is not reliable as it was', async () => {
    const invite = await dial()
    on.peer.reply(invite, 180, { tag: 'a', headers: rel(5) })
    on.peer.reply(invite, 180, { tag: 'b', headers: rel(77) })
    on.peer.reply(invite, 180, { tag: 'c' })
    const racks = [await on.run(on.peer.request('PRACK')), await on.run(on.peer.request('PRACK'))]
    expect(racks.map((prack) => prack.get('RAck')?.split(' ')[0]).sort()).toEqual(['5', '77'])
    for (const prack of racks) on.peer.reply(prack, 200)
    await on.world.clock.advance(5)
    expect(listener.heard).toEqual(['180', '180', '180'])
    on.peer.reply(invite, 486)
    await on.run(listener.end)
  })

  it('answers an offer in a reliable response by PRACK (late offer), and the 2xx without a body', async () => {
    listener = new Caller()
    on.agent.invite(on.peer.uri, listener, {})
    const invite = await on.run(on.peer.request('INVITE'))
    expect(invite.bodyText).toBe('')
    on.peer.reply(invite, 183, { headers: rel(1), body: sdp('early offer') })
    const prack = await on.run(on.peer.request('PRACK'))
    expect(prack.bodyText).toBe(sdp('early answer').content)
    on.peer.reply(prack, 200)
    on.peer.reply(invite, 200)
    await on.run(listener.answered)
    expect((await on.run(on.peer.request('ACK'))).bodyText).toBe('')
  })

  it('changes an early session by the peer’s UPDATE, once the answer was reliable', async () => {
    const invite = await dial()
    on.peer.reply(invite, 183, { headers: rel(1), body: sdp('answer') })
    const prack = await on.run(on.peer.request('PRACK'))
    on.peer.reply(prack, 200)
    on.peer.inDialog(prack, 'UPDATE', 1, { body: sdp('other') })
    await on.world.clock.advance(5)
    listener.changes[0]!.accept(sdp('ours'))
    expect((await on.run(on.peer.response(200))).bodyText).toBe(sdp('ours').content)
    on.peer.reply(invite, 200)
    await on.run(listener.answered)
    await on.run(on.peer.request('ACK'))
    // Each request is heard once, however often the dialog was met.
    on.peer.inDialog(prack, 'UPDATE', 2, { body: sdp('again') })
    await on.world.clock.advance(5)
    expect(listener.changes).toHaveLength(2)
    listener.changes[1]!.accept(sdp('ours'))
    await on.run(on.peer.response(200))
  })

  it('refuses a PRACK of the peer', async () => {
    const invite = await dial()
    on.peer.reply(invite, 200, { body: sdp('answer') })
    await on.run(listener.answered)
    const ack = await on.run(on.peer.request('ACK'))
    on.peer.inDialog(ack, 'PRACK', 1, { headers: ['RAck: 1 1 INVITE'] })
    await on.run(on.peer.response(481))
  })
})

describe('as called', () => {
  let listener: Caller
  const ring = async (
    fields: Record<string, string>,
    offer: Body | undefined = sdp(),
  ): Promise<IncomingSession> => {
    listener = new Caller()
    let session: IncomingSession | undefined
    on.agent.onInvite = (incoming) => {
      session = incoming
      incoming.handler = listener
    }
    on.peer.send('INVITE', fields, offer)
    await on.world.clock.advance(5)
    return session!
  }
  const rack = (response: SipResponse, rseq = Number(response.get('RSeq'))) => [
    `RAck: ${rseq} ${response.cseq.sequence} INVITE`,
  ]

  it('rings reliably where that is required, again and again until PRACK, then no more', async () => {
    const session = await ring({ Require: '100rel' })
    session.progress(180)
    const ringing = await on.run(on.peer.response(180))
    expect(ringing.list('Require')).toEqual(['100rel'])
    expect(Number(ringing.get('RSeq'))).toBeGreaterThan(0)
    await on.world.clock.advance(4_000)
    expect(on.peer.inbox).toHaveLength(3) // after 0.5, 1.5 and 3.5 s
    on.peer.inbox.length = 0
    on.peer.inDialog(ringing, 'PRACK', 50, { headers: rack(ringing, 1) })
    await on.run(on.peer.response(481))
    on.peer.inDialog(ringing, 'PRACK', 51, { headers: rack(ringing) })
    await on.run(on.peer.response(200))
    on.peer.inDialog(ringing, 'PRACK', 52, { headers: rack(ringing) })
    await on.run(on.peer.response(481))
    await on.world.clock.advance(30_000)
    expect(on.peer.inbox).toEqual([])
    session.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
    await on.world.clock.advance(5)
    expect(listener.ended).toBeUndefined()
  })

  it('rings unreliably where that is merely supported, unless told to, or with a description', async () => {
    const session = await ring({ Supported: '100rel' })
    session.progress(180)
    expect((await on.run(on.peer.response(180))).get('RSeq')).toBeUndefined()
    session.progress(180, undefined, { reliable: true })
    const first = await on.run(on.peer.response(180))
    // The next one waits for the PRACK of the first.
    session.progress(183, sdp('early'))
    await on.world.clock.advance(100)
    expect(on.peer.inbox).toEqual([])
    on.peer.inDialog(first, 'PRACK', 50, { headers: rack(first) })
    await on.run(on.peer.response(200))
    const second = await on.run(on.peer.response(183))
    expect(Number(second.get('RSeq'))).toBe(Number(first.get('RSeq')) + 1)
    // RFC 3262 3: the 2xx waits, for the description is not known to have arrived.
    session.accept(sdp('early'))
    await on.world.clock.advance(100)
    expect(on.peer.inbox).toEqual([])
    on.peer.inDialog(second, 'PRACK', 51, { headers: rack(second) })
    expect((await on.run(on.peer.response(200))).cseq.method).toBe('PRACK')
    const ok = await on.run(on.peer.response(200))
    expect(ok.cseq.method).toBe('INVITE')
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
  })

  it('answers at once over a mere 180; its PRACK may come later', async () => {
    const session = await ring({ Require: '100rel' })
    session.progress(180)
    const ringing = await on.run(on.peer.response(180))
    session.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ringing, 'PRACK', 50, { headers: rack(ringing) })
    expect((await on.run(on.peer.response(200))).cseq.method).toBe('PRACK')
    on.peer.inDialog(ok, 'ACK', ok.cseq.sequence)
    await on.world.clock.advance(2_000)
    expect(on.peer.inbox).toEqual([])
  })

  it('ends with 504 where nobody acknowledges, and stops where the caller gives up', async () => {
    const session = await ring({ Require: '100rel' })
    session.progress(180)
    expect(await on.run(listener.end)).toMatchObject({ by: 'network', status: 408 })
    await on.run(on.peer.response(504))
    on.peer.inbox.length = 0
    const via = 'SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKgiveup;rport'
    const other = await ring({ Require: '100rel', Via: via, 'Call-ID': 'other', CSeq: '1 INVITE' })
    other.progress(180)
    await on.run(on.peer.response(180))
    on.peer.send('CANCEL', { Via: via, 'Call-ID': 'other', CSeq: '1 CANCEL' })
    await on.run(on.peer.response(487))
    await on.world.clock.advance(5)
    expect(listener.ended).toMatchObject({ status: 487 })
  })

  it('offers early where the INVITE had none; the answer comes with PRACK', async () => {
    listener = new Caller()
    let session: IncomingSession | undefined
    on.agent.onInvite = (incoming) => {
      session = incoming
      incoming.handler = listener
    }
    on.peer.send('INVITE', { Supported: '100rel' })
    await on.world.clock.advance(5)
    session!.progress(183, sdp('our offer'))
    const progress = await on.run(on.peer.response(183))
    on.peer.inDialog(progress, 'PRACK', 50, { headers: rack(progress), body: sdp('their answer') })
    await on.run(on.peer.response(200))
    expect(listener.earlyAnswer).toEqual(sdp('their answer'))
    // Another offer, by PRACK, is answered with its 2xx.
    session!.progress(180, undefined, { reliable: true })
    const ringing = await on.run(on.peer.response(180))
    on.peer.inDialog(ringing, 'PRACK', 51, { headers: rack(ringing), body: sdp('another offer') })
    await on.world.clock.advance(5)
    listener.changes[0]!.accept(sdp('another answer'))
    expect((await on.run(on.peer.response(200))).bodyText).toBe(sdp('another answer').content)
    session!.reject(486)
    await on.run(on.peer.response(486))
  })
})
