// TCP and TLS connections that are cut in the middle of a message, on real sockets: what was half said is forgotten, the next
// connection is heard from its start, and a call outlives the connection that it began on.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect, test } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { Listener, sdp } from '../../unit/sip-ua/scripted-peer.ts'
import { inviteText, requestText } from '../../unit/sip-wire/messages.ts'

const pem = (name: string): string => readFileSync(`test/fixtures/tls/${name}`, 'utf8')

interface Connection {
  socket: Socket
  /** What `socket` sends through: the same where nothing is sealed. */
  wire: Socket
  /** The next text that comes and holds `wanted`. */
  heard(wanted: string): Promise<string>
}

async function connection(protocol: 'tcp' | 'tls', port: number): Promise<Connection> {
  const wire = connect(port, '127.0.0.1')
  await once(wire, 'connect')
  wire.on('error', () => undefined)
  const socket =
    protocol === 'tcp' ? wire : connectTls({ socket: wire, ca: pem('ca.pem'), host: '127.0.0.1' })
  if (socket !== wire) await once(socket, 'secureConnect')
  let text = ''
  socket.on('data', (data) => {
    text += data.toString()
  })
  socket.on('error', () => undefined)
  const heard = async (wanted: string): Promise<string> => {
    while (!text.includes(wanted)) await once(socket, 'data')
    const found = text.slice(text.indexOf(wanted))
    text = ''
    return found
  }
  return { socket, wire, heard }
}

const cuts = (['tcp', 'tls'] as const).flatMap((protocol) =>
  (['destroy', 'end', 'reset'] as const).map((how) => ({ protocol, how })),
)
test.each(cuts)('$protocol, cut by $how in mid-message', async ({ protocol, how }) => {
  const internal: string[] = []
  const agent = await UserAgent.start({
    runtime: nodeRuntime,
    listen: [{ protocol, address: '127.0.0.1', port: 0 }],
    tls: { cert: pem('server.pem'), key: pem('server.key') },
    record: (fact) => {
      if (fact.type === 'dropped' && fact.reason.startsWith('internal error')) internal.push(fact.reason)
    },
  })
  const open: Socket[] = []
  const dial = async () => {
    const made = await connection(protocol, agent.addresses[0]!.port)
    open.push(made.wire)
    return made
  }
  const cut = async ({ socket, wire }: Connection): Promise<void> => {
    const closed = once(wire, 'close')
    if (how === 'destroy') wire.destroy()
    else if (how === 'end') socket.end()
    else wire.resetAndDestroy()
    await closed
  }
  try {
    const callee = new Listener()
    let calls = 0
    agent.onInvite = (session) => {
      calls++
      session.handler = callee
      session.accept(sdp('answer'))
    }
    const via = (branch: string): string =>
      `SIP/2.0/${protocol.toUpperCase()} 127.0.0.1:5999;branch=z9hG4bK${how}${branch}`
    const invite = inviteText({ via: via('1') })
    // In the header, in the body, and before the last octet.
    for (const at of [20, invite.indexOf('\r\n\r\n') + 30, invite.length - 1]) {
      const half = await dial()
      half.socket.write(invite.slice(0, at))
      await new Promise(setImmediate)
      await cut(half)
    }
    expect(calls).toBe(0)

    const first = await dial()
    first.socket.write(invite)
    const answer = await first.heard('SIP/2.0 200')
    const toTag = /\r\nTo: .*;tag=(\S+)/.exec(answer)![1]!
    first.socket.write(requestText({ method: 'ACK', via: via('2'), toTag }))
    const bye = requestText({ method: 'BYE', via: via('3'), toTag, cseq: 2 })
    first.socket.write(bye.slice(0, -9))
    await cut(first)

    const second = await dial()
    second.socket.write(requestText({ method: 'OPTIONS', via: via('4'), callId: 'another' }))
    await second.heard('SIP/2.0 200')
    expect(callee.ended).toBeUndefined()
    second.socket.write(bye)
    await second.heard('SIP/2.0 200')
    expect(await callee.end).toMatchObject({ by: 'remote', status: 200 })
    expect(calls).toBe(1)
    expect(internal).toEqual([])
  } finally {
    for (const socket of open) socket.destroy()
    await agent.stop({ deadlineMs: 200 })
  }
})
