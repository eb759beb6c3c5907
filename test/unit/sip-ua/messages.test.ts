import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Body, TextMessage } from '../../../src/sip/session.ts'
import { Listener, type Scene, scene, sdp } from './scripted-peer.ts'

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

const plain = (content: string): Body => ({ contentType: 'text/plain', content })
const alice = { aor: 'sip:alice@example.com', password: 'secret', server: 'sip:192.0.2.2' }
const send = (text = 'hello', account?: typeof alice) =>
  on.agent.message('sip:bob@192.0.2.2', plain(text), account)
/** What is wrong with it, as the sender is told. */
const refusal = (promise: Promise<unknown>) =>
  on.run(
    promise.then(
      () => 'sent',
      (error: Error) => `${error.name}: ${error.message}`,
    ),
  )

describe('a message that we send (RFC 3428)', () => {
  it('carries its text, without Contact, and tells whether it arrived or waits', async () => {
    const sent = send('Grüße\nzweite Zeile')
    const message = await on.run(on.peer.request('MESSAGE'))
    expect(message.uriText).toBe('sip:bob@192.0.2.2')
    expect(message.bodyText).toBe('Grüße\nzweite Zeile')
    expect(message.contentType?.type).toBe('text/plain')
    expect(message.get('Contact')).toBeUndefined()
    expect(message.toTag).toBe('')
    on.peer.reply(message, 200)
    expect(await on.run(sent)).toEqual({ status: 200 })
    const kept = send()
    on.peer.reply(await on.run(on.peer.request('MESSAGE')), 202)
    expect(await on.run(kept)).toEqual({ status: 202 })
  })

  it('answers a challenge once, with the body in the digest where the server wants that', async () => {
    const sent = send('hello', alice)
    const first = await on.run(on.peer.request('MESSAGE'))
    on.peer.reply(first, 407, {
      headers: ['Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth-int"'],
    })
    const second = await on.run(on.peer.request('MESSAGE'))
    expect(second.callId).toBe(first.callId)
    expect(second.cseq.sequence).toBe(first.cseq.sequence + 1)
    expect(second.get('Proxy-Authorization')).toContain('qop=auth-int')
    on.peer.reply(second, 407, { headers: ['Proxy-Authenticate: Digest realm="r", nonce="n2", qop="auth"'] })
    expect(await refusal(sent)).toMatch(
      /^RequestFailed: The message did not reach sip:bob@192\.0\.2\.2: 407 .*"alice"/,
    )
  })

  it.each([
    [404, 'Not Found', /404 Not Found; nobody has that address there, check it\.$/],
    [405, 'No', /405 No; it takes no messages\.$/],
    [480, 'Away', /480 Away; nobody is there at the moment, try again later\.$/],
    [513, 'Too Large', /513 Too Large; it is too long, shorten it\.$/],
    [415, 'What', /415 What; what is taken is message\/cpim\.$/],
    [302, 'Moved', /302 Moved\.$/],
  ])('says in one sentence why it was refused with %d', async (status, reason, sentence) => {
    const sent = send()
    const message = await on.run(on.peer.request('MESSAGE'))
    on.peer.reply(message, status, { reason, headers: ['Accept: message/cpim'] })
    expect(await refusal(sent)).toMatch(sentence)
  })

  it('says who does not answer, and leaves nothing open when the phone stops', async () => {
    expect(await refusal(send())).toBe('TimeoutError: sip:bob@192.0.2.2 did not answer MESSAGE within 32 s.')
    const sent = refusal(send())
    await on.run(on.agent.stop({ deadlineMs: 100 }))
    expect(await sent).toMatch(/^UsageError: .*stopped before its request was answered/)
    on.peer.inbox.length = 0
  })

  it('goes over TCP above 1300 octets, and never over UDP then', async () => {
    expect(await refusal(send('x'.repeat(1_300)))).toMatch(/^NetworkError: MESSAGE could not be sent to/)
    expect(on.peer.inbox).toEqual([])
    await expect(send('x'.repeat(60_001))).rejects.toThrow(/60001 octets, and at most 60000 can be sent/)
    await expect(on.agent.message('sip:b@192.0.2.2', { contentType: 'x', content: '' })).rejects.toThrow(
      /no content type/,
    )
  })
})

