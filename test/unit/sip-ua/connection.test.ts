// A TCP connection that goes in the middle of a call (RFC 3261 18.2.2, 18.4): what is still to be said takes another one.
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { TcpConnection, TcpListener } from '../../../src/runtime/runtime.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { parseMessage, type SipMessage } from '../../../src/sip/message.ts'
import type { IncomingSession } from '../../../src/sip/session.ts'
import { Listener, type Scene, scene, sdp } from './scripted-peer.ts'

let on: Scene
let host: VirtualHost
let listener: TcpListener
let connections: TcpConnection[]
let heard: SipMessage[]
const hear = (connection: TcpConnection): TcpConnection => {
  connections.push(connection)
  connection.onData = (data) => {
    const result = parseMessage(data)
    if ('message' in result) heard.push(result.message)
  }
  return connection
}
beforeEach(async () => {
  on = await scene()
  connections = []
  heard = []
  host = on.world.host('caller', on.world.internet.at('192.0.2.3', { latencyMs: 1 }))
  listener = await host.listenTcp({ address: '192.0.2.3', port: 5060 })
  listener.onConnection = hear
})
afterEach(async () => {
  for (const connection of connections) connection.close()
  listener.close()
  expect(on.internalErrors()).toEqual([])
  await on.close()
  expect(on.world.open).toEqual([])
  expect(on.world.clock.pendingTimers).toBe(0)
})

const text = (method: string, branch: string, toTag = '', body = ''): Uint8Array =>
  Buffer.from(
    [
      `${method} sip:alice@192.0.2.1;transport=tcp SIP/2.0`,
      `Via: SIP/2.0/TCP 192.0.2.3;branch=z9hG4bK${branch}`,
      'From: <sip:bob@192.0.2.3>;tag=bob',
      `To: <sip:alice@192.0.2.1>${toTag && `;tag=${toTag}`}`,
      'Call-ID: tcp-call',
      `CSeq: 1 ${method}`,
      'Contact: <sip:bob@192.0.2.3;transport=tcp>',
      ...(body ? ['Content-Type: application/sdp'] : []),
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n'),
  )

it('repeats its 200 over a new connection, takes the ACK there, and hangs up over it', async () => {
  let session: IncomingSession | undefined
  const handler = new Listener()
  on.agent.onInvite = (incoming) => {
    session = incoming
    incoming.handler = handler
  }
  const first = hear(await on.run(host.connectTcp({ address: '192.0.2.1', port: 5060 })))
  first.write(text('INVITE', 'invite', '', sdp().content))
  await on.world.clock.advance(5)
  session!.accept(sdp('answer'))
  first.close()
  await on.world.clock.advance(600)
  expect(connections).toHaveLength(2)
  const ok = heard.at(-1)!
  expect(ok.kind === 'response' && ok.status).toBe(200)
  connections[1]!.write(text('ACK', 'ack', ok.toTag))
  await on.world.clock.advance(5)
  expect(handler.heard).toEqual(['confirmed'])
  session!.hangUp()
  await on.world.clock.advance(5)
  expect(connections).toHaveLength(2)
  expect(heard.at(-1)!.cseq.method).toBe('BYE')
})

it('acknowledges a repeated 200 that comes over another connection', async () => {
  const session = on.agent.invite('sip:bob@192.0.2.3;transport=tcp', new Listener(), { offer: sdp() })
  await on.world.clock.advance(10)
  const invite = heard[0]!
  const ok = Buffer.from(
    [
      'SIP/2.0 200 OK',
      `Via: ${invite.get('Via')}`,
      `From: ${invite.get('From')}`,
      `To: ${invite.get('To')};tag=bob`,
      `Call-ID: ${invite.callId}`,
      `CSeq: ${invite.get('CSeq')}`,
      'Contact: <sip:bob@192.0.2.3;transport=tcp>',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  )
  connections[0]!.write(ok)
  await on.world.clock.advance(5)
  connections[0]!.close()
  await on.world.clock.advance(5)
  const second = hear(await on.run(host.connectTcp({ address: '192.0.2.1', port: 5060 })))
  second.write(ok)
  await on.world.clock.advance(20)
  const acks = heard.filter(({ cseq }) => cseq.method === 'ACK')
  expect(acks).toHaveLength(2)
  expect(acks[1]).toEqual(acks[0])
  session.hangUp()
})
