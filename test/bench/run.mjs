// npm run bench [-- sip ice media jitter] [-- --quick --save --only=PART]: the speed of signalling, ICE and media, floe beside its peers in one run.
// Takes about a quarter of an hour on an otherwise idle machine; --quick shortens every measurement and proves little.
import { cpus, loadavg } from 'node:os'
import { benchIce } from './ice.mjs'
import { benchJitter } from './jitter.mjs'
import { benchMedia } from './media.mjs'
import { benchSip } from './sip.mjs'

const sections = { sip: benchSip, ice: benchIce, media: benchMedia, jitter: benchJitter }
const quick = {
  stepSeconds: 2,
  sessions: 2,
  rounds: 1,
  measureMs: 2_000,
  agents: 100,
  keepMs: 1_000,
  handshakes: 20,
}

const words = process.argv.slice(2)
const options = {
  ...(words.includes('--quick') && quick),
  save: words.includes('--save'),
  only: words.find((word) => word.startsWith('--only='))?.slice('--only='.length),
}
const chosen = words.filter((word) => !word.startsWith('--'))
const unknown = chosen.find((word) => !(word in sections))
if (unknown !== undefined) {
  console.error(`There is no benchmark "${unknown}": choose from ${Object.keys(sections).join(', ')}.`)
  process.exit(2)
}

const machine = () => `load average ${loadavg()[0].toFixed(2)}`
console.log(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim()}, ${machine()}`)
for (const section of chosen.length > 0 ? chosen : Object.keys(sections)) await sections[section](options)
console.log(`\nAt the end: ${machine()}`)
