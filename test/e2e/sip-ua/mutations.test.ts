// Messages broken in the manner of PROTOS c07-sip (overflows, format strings, repeated headers, bad UTF-8, broken separators), made
// here, through a real socket at a user agent in a call: nothing ends it, nothing is even caught inside. FUZZ_RUNS=N for more.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import type { IncomingSession } from '../../../src/sip/session.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { Listener, sdp } from '../../unit/sip-ua/scripted-peer.ts'
import { inviteText, requestText, responseText } from '../../unit/sip-wire/messages.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 2_000)
const seed = Number(process.env['FUZZ_SEED'] ?? 1)
/** After so many the agent's answer to an OPTIONS is awaited: what it has not read it could not survive. */
const burst = 100

const overflow = (random: SeededRandom): string =>
  'AaZ0%(<"'[random.integer(8)]!.repeat(2 ** (4 + random.integer(11)) - random.integer(3))
const formats = ['%s%s%s%s%n', '%x%x%x%x', '%99999d', '%.1024f', '%08x.%08x.%n', '${jndi:x}', '\\x00\\x01']
const numbers = [
  '-1',
  '0',
  '255',
  '256',
  '65536',
  '2147483648',
  '4294967296',
  '18446744073709551616',
  '1e9',
  '0x10',
  ' ',
]
const badUtf8 = ['\xc0\xaf', '\xf8\x88\x80\x80\x80', '\xff\xfe', '\xed\xa0\x80', '\xe2\x82', '\0']
const separators = [':', ' :', '::', ' ', '\t', '', ';', '=', '\r', '\n', '\r\n ', '\r\n\r\n']
const anomalies: ((random: SeededRandom) => string)[] = [
  overflow,
  (random) => formats[random.integer(formats.length)]!,
  (random) => numbers[random.integer(numbers.length)]!,
  (random) => badUtf8[random.integer(badUtf8.length)]!.repeat(1 + random.integer(40)),
  (random) => separators[random.integer(separators.length)]!.repeat(1 + random.integer(40)),
]

/** One anomaly, or several, somewhere in a message: in the place of a word, behind it, as another line, or the line again. */
function broken(text: string, random: SeededRandom): Buffer {
  let message = text
  for (let times = 1 + random.integer(3); times > 0; times--) {
    const anomaly = anomalies[random.integer(anomalies.length)]!(random)
    const words = [...message.matchAll(/[A-Za-z0-9.]+/g)]
    const word = words[random.integer(words.length)]
    if (!word) break
    const { index } = word
    const end = index + word[0].length
    const lineEnd = message.indexOf('\r\n', index)
    const kind = random.integer(4)
    if (kind === 0) message = message.slice(0, index) + anomaly + message.slice(end)
    else if (kind === 1) message = message.slice(0, end) + anomaly + message.slice(end)
    else if (kind === 2 && lineEnd > 0)
      message = `${message.slice(0, lineEnd)}\r\n${word[0]}: ${anomaly}${message.slice(lineEnd)}`
    else if (lineEnd > 0) {
      const line = message.slice(message.lastIndexOf('\r\n', index) + 2, lineEnd)
      message = `${message.slice(0, lineEnd)}\r\n${line}${message.slice(lineEnd)}`.replace(
        line,
        `${line}\r\n${line}`,
      )
    }
  }
  // Characters are octets here, so that bad UTF-8 stays bad; what UDP cannot carry is cut.
  return Buffer.from(message, 'latin1').subarray(0, 60_000)
}

test(`a call goes on through ${runs} broken messages`, { timeout: 3_600_000 }, async () => {
  const dropped: string[] = []
  const listen = [{ protocol: 'udp' as const, address: '127.0.0.1', port: 0 }]
  const bob = await UserAgent.start({
    runtime: nodeRuntime,
    listen,
    record: (fact) => {
      if (fact.type === 'dropped') dropped.push(fact.reason)
    },
  })
  const alice = await UserAgent.start({ runtime: nodeRuntime, listen })
  const attacker = createSocket('udp4').bind(0, '127.0.0.1')
  await once(attacker, 'listening')
  try {
    const port = bob.addresses[0]!.port
    let incoming: IncomingSession | undefined
    const callee = new Listener()
    bob.onInvite = (session) => {
      // The others are the attacker's.
      if (incoming) {
        session.handler = { onEnded: () => undefined }
        session.reject(486)
        return
      }
      incoming = session
      session.handler = callee
      session.accept(sdp('answer'))
    }
    const caller = new Listener()
    const session = alice.invite(`sip:bob@127.0.0.1:${port}`, caller, { offer: sdp() })
    await caller.answered

    const random = new SeededRandom(seed)
    const models = [
      (branch: string) => inviteText({ branch, callId: branch, uri: `sip:bob@127.0.0.1:${port}` }),
      (branch: string) => requestText({ method: 'OPTIONS', branch, callId: branch }),
      (branch: string) => requestText({ method: 'BYE', branch, toTag: 'x', callId: session.callId }),
      (branch: string) => requestText({ method: 'CANCEL', branch, callId: session.callId }),
      (branch: string) =>
        requestText({
          method: 'INFO',
          branch,
          toTag: 'x',
          headers: ['Content-Type: application/dtmf-relay'],
          body: 'Signal=1\r\nDuration=100\r\n',
        }),
      (branch: string) => responseText(inviteText({ branch, callId: session.callId }), 200),
    ]
    for (let i = 0; i < runs; i++) {
      const model = models[random.integer(models.length)]!
      attacker.send(broken(model(`z9hG4bK${seed}.${i}`), random), port, '127.0.0.1')
      if (i % burst === burst - 1) expect((await alice.options(`sip:bob@127.0.0.1:${port}`)).status).toBe(200)
    }
    expect(caller.ended ?? callee.ended).toBeUndefined()
    await session.info({ contentType: 'text/plain', content: 'still here' })
    session.hangUp()
    expect(await callee.end).toMatchObject({ by: 'remote', status: 200 })
    expect(dropped.filter((reason) => reason.startsWith('internal error'))).toEqual([])
    // They were read, and most of them were found to be broken.
    expect(dropped.length).toBeGreaterThan(runs / 4)
  } finally {
    attacker.close()
    await Promise.all([alice.stop({ deadlineMs: 500 }), bob.stop({ deadlineMs: 500 })])
  }
})
