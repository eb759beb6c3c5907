// npm run sim -- --seeds N [--from S] [--jobs J]     runs N calls on random networks, from seed S on, in J processes
// npm run sim -- --seed S                            runs one again and prints its plan and its trace
// Every seed that fails prints its number and what was wrong. Where FLOE_TOTALS names a file the counts are written there.
import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Path } from '../../../src/sim/oracle.ts'
import { drawPlan } from './plan.ts'
import { type Got, simulateCall } from './simulated-call.ts'
import { PacketTrace } from './trace.ts'

/** What a seed came to, as a worker tells it. */
interface Result {
  seed: number
  problems: string[]
  expected?: Path
  got?: Got
  unlucky?: boolean
}

/** A process that says nothing for so long hangs in its seed. */
const silenceLimitMs = 60_000

async function runSeed(seed: number): Promise<Result> {
  try {
    const { expected, got, problems, unlucky } = await simulateCall(drawPlan(seed), seed)
    return { seed, problems, expected, got, unlucky }
  } catch (error) {
    return { seed, problems: [`thrown: ${error instanceof Error ? error.stack : error}`] }
  }
}

async function replay(seed: number): Promise<void> {
  const plan = drawPlan(seed)
  console.log(JSON.stringify(plan, null, 1))
  let trace: PacketTrace | undefined
  const { expected, got, problems, unlucky, facts } = await simulateCall(plan, seed, (world) => {
    trace = new PacketTrace(world)
  })
  for (const line of trace!.format(facts)) console.log(line)
  console.log(`the oracle says "${expected}", the call is "${got}"${unlucky ? ', for want of luck' : ''}`)
  for (const problem of problems) console.log(`! ${problem}`)
  process.exitCode = problems.length > 0 ? 1 : 0
}

/** Seeds of a worker: every `step`th from `from` on. */
async function work(from: number, until: number, step: number): Promise<void> {
  for (let seed = from; seed < until; seed += step) process.send!(await runSeed(seed))
  process.disconnect()
}

async function runAll(from: number, count: number, jobs: number): Promise<Result[]> {
  const results: Result[] = []
  const one = (start: number): Promise<void> =>
    new Promise((resolve) => {
      let next = start
      const child = fork(fileURLToPath(import.meta.url), ['--work', `${start},${from + count},${jobs}`])
      const failed = (why: string): void => {
        results.push(said({ seed: next, problems: [why] }))
        next += jobs
      }
      let watch = setTimeout(() => {}, 0)
      const rearm = (): void => {
        clearTimeout(watch)
        watch = setTimeout(() => child.kill('SIGKILL'), silenceLimitMs)
      }
      rearm()
      child.on('message', (result: Result) => {
        rearm()
        results.push(said(result))
        next = result.seed + jobs
      })
      child.on('exit', () => {
        clearTimeout(watch)
        if (next >= from + count) resolve()
        else {
          failed('the process ended or hung in this seed')
          resolve(next < from + count ? one(next) : undefined)
        }
      })
    })
  await Promise.all(Array.from({ length: Math.min(jobs, count) }, (_, index) => one(from + index)))
  return results
}

function said(result: Result): Result {
  if (result.problems.length > 0) {
    console.log(`seed ${result.seed} FAILED: npm run sim -- --seed ${result.seed}`)
    for (const problem of result.problems) console.log(`  ${problem}`)
  }
  return result
}

function summarise(results: readonly Result[], seconds: number): void {
  const count = (which: (result: Result) => boolean) => results.filter(which).length
  const kinds = (['direct', 'relay', 'none'] as const).map(
    (got) => `${count((r) => r.got === got)} ${got === 'none' ? 'without a path' : got}`,
  )
  const unlucky = count((r) => r.unlucky === true)
  const chance = count((r) => r.expected === 'timing-dependent')
  console.log(
    `${results.length} seeds in ${seconds.toFixed(0)} s (${(results.length / seconds).toFixed(1)} a second): ${kinds.join(', ')}; ${chance} depend on timing, ${unlucky} did not connect for the loss of packets`,
  )
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    work: { type: 'string' },
  },
})
if (values.work !== undefined) {
  const [from, until, step] = values.work.split(',').map(Number)
  await work(from!, until!, step!)
} else if (values.seed !== undefined) {
  await replay(Number(values.seed))
} else {
  const started = performance.now()
  const results = await runAll(Number(values.from), Number(values.seeds), Number(values.jobs))
  summarise(results, (performance.now() - started) / 1000)
  const failed = results.filter(({ problems }) => problems.length > 0)
  const passed = results.length - failed.length
  const file = process.env['FLOE_TOTALS']
  const totals = {
    passed,
    failed: failed.map(({ seed, problems }) => `seed ${seed}: ${problems[0]}`),
    skipped: [],
  }
  if (file) writeFileSync(file, JSON.stringify(totals))
  console.log(`${passed} passed, ${failed.length} failed`)
  process.exitCode = failed.length > 0 ? 1 : 0
}
