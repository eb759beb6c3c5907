// Writes the README's generated tables anew, from the built program and from committed results: what stands between
// `<!-- causes -->` and `<!-- /causes -->`. `npm run docs` does it; with --check nothing is written, and a README that differs ends with 1.
import { readFileSync, writeFileSync } from 'node:fs'
import { commands } from '../../dist/cli/phone/commands.js'
import { causes } from '../../dist/diagnose/causes.js'
import { fileFormats } from '../../dist/files/formats.js'
import { iceSpeedTables } from '../bench/ice-tables.mjs'
import { jitterTables } from '../bench/jitter-tables.mjs'
import { mediaTables } from '../bench/media-tables.mjs'
import { sipSpeedTables } from '../bench/sip-tables.mjs'
import { row } from '../bench/tables.mjs'
import { iceTable } from '../interop/ice/table.mjs'
import { mediaTable } from '../interop/media/table.mjs'
import { signallingTable } from '../interop/table.mjs'
import { eventTable, networkTable, serverTable, timeTable, unpack } from '../natlab/table.mjs'

const file = new URL('../../README.md', import.meta.url)

const results = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))

/** What may be left out has a question mark. */
const parameterText = ([name, schema]) => `\`${name}${schema.isOptional() ? '?' : ''}\``

const natlab = results('../natlab/results.json')
const calls = unpack(natlab)
const media = results('../interop/media/results.json')

const tables = {
  causes: [
    row(['code', 'layer', 'exit code', 'meaning']),
    '|---|---|---|---|',
    ...Object.entries(causes).map(([code, { layer, exitCode, meaning }]) =>
      row([`\`${code}\``, layer, exitCode, meaning.replaceAll('|', '\\|')]),
    ),
  ],
  formats: [
    row(['file', 'played', 'recorded']),
    '|---|---|---|',
    ...Object.values(fileFormats).map(({ name, reads, writes }) => row([name, reads, writes])),
  ],
  'phone-commands': [
    row(['command', 'takes', 'what it does']),
    '|---|---|---|',
    ...commands.map(({ name, summary, parameters }) =>
      row([`\`${name}\``, Object.entries(parameters.shape).map(parameterText).join(', '), summary]),
    ),
  ],
  ice: iceTable(results('../interop/ice/results.json')),
  signalling: signallingTable(results('../interop/signalling/results.json')),
  'media-codecs': mediaTable(media, 'codec'),
  'media-security': mediaTable(media, 'security'),
  'natlab-servers': serverTable(calls),
  'natlab-times': timeTable(calls),
  'natlab-networks': networkTable(calls),
  'natlab-events': eventTable(natlab.events),
  ...iceSpeedTables(results('../bench/results/ice.json')),
  ...jitterTables(results('../bench/results/jitter.json')),
  ...mediaTables(results('../bench/results/media.json')),
  ...sipSpeedTables(results('../bench/results/sip.json')),
}

const readme = readFileSync(file, 'utf8')
let written = readme
for (const [name, lines] of Object.entries(tables)) {
  const [from, to] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`]
  const start = written.indexOf(from)
  const end = written.indexOf(to, start)
  if (start < 0 || end < 0) throw new Error(`README.md has no ${from.trim()} ... ${to}`)
  written = `${written.slice(0, start + from.length)}\n${lines.join('\n')}\n\n${written.slice(end)}`
}

if (!process.argv.includes('--check')) writeFileSync(file, written)
else if (written !== readme) {
  process.stderr.write('README.md does not hold the tables of the program: run npm run docs\n')
  process.exitCode = 1
}
