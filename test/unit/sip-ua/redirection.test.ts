import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseMessage, type SipResponse } from '../../../src/sip/message.ts'
import { Redirection } from '../../../src/sip/redirection.ts'
import { Listener, type Scene, ScriptedPeer, scene, sdp } from './scripted-peer.ts'

const response = (status: number, ...contacts: string[]): SipResponse => {
  const lines = [
    `SIP/2.0 ${status} Whatever`,
    'Via: SIP/2.0/UDP h;branch=z9hG4bKx',
    'From: <sip:a@b>;tag=1',
    'To: <sip:c@d>;tag=2',
    'Call-ID: x',
    'CSeq: 1 INVITE',
    ...contacts.map((contact) => `Contact: ${contact}`),
  ]
  const parsed = parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`))
  if (!('message' in parsed)) throw new Error(parsed.problem)
  return parsed.message as SipResponse
}

describe('the order in which contacts are tried', () => {
  const first = 'sip:bob@example.com'
  const follow = (limit: number, steps: SipResponse[]): (string | undefined)[] => {
    const redirection = new Redirection(first, limit)
    let present = first
    return steps.map((step) => {
      const next = redirection.next(step, present)
      present = next?.uri ?? present
      return next?.proxy ?? next?.uri
    })
  }
  const no = response(486)

  it('is by q, what has none first, and what is new before what is left', () => {
    expect(
      follow(9, [
        response(302, '<sip:low@h>;q=0.1, <sip:high@h>;q=0.9', '<sip:best@h>', '<sip:odd@h>;q=abc'),
        no,
        response(300, '<sip:deeper@h>;q=0.01'),
        no,
        no,
        no,
      ]),
    ).toEqual(['sip:best@h', 'sip:high@h', 'sip:deeper@h', 'sip:low@h', 'sip:odd@h', undefined])
  })

  it('leaves out what has been called, however it is written, and ends with the limit', () => {
    expect(
      follow(9, [
        response(302, '<sip:bob@EXAMPLE.com;x=y>, <sip:a@h>'),
        response(302, '<sip:a@h:5060;transport=udp>'),
        response(302, '<sip:a@h;transport=UDP>, <sip:bob@example.com>'),
      ]),
    ).toEqual(['sip:a@h', 'sip:a@h:5060;transport=udp', 'sip:a@h;transport=UDP'])
    const circle = [1, 2, 3, 4].map((i) => response(302, `<sip:${i}@h>`))
    expect(follow(3, circle)).toEqual(['sip:1@h', 'sip:2@h', 'sip:3@h', undefined])
    expect(follow(0, circle)).toEqual([undefined, undefined, undefined, undefined])
  })

  it('takes no headers, no other scheme, no other method, and no step down from sips:', () => {
    const contacts = [
      'tel:+15551',
      '<mailto:a@b>',
      '<sip:bye@h;method=BYE>',
      '<sip:ok@h;method=invite?Replaces=x%3Bto-tag%3Da&Route=%3Csip:evil%3E>',
    ]
    expect(follow(9, [response(302, ...contacts), no])).toEqual(['sip:ok@h', undefined])
    expect(new Redirection('sips:bob@h', 9).next(response(302, '<sip:a@h>'), 'sips:bob@h')).toBeUndefined()
    expect(new Redirection('sips:bob@h', 9).next(response(302, '<sips:a@h>'), 'sips:bob@h')?.uri).toBe(
      'sips:a@h',
    )
  })

  it('ends with 6xx, and never follows 380', () => {
    expect(follow(9, [response(302, '<sip:a@h>, <sip:b@h>'), response(603), no])).toEqual([
      'sip:a@h',
      undefined,
      'sip:b@h',
    ])
    expect(follow(9, [response(380, '<sip:a@h>')])).toEqual([undefined])
  })

  it('goes through the proxy that a 305 names, with the same target', () => {
    const redirection = new Redirection(first, 5)
    expect(redirection.next(response(305, '<sip:proxy@h>'), first)).toEqual({
      uri: first,
      proxy: 'sip:proxy@h',
      status: 305,
    })
    expect(redirection.next(response(305, '<sip:proxy@h>'), first)).toBeUndefined()
  })
})

describe('a call that is redirected (RFC 3261 8.1.3.4)', () => {
  let on: Scene
  let elsewhere: ScriptedPeer
  let moves: string[]
  let listener: Listener
  beforeEach(async () => {
    on = await scene()
    elsewhere = await ScriptedPeer.open(on.world, '192.0.2.3', { address: '192.0.2.1', port: 5060 })
    moves = []
    listener = new Listener()
    Object.assign(listener, {
      onRedirected: (status: number, target: string) => moves.push(`${status} ${target}`),
    })
  })
  afterEach(async () => {
    expect(on.internalErrors()).toEqual([])
    elsewhere.close()
    await on.close()
    expect(on.world.open).toEqual([])
    expect(on.world.clock.pendingTimers).toBe(0)
  })
  const account = { aor: 'sip:alice@192.0.2.2', password: 'secret' }

  it('calls the new target with the same Call-ID and tag, and talks to it', async () => {
    const session = on.agent.invite('sip:bob@192.0.2.2', listener, { offer: sdp(), redirects: 5, account })
    const first = await on.run(on.peer.request('INVITE'))
    on.peer.reply(first, 302, { headers: ['Contact: <sip:bob@192.0.2.3?Subject=evil>'] })
    await on.run(on.peer.request('ACK'))
    const second = await on.run(elsewhere.request('INVITE'))
    expect(second.uriText).toBe('sip:bob@192.0.2.3')
    expect(second.callId).toBe(first.callId)
    expect(second.fromTag).toBe(first.fromTag)
    expect(second.get('To')).toBe(first.get('To'))
    expect(second.cseq.sequence).toBe(first.cseq.sequence + 1)
    expect(second.get('Subject')).toBeUndefined()
    elsewhere.reply(second, 200, { body: sdp('answer') })
    await on.run(elsewhere.request('ACK'))
    expect(moves).toEqual(['302 sip:bob@192.0.2.3'])
    session.hangUp()
    elsewhere.reply(await on.run(elsewhere.request('BYE')), 200)
  })

  it('shows no credentials where they do not belong', async () => {
    on.agent.invite('sip:bob@192.0.2.2', listener, { offer: sdp(), redirects: 5, account })
    on.peer.reply(await on.run(on.peer.request('INVITE')), 302, { headers: ['Contact: <sip:bob@192.0.2.3>'] })
    await on.run(on.peer.request('ACK'))
    const second = await on.run(elsewhere.request('INVITE'))
    elsewhere.reply(second, 407, { headers: ['Proxy-Authenticate: Digest realm="r", nonce="n"'] })
    await on.run(elsewhere.request('ACK'))
    expect(await on.run(listener.end)).toMatchObject({ by: 'remote', status: 407 })
    expect(elsewhere.inbox).toEqual([])
  })

  it('repeats it through the proxy of a 305', async () => {
    on.agent.invite('sip:bob@192.0.2.2', listener, { offer: sdp(), redirects: 5 })
    on.peer.reply(await on.run(on.peer.request('INVITE')), 305, { headers: ['Contact: <sip:192.0.2.3>'] })
    await on.run(on.peer.request('ACK'))
    const second = await on.run(elsewhere.request('INVITE'))
    expect(second.uriText).toBe('sip:bob@192.0.2.2')
    elsewhere.reply(second, 486)
    await on.run(elsewhere.request('ACK'))
    expect(listener.rejected).toMatchObject({ status: 486 })
  })

  it('can be hung up between two targets, and while the second rings', async () => {
    const session = on.agent.invite('sip:bob@192.0.2.2', listener, { offer: sdp(), redirects: 5 })
    Object.assign(listener, { onRedirected: () => session.hangUp() })
    on.peer.reply(await on.run(on.peer.request('INVITE')), 302, { headers: ['Contact: <sip:bob@192.0.2.3>'] })
    await on.run(on.peer.request('ACK'))
    expect(await on.run(listener.end)).toMatchObject({ by: 'local', status: 487 })
    const other = new Listener()
    const again = on.agent.invite('sip:bob@192.0.2.2', other, { offer: sdp(), redirects: 5 })
    on.peer.reply(await on.run(on.peer.request('INVITE')), 302, { headers: ['Contact: <sip:bob@192.0.2.3>'] })
    await on.run(on.peer.request('ACK'))
    const invite = await on.run(elsewhere.request('INVITE'))
    elsewhere.reply(invite, 180)
    await on.world.clock.advance(10)
    again.hangUp()
    elsewhere.reply(await on.run(elsewhere.request('CANCEL')), 200)
    elsewhere.reply(invite, 487)
    await on.run(elsewhere.request('ACK'))
    expect(await on.run(other.end)).toMatchObject({ by: 'local', status: 487 })
  })

  it('is refused as before where none may be followed', async () => {
    on.agent.invite('sip:bob@192.0.2.2', listener, { offer: sdp() })
    on.peer.reply(await on.run(on.peer.request('INVITE')), 302, { headers: ['Contact: <sip:bob@192.0.2.3>'] })
    await on.run(on.peer.request('ACK'))
    expect(listener.rejected).toMatchObject({ status: 302, contacts: ['sip:bob@192.0.2.3'] })
  })
})
