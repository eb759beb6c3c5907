// RFC 4475 and RFC 5118 at a running user agent: every message through a real UDP socket, and what the user agent answers or
// does. What each message is, and what the parser alone makes of it, stands in torture.test.ts. Each has an agent of its own.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { parseMessage } from '../../../src/sip/message.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'

/** rings: the call is offered to the application, which is busy here. */
type Effect = number | 'rings' | 'nothing'

const rfc4475: Record<string, Effect> = {
  'valid/wsinv': 481, // a To tag that no dialog has
  'valid/intmeth': 501,
  'valid/esc01': 'rings',
  'valid/escnull': 405, // REGISTER is for registrars
  'valid/esc02': 501, // "RE%47IST%45R" is another method than REGISTER
  'valid/lwsdisp': 200,
  'valid/longreq': 'rings',
  'valid/dblreq': 405,
  'valid/semiuri': 200,
  'valid/transports': 200,
  'valid/mpart01': 480, // a text message, and nobody who reads it
  'valid/unreason': 'nothing', // responses to requests that we never sent
  'valid/noreason': 'nothing',
  'invalid/badinv01': 400,
  'invalid/clerr': 400,
  'invalid/ncl': 400,
  'invalid/scalar02': 400,
  'invalid/scalarlg': 'nothing',
  'invalid/quotbal': 400,
  'invalid/ltgtruri': 400,
  'invalid/lwsruri': 400,
  'invalid/lwsstart': 400,
  'invalid/trws': 200,
  'invalid/escruri': 400,
  'invalid/baddate': 'rings',
  'invalid/regbadct': 400,
  'invalid/badaspec': 200,
  'invalid/baddn': 400,
  'invalid/badvers': 505,
  'invalid/mismatch01': 400,
  'invalid/mismatch02': 400,
  'invalid/bigcode': 'nothing',
  'invalid/badbranch': 200,
  'invalid/insuf': 'nothing', // no Call-ID, From and To that an answer could repeat
  'invalid/unkscm': 416,
  'invalid/novelsc': 416,
  'invalid/unksm2': 405,
  'invalid/bext01': 420,
  'invalid/invut': 415,
  'invalid/regaut01': 405,
  'invalid/multi01': 400,
  'invalid/mcl01': 400,
  'invalid/bcast': 'nothing',
  'invalid/zeromf': 200, // Max-Forwards is for proxies; we are where it goes
  'invalid/cparam01': 405,
  'invalid/cparam02': 405,
  'invalid/regescrt': 405,
  'invalid/sdp01': 406,
  'invalid/inv2543': 400, // no Contact: nobody could be hung up on
  'invalid/test': 'nothing',
}

const rfc5118: Record<string, Effect> = {
  'ipv6-good': 405,
  'ipv6-bad': 400,
  'port-ambiguous': 405,
  'port-unambiguous': 405,
  'via-received-param-with-delim': 481,
  'via-received-param-no-delim': 200,
  'ipv6-in-sdp': 400,
  'mult-ip-in-header': 481,
  'mult-ip-in-sdp': 'rings',
  'ipv4-mapped-ipv6': 'rings',
  'ipv6-bug-abnf-3-colons': 200,
  'ipv6-correct-abnf-2-colons': 200,
}

const folder = '../shared/vectors'
const here =
  existsSync(`${folder}/rfc4475`) && existsSync(`${folder}/rfc5118`) && process.platform === 'linux'
if (!here)
  console.log(`skipped: the published SIP torture messages are not in ${folder}, or this is not Linux`)

const load = (path: string): Buffer => {
  const bytes = readFileSync(`${folder}/${path}`)
  // RFC 5118's messages are stored with bare line feeds; their Content-Length counts CRLF.
  return path.startsWith('rfc5118')
    ? Buffer.from(bytes.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1')
    : bytes
}

/** An address of its own on the loopback: answers without rport go to the port of the Via. */
const source = '127.44.75.1'
const pinger = '127.44.75.2'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function socketAt(address: string, port: number): Promise<{ socket: Socket; heard: string[] }> {
  const socket = createSocket('udp4').bind(port, address)
  await once(socket, 'listening')
  open.push(socket)
  const heard: string[] = []
  socket.on('message', (data) => heard.push(data.toString('latin1').split('\r\n')[0]!))
  return { socket, heard }
}

async function effectOf(path: string): Promise<Effect> {
  const message = load(path)
  const internal: string[] = []
  const agent = await UserAgent.start({
    runtime: nodeRuntime,
    listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
    record: (fact) => {
      if (fact.type === 'dropped' && fact.reason.includes('internal error')) internal.push(fact.reason)
    },
  })
  open.push({ close: () => agent.stop({ deadlineMs: 0 }) })
  let rang = false
  agent.onInvite = (session) => {
    rang = true
    session.handler = { onEnded: () => undefined }
    session.reject(486)
  }
  const { port } = agent.addresses[0]!
  const result = parseMessage(message)
  const via = 'message' in result ? result.message.topVia : undefined
  const answers = await socketAt(source, via ? (via.port ?? (via.transport === 'TLS' ? 5061 : 5060)) : 0)
  const ping = await socketAt(pinger, 0)
  answers.socket.send(message, port, '127.0.0.1')
  await new Promise(setImmediate)
  // What follows is answered after it, and shows that the agent lives.
  ping.socket.send(
    `OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP ${pinger};branch=z9hG4bKping;rport\r\nFrom: <sip:b@x>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\n\r\n`,
    port,
    '127.0.0.1',
  )
  await once(ping.socket, 'message')
  for (let i = 0; i < 5; i++) await new Promise(setImmediate)
  expect(ping.heard[0]).toBe('SIP/2.0 200 OK')
  expect(internal).toEqual([])
  const status = answers.heard.map((line) => Number(line.split(' ')[1]))
  expect(new Set(status).size, answers.heard.join()).toBeLessThan(2)
  if (rang) return status[0] === 486 ? 'rings' : 'nothing'
  return status[0] ?? 'nothing'
}

describe.skipIf(!here)('at a user agent', () => {
  test('every message of RFC 4475 and RFC 5118 has its row', () => {
    const files = ['valid', 'invalid'].flatMap((part) =>
      readdirSync(`${folder}/rfc4475/${part}`).map((file) => `${part}/${file.replace('.dat', '')}`),
    )
    expect(files.sort()).toEqual(Object.keys(rfc4475).sort())
    expect(readdirSync(`${folder}/rfc5118`).sort()).toEqual(Object.keys(rfc5118).sort())
  })
  test.each(Object.entries(rfc4475))('RFC 4475 %s: %s', async (name, effect) => {
    expect(await effectOf(`rfc4475/${name}.dat`)).toBe(effect)
  })
  test.each(Object.entries(rfc5118))('RFC 5118 %s: %s', async (name, effect) => {
    expect(await effectOf(`rfc5118/${name}`)).toBe(effect)
  })
})
