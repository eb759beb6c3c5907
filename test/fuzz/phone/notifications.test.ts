// Bodies of notifications come from strangers: whatever they hold, the parsers give something or nothing, and never throw.
// FUZZ_RUNS=N for more, FUZZ_SEED=N to repeat.
import { expect, test } from 'vitest'
import { DialogTable, parseDialogInfo } from '../../../src/phone/dialog-info.ts'
import { parseMessageSummary } from '../../../src/phone/message-summary.ts'
import { parsePresence } from '../../../src/phone/presence.ts'
import { SeededRandom } from '../../../src/sim/random.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 4_000)
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_128)

const seeds = [
  'Messages-Waiting: yes\r\nMessage-Account: sip:a@b\r\nVoice-Message: 4/8 (1/2)\r\n',
  '<dialog-info version="1" state="full" entity="sip:a@b"><dialog id="x" call-id="y" direction="initiator"><state>early</state><remote><identity display="n">sip:c@d</identity></remote></dialog></dialog-info>',
  '<?xml version="1.0"?><p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="pres:a@b"><p:tuple id="t"><p:status><p:basic>open</p:basic></p:status><p:note>n</p:note></p:tuple></p:presence>',
]
const pieces = [
  '<',
  '>',
  '</',
  '/>',
  '&',
  '&lt;',
  '&#x110000;',
  '&#0;',
  '<![CDATA[',
  ']]>',
  '<!--',
  '-->',
  '<?',
  '?>',
  '<!DOCTYPE',
  '<!ENTITY',
  '"',
  "'",
  '=',
  '\u0000',
  '\ud800',
  '\uffff',
  ':',
  'xmlns',
  '9'.repeat(40),
  '\r\n',
  '/',
  '(',
  '<dialog id="x">',
  '<tuple>',
  '__proto__',
]

test('mutated bodies are read or passed over', () => {
  const random = new SeededRandom(seed)
  const pick = <T>(from: readonly T[]): T => from[random.integer(from.length)]!
  const table = new DialogTable()
  const read = { summaries: 0, dialogs: 0, presences: 0 }
  for (let run = 0; run < runs; run++) {
    let text = pick(seeds)
    for (let i = random.integer(6); i > 0; i--) {
      const at = random.integer(text.length + 1)
      const cut = random.integer(3) === 0 ? random.integer(20) : 0
      const put = random.integer(4) === 0 ? text.slice(random.integer(text.length)) : pick(pieces)
      text = text.slice(0, at) + put + text.slice(at + cut)
    }
    if (parseMessageSummary(text)) read.summaries++
    const dialogs = parseDialogInfo(text)
    if (dialogs) {
      read.dialogs++
      expect(table.update(dialogs).length).toBeLessThanOrEqual(1_000)
    }
    if (parsePresence(text)) read.presences++
  }
  // The mutations are mild enough to reach the inside of each parser.
  for (const count of Object.values(read)) expect(count).toBeGreaterThan(runs / 50)
  expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('x')
})
