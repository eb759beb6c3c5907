// stun-codec floe|werift: how many connectivity checks a second one core writes, with USERNAME, PRIORITY, ICE-CONTROLLING,
// MESSAGE-INTEGRITY and FINGERPRINT, and how many it reads with both of the latter checked.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { writeCheck } from '../../dist/ice/check-message.js'
import { integrityMatches, shortTermKey } from '../../dist/stun/integrity.js'
import { decode } from '../../dist/stun/message.js'
import { median } from './figures.mjs'
import { serveParent } from './processes.mjs'

const [implementation] = process.argv.slice(2)
const username = 'abcdefgh:ijklmnop'
const password = 'a-password-of-24-letters'
const priority = 1_862_270_975
const tieBreaker = 0x1234_5678_9abc_def0n
const transactionId = randomBytes(12)

const implementations = {
  floe() {
    const key = shortTermKey(password)
    return {
      write: () =>
        writeCheck({
          ...{ transactionId, username, key, priority, tieBreaker },
          ...{ role: 'controlling', useCandidate: false },
        }),
      read: (bytes) => {
        const message = decode(bytes)
        return typeof message !== 'string' && integrityMatches(message, key)
      },
    }
  },

  async werift() {
    const folder = join(process.env.FLOE_PEERS, 'werift/node_modules/werift/lib/ice/src/stun')
    const load = async (file) => (await import(pathToFileURL(join(folder, file)))).default
    const { Message, parseMessage } = await load('message.js')
    const { classes, methods } = await load('const.js')
    const key = Buffer.from(password)
    return {
      write() {
        const message = new Message({
          messageMethod: methods.BINDING,
          messageClass: classes.REQUEST,
          transactionId,
        })
        message
          .setAttribute('USERNAME', username)
          .setAttribute('PRIORITY', priority)
          .setAttribute('ICE-CONTROLLING', tieBreaker)
        return message.addMessageIntegrity(key).addFingerprint().bytes
      },
      read: (bytes) => parseMessage(bytes, key) !== undefined,
    }
  },
}

const { write, read } = await implementations[implementation]()

function perSecond(measureMs, work) {
  let done = 0
  const startedAt = performance.now()
  const deadline = startedAt + measureMs
  while (performance.now() < deadline) for (let i = 0; i < 100; i++, done++) work(done)
  return (1000 * done) / (performance.now() - startedAt)
}

serveParent(({ rounds, measureMs }) => {
  const messages = Array.from({ length: 100 }, write)
  const run = (work) => median(Array.from({ length: rounds + 1 }, () => perSecond(measureMs, work)).slice(1))
  const written = run(write)
  const readPerSecond = run((i) => {
    if (!read(messages[i % messages.length])) throw new Error('a genuine message was not recognised')
  })
  return { written, read: readPerSecond, lengthBytes: messages[0].length }
})
process.send('ready')
