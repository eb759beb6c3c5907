// For .ci/run: reads what a runner counted, prints "PASSED FAILED SKIPPED", and adds what people must be told to a file.
import { appendFileSync, readFileSync } from 'node:fs'

const [name, counted, told] = process.argv.slice(2)
const { passed, failed, skipped, again = [] } = JSON.parse(readFileSync(counted, 'utf8'))
const reasons = new Map()
for (const reason of skipped) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
const lines = [
  ...[...reasons].map(([reason, count]) => `skipped, ${name}: ${count}, ${reason}`),
  ...again.map((test) => `passed at the second try, ${name}: ${test}`),
  ...failed.map((test) => `failed, ${name}: ${test}`),
]
appendFileSync(told, lines.map((line) => `${line}\n`).join(''))
console.log(passed, failed.length, skipped.length)
