// Messages that cross on their way, and bodies of several parts (RFC 3261 9, 13 to 15; RFC 5407; RFC 5621).
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { IncomingSession } from '../../../src/sip/session.ts'
import { answered, Changeable, placed } from './established.ts'
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

const statuses = () =>
  on.peer.inbox.flatMap((message) => (message.kind === 'response' ? [message.status] : []))

async function ring(listener: Changeable, fields: Record<string, string>): Promise<IncomingSession> {
  let session: IncomingSession | undefined
  on.agent.onInvite = (incoming) => {
    session = incoming
    incoming.handler = listener
  }
  on.peer.send('INVITE', fields, sdp())
  await on.world.clock.advance(5)
  return session!
}

describe('races', () => {
  it('an answer after the CANCEL changes nothing: 487, and no 200 to the INVITE', async () => {
    const via = 'SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKlate;rport'
    const listener = new Changeable()
    const session = await ring(listener, { Via: via, 'Call-ID': 'late', CSeq: '7 INVITE' })
    on.peer.send('CANCEL', { Via: via, 'Call-ID': 'late', CSeq: '7 CANCEL' })
    await on.world.clock.advance(5)
    session.accept(sdp('too late'))
    session.progress(180)
    session.hangUp()
    await on.world.clock.advance(5)
    expect(statuses().sort()).toEqual([200, 487])
    expect(listener.ended).toMatchObject({ by: 'remote', status: 487 })
  })

  it('a BYE that overtakes the ACK ends the call, and the 200 is not repeated', async () => {
    const listener = new Changeable()
    const session = await ring(listener, { CSeq: '7 INVITE' })
    session.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'BYE', 8)
    expect((await on.run(on.peer.response(200))).cseq.method).toBe('BYE')
    expect(listener.ended).toMatchObject({ by: 'remote', status: 200 })
    await on.world.clock.advance(10_000)
    expect(on.peer.inbox).toEqual([])
    on.peer.inDialog(ok, 'ACK', 7)
    await on.world.clock.advance(5)
  })

  it('a BYE that crosses our re-INVITE ends both', async () => {
    const listener = new Changeable()
    const { session, ack } = await placed(on, listener)
    const change = session.reinvite(sdp('hold')).catch((error: Error) => error.message)
    on.peer.inDialog(ack, 'BYE', 1)
    const reinvite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(reinvite, 481)
    expect(await on.run(change)).toMatch(/ended before/)
    expect(listener.ended).toMatchObject({ by: 'remote' })
    await on.run(on.peer.response(200))
  })

  it('BYEs that cross are both answered', async () => {
    const listener = new Changeable()
    const { session, ack } = await placed(on, listener)
    session.hangUp()
    const bye = await on.run(on.peer.request('BYE'))
    on.peer.inDialog(ack, 'BYE', 1)
    await on.world.clock.advance(5)
    expect(statuses()).toEqual([481])
    on.peer.reply(bye, 481)
    await on.world.clock.advance(5)
    expect(listener.heard.filter((what) => what === 'ended')).toHaveLength(1)
  })

  it('a re-INVITE before the ACK to our 200 is served, as the ACK may be lost or late (RFC 5407 3.1.4)', async () => {
    const listener = new Changeable()
    const session = await ring(listener, { CSeq: '7 INVITE' })
    session.accept(sdp('answer'))
    const ok = await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'INVITE', 8, { body: sdp('hold') })
    await on.world.clock.advance(5)
    listener.changes[0]!.accept(sdp('held'))
    expect((await on.run(on.peer.response(200))).bodyText).toBe(sdp('held').content)
    on.peer.inDialog(ok, 'ACK', 7)
    on.peer.inDialog(ok, 'ACK', 8)
    await on.world.clock.advance(5)
    expect(listener.ended).toBeUndefined()
  })

  it('an old request is answered 500, a repeated one from memory', async () => {
    const { ok } = await answered(on)
    on.peer.inDialog(ok, 'UPDATE', 50)
    await on.run(on.peer.response(200))
    on.peer.inDialog(ok, 'UPDATE', 49)
    await on.run(on.peer.response(500))
    on.peer.inDialog(ok, 'PRACK', 48, { headers: ['RAck: 1 1 INVITE'] })
    await on.run(on.peer.response(500))
  })
})

describe('bodies of several parts', () => {
  const description = `Content-Type: application/sdp\r\n\r\n${sdp().content}`
  const part = (head: string) => `${head}\r\n\r\nxyz`
  const mixed = (...parts: string[]) => ({
    contentType: 'multipart/mixed;boundary=b',
    content: `${parts.map((text) => `--b\r\n${text}\r\n`).join('')}--b--\r\n`,
  })
  const nested = `Content-Type: multipart/alternative;boundary=c\r\n\r\n--c\r\n${part('Content-Type: text/plain')}\r\n--c\r\n${description}\r\n--c--`

  it.each<[string, { contentType: string; content: string }, number]>([
    ['SDP beside what nobody knows', mixed(description, part('Content-Type: application/isup')), 180],
    [
      'that may be ignored',
      mixed(
        description,
        part('Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional'),
      ),
      180,
    ],
    [
      'that must be understood',
      mixed(
        description,
        part('Content-Type: application/isup\r\nContent-Disposition: signal;handling=required'),
      ),
      415,
    ],
    ['alternatives within', mixed(nested, part('Content-Type: application/pidf+xml')), 180],
    ['no SDP at all', mixed(part('Content-Type: application/isup')), 415],
    [
      'nothing that must be understood',
      mixed(part('Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional')),
      180,
    ],
    ['no boundary', { contentType: 'multipart/mixed', content: description }, 415],
  ])('%s', async (_name, body, status) => {
    on.agent.onInvite = (session) => {
      session.handler = new Changeable()
      session.progress(180)
    }
    on.peer.send('INVITE', {}, body)
    const response = await on.run(on.peer.response(status))
    if (status === 415) expect(response.get('Accept')).toContain('application/sdp')
  })
})