describe('a message that comes in', () => {
  let got: TextMessage[]
  beforeEach(() => {
    got = []
    on.agent.onMessage = (message) => got.push(message)
  })
  const receive = async (contentType: string, content: string, headers = {}) => {
    on.peer.send('MESSAGE', { Contact: undefined, ...headers }, { contentType, content })
    await on.world.clock.advance(5)
    return on.peer.inbox.pop()
  }

  it('is delivered and answered 200', async () => {
    const answer = await receive('Text/Plain;charset=UTF-8', 'Grüße', { 'Call-ID': 'm1' })
    expect(answer).toMatchObject({ status: 200 })
    expect(got).toEqual([
      {
        from: 'sip:bob@192.0.2.2',
        displayName: 'Bob',
        to: 'sip:alice@192.0.2.1',
        contentType: 'text/plain',
        text: 'Grüße',
        callId: 'm1',
      },
    ])
  })

  it('is found in multipart bodies', async () => {
    const parts = '--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n'
    expect(await receive('multipart/mixed;boundary=b', parts)).toMatchObject({ status: 200 })
    expect(got).toMatchObject([{ text: 'hello' }])
  })

  it.each([
    ['message/cpim', {}],
    ['application/im-iscomposing+xml', {}],
    ['text/plain;charset=klingon', {}],
    ['text/plain', { 'Content-Encoding': 'gzip' }],
  ])('is refused with 415 and what is taken where it is %s %j', async (contentType, headers) => {
    const answer = await receive(contentType, 'x', headers)
    expect(answer).toMatchObject({ status: 415 })
    expect(answer?.list('Accept')).toEqual(['text/plain', 'text/*'])
    expect(got).toEqual([])
  })

  it('is answered 480 where nobody reads messages, and 500 where the reader fails', async () => {
    on.agent.onMessage = undefined
    expect(await receive('text/plain', 'x')).toMatchObject({ status: 480 })
    on.agent.onMessage = () => {
      throw new Error('reader')
    }
    expect(await receive('text/plain', 'x')).toMatchObject({ status: 500 })
    expect(on.internalErrors()).toHaveLength(1)
    on.facts.length = 0
  })

  it('may come in any number: what is kept of each is bounded', async () => {
    const transactions = () =>
      (on.agent as unknown as { wire: { transactions: { server: number } } }).wire.transactions.server
    for (let i = 0; i < 300; i++) on.peer.send('MESSAGE', { 'Call-ID': `flood${i}` }, plain(`${i}`))
    await on.world.clock.advance(5)
    expect(got).toHaveLength(300)
    expect(transactions()).toBe(300)
    // Timer J: nothing is left of them.
    await on.world.clock.advance(33_000)
    expect(transactions()).toBe(0)
    on.peer.inbox.length = 0
  })

  it('is delivered once, however often it is repeated', async () => {
    const text = on.peer.compose('MESSAGE', {}, plain('once'))
    for (let i = 0; i < 5; i++) on.peer.raw(text)
    await on.world.clock.advance(5)
    expect(got).toHaveLength(1)
    expect(on.peer.inbox.splice(0).map((answer) => answer.kind === 'response' && answer.status)).toEqual(
      Array(5).fill(200),
    )
  })
})

describe('messages in a call', () => {
  it('go both ways and leave it as it is', async () => {
    const got: TextMessage[] = []
    on.agent.onMessage = (message) => got.push(message)
    const listener = new Listener()
    const session = on.agent.invite('sip:bob@192.0.2.2', listener, { offer: sdp() })
    const invite = await on.run(on.peer.request('INVITE'))
    on.peer.reply(invite, 200, { body: sdp('answer') })
    await on.run(on.peer.request('ACK'))
    const sent = session.message(plain('from us'))
    const message = await on.run(on.peer.request('MESSAGE'))
    expect(message.toTag).toBe('peer')
    on.peer.reply(message, 200)
    await on.run(sent)
    on.peer.inDialog(message, 'MESSAGE', 7, { body: plain('from them') })
    await on.run(on.peer.response(200))
    expect(got).toMatchObject([{ text: 'from them', callId: session.callId }])
    const refused = session.message(plain('again'))
    on.peer.reply(await on.run(on.peer.request('MESSAGE')), 415)
    expect(await refusal(refused)).toBe('CallFailed: The peer refused the MESSAGE: 415 Whatever.')
    on.agent.onMessage = undefined
    on.peer.inDialog(message, 'MESSAGE', 8, { body: plain('nobody') })
    await on.run(on.peer.response(480))
    expect(listener.ended).toBeUndefined()
    session.hangUp()
    on.peer.reply(await on.run(on.peer.request('BYE')), 200)
  })
})
