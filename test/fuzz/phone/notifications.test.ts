// Bodies of notifications come from strangers: whatever they hold, the parsers give something or nothing, and never throw.
// FUZZ_RUNS=N for more, FUZZ_SEED=N to repeat.
import { expect, test } from 'vitest'
import { DialogTable, parseDialogInfo } from '../../../src/phone/dialog-info.ts'
import { parseMessageSummary } from '../../../src/phone/message-summary.ts'
import { parsePresence } from '../../../src/phone/presence.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { mutated, seeds } from './bodies.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 4_000)
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_128)

test('mutated bodies are read or passed over', () => {
  const random = new SeededRandom(seed)
  const table = new DialogTable()
  const read = { summaries: 0, dialogs: 0, presences: 0 }
  for (let run = 0; run < runs; run++) {
    const text = mutated(seeds[random.integer(seeds.length)]!, random)
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
