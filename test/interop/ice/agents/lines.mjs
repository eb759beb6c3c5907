// What the agents in JavaScript share: their flags, and the lines that they read and write (see ../agent.ts).
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    controlling: { type: 'boolean', default: false },
    controlled: { type: 'boolean', default: false },
    lite: { type: 'boolean', default: false },
    'remote-lite': { type: 'boolean', default: false },
    trickle: { type: 'boolean', default: false },
    mdns: { type: 'boolean', default: false },
    components: { type: 'string', default: '1' },
    stun: { type: 'string' },
  },
})
export const options = {
  ...values,
  remoteLite: values['remote-lite'],
  components: Number(values.components),
}

const [, address, port] = /^(.*):(\d+)$/.exec(options.stun ?? '') ?? []
/** What --stun names. */
export const stunServer = address && { address, port: Number(port) }

export const tell = (...words) => void process.stdout.write(`${words.join(' ')}\n`)
export const hex = (data) => Buffer.from(data).toString('hex')

/** Calls the handler of each line that comes, one after the other; ends the process when none can come any more. */
export function serve(handlers, end = () => undefined) {
  let turn = Promise.resolve()
  const fail = (error) => {
    tell('failed', error.message)
    console.error(error)
  }
  const lines = createInterface({ input: process.stdin })
  lines.on('close', async () => {
    await end()
    process.exit(0)
  })
  lines.on('line', (line) => {
    const [verb, ...words] = line.split(' ')
    turn = turn.then(() => handlers[verb](...words)).catch(fail)
  })
  tell('ready')
}
