// Signalling over UDP on the loopback, no media, beside SIPp, the npm package `sip` and baresip in the same run: calls a second
// without one failure, what happens at twice that, memory of open calls, ten thousand calls in a row, and where the time goes.
// --only=rates|overload|dialogs|soak|profile for one of them; --save writes results/sip.json, which the README's tables are made of.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { median, printProfile, printTable } from './figures.mjs'
import { BenchProgram, installed, wait, withFolder } from './processes.mjs'
import { callsSipp, sippCalls } from './sip-load.mjs'
import { called, calling } from './sip-subjects.mjs'

const file = fileURLToPath(new URL('results/sip.json', import.meta.url))
/** From one rate of a climb to the next. */
const climbFactor = 1.25
/** Of the rate that was asked for: below it the rate is not kept. */
const keptShare = 0.97
const dialogs = { rate: 500, count: 5_000, holdMs: 15_000 }
/** Calls before those that count: a process just started is measured as little as one of last week. */
const warmUp = { rate: 300, seconds: 4 }
const soak = { rate: 500, rounds: 5, callsARound: 2_000 }
/** Timers J and L (RFC 3261 17.2, RFC 6026): what is kept of a call that is over. */
const transactionsEndMs = 34_000

export async function benchSip({ stepSeconds = 10, rounds = 3, only, save }) {
  if (!installed('sipp'))
    return console.log('\nSignalling: skipped, SIPp is not installed (apt-get install sip-tester)')
  console.log(`\nSignalling: INVITE 180 200 ACK BYE 200 over UDP on the loopback, ${stepSeconds} s a rate`)
  const known = readResults()
  const results = { ...known }
  const parts = {
    rates: async () => {
      results.called = await eachOf(called, (subject) => sustained(subject, uasStep, stepSeconds, rounds))
      results.calling = await eachOf(calling, (subject) => sustained(subject, uacStep, stepSeconds, rounds))
      printRates('called', results.called)
      printRates('calling', results.calling)
    },
    overload: async () => {
      results.overload = await eachOf(called, (subject, name) =>
        overload(subject, results.called?.[name]?.rate ?? subject.guess, stepSeconds, rounds),
      )
      printOverload(results.overload)
    },
    dialogs: async () => {
      results.dialogs = await eachOf({ floe: called.floe, 'npm sip': called['npm sip'] }, openCalls)
      console.log('\n  memory of an open call, KiB:', results.dialogs)
    },
    soak: async () => {
      results.soak = await manyCalls()
      console.log(`\n  ${soak.rounds * soak.callsARound} calls in a row:`, results.soak)
    },
    profile: () => profiles(results, stepSeconds),
  }
  for (const [name, part] of Object.entries(parts)) if (!only || only === name) await part()
  if (save) writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
}

const readResults = () => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return {}
  }
}

/** What `measure` gives for each subject that is there, by its name. */
async function eachOf(subjects, measure) {
  const results = {}
  for (const [name, subject] of Object.entries(subjects)) {
    if (subject.there && !subject.there()) console.log(`  ${name}: skipped, it is not installed`)
    else results[name] = await withFolder((folder) => measure({ ...subject, folder }, name))
  }
  return results
}

const uasStep = (running, rate, seconds) => sippCalls(running, rate, seconds)
const uacStep = (running, rate, seconds) => running.step(rate, seconds)
const isKept = ({ rate, count, successful, achieved, retransmissions }) =>
  successful === count && achieved >= keptShare * rate && retransmissions === 0

/** The highest rate that is kept in every one of some rounds, without a failed call or a repeated message; medians of these. */
async function sustained(subject, step, seconds, rounds) {
  /** Each rate meets a fresh process: what a lost race has left behind must not spoil the next. */
  const attempt = async (rate) => {
    const running = await subject.start(subject.folder)
    try {
      await step(running, Math.min(warmUp.rate, rate), warmUp.seconds)
      return await step(running, rate, seconds)
    } finally {
      await running.stop()
    }
  }
  let rate = subject.guess
  let kept = isKept(await attempt(rate))
  const up = kept
  while (kept === up && rate > 10) {
    const next = up ? rate * climbFactor : rate / climbFactor
    kept = isKept(await attempt(Math.round(next)))
    if (kept || !up) rate = Math.round(next)
  }
  for (;;) {
    const steps = []
    while (steps.length < rounds && (steps.length === 0 || isKept(steps.at(-1))))
      steps.push(await attempt(rate))
    if (steps.every(isKept) || rate <= 10) return medians(steps)
    rate = Math.round(rate / climbFactor)
  }
}

const medians = (steps) =>
  Object.fromEntries(Object.keys(steps[0]).map((key) => [key, round(median(steps.map((step) => step[key])))]))
const round = (value) => (Number.isFinite(value) ? Math.round(value * 1000) / 1000 : null)

/** Calls that get through when twice as many come as are kept. */
async function overload(subject, capacity, seconds, rounds) {
  const steps = []
  for (let i = 0; i < rounds; i++) {
    const running = await subject.start(subject.folder)
    await sippCalls(running, warmUp.rate, warmUp.seconds)
    steps.push(await sippCalls(running, 2 * capacity, seconds))
    await running.stop()
  }
  const { rate, p50, p99 } = medians(steps)
  const goodput = Math.round(median(steps.map(({ successful }) => successful / seconds)))
  return { capacity, offered: rate, goodput, p50, p99 }
}

/** KiB on the heap for each call that is open, after a collection. */
async function openCalls(subject) {
  const { rate, count, holdMs } = dialogs
  const running = await subject.start(subject.folder)
  await sippCalls(running, rate, 1)
  const before = await running.ask('count')
  const load = sippCalls(running, rate, count / rate, holdMs)
  await wait((count / rate) * 1000 + 1_000)
  const { heapBytes } = await running.ask('count')
  await load
  await running.stop()
  return round((heapBytes - before.heapBytes) / 1024 / count)
}

/** What is left after each round of calls once their transactions have ended. */
async function manyCalls() {
  const running = await called.floe.start()
  const left = []
  let successful = 0
  for (let i = 0; i < soak.rounds; i++) {
    const step = await sippCalls(running, soak.rate, soak.callsARound / soak.rate)
    successful += step.successful
    await wait(transactionsEndMs)
    const { open, transactions, timers, heapBytes } = await running.ask('count')
    left.push({
      open,
      transactions: transactions.client + transactions.server,
      timers,
      heapKib: Math.round(heapBytes / 1024),
    })
  }
  await running.stop()
  return { calls: soak.rounds * soak.callsARound, successful, left }
}

async function profiles({ called: uas, calling: uac }, seconds) {
  await withFolder(async (folder) => {
    const child = await BenchProgram.start('sip-uas.mjs', [], folder)
    await sippCalls({ pid: child.pid, port: child.ready.port }, uas?.floe?.rate ?? called.floe.guess, seconds)
    await child.stop()
    printProfile('floe called, at the rate that it keeps', folder)
  })
  await withFolder(async (folder) => {
    const child = await BenchProgram.start('sip-uac.mjs', [], folder)
    await callsSipp(child, uac?.floe?.rate ?? calling.floe.guess, seconds)
    await child.stop()
    printProfile('floe calling, at the rate that it keeps', folder)
  })
}

const printRates = (role, results) =>
  printTable(
    [role, 'calls/s', 'CPU ms/call', 'p50 ms', 'p99 ms'],
    Object.entries(results).map(([name, { rate, cpuMsPerCall, p50, p99 }]) => [
      name,
      rate,
      cpuMsPerCall,
      p50,
      p99,
    ]),
  )

const printOverload = (results) =>
  printTable(
    ['at twice the rate', 'offered', 'goodput', 'p50 ms', 'p99 ms'],
    Object.entries(results).map(([name, { offered, goodput, p50, p99 }]) => [
      name,
      offered,
      goodput,
      p50,
      p99,
    ]),
  )
