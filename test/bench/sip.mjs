// Signalling: calls a second that floe answers and places without one failure, over UDP on the loopback, no media, beside
// SIPp doing both with itself. The rate climbs step by step until a call fails or the rate is not kept, twice in a row.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { printProfile, printTable } from './figures.mjs'
import {
  BenchProgram,
  cpuMs,
  freeUdpPort,
  installed,
  run,
  serveWith,
  wait,
  withFolder,
} from './processes.mjs'

const rates = [
  100, 200, 400, 800, 1200, 1600, 2000, 2500, 3000, 3500, 4000, 5000, 6000, 8000, 10_000, 12_000, 14_000,
  16_000, 20_000,
]
/** Where SIPp against itself begins to be asked. */
const peerFromRate = 2000
/** Of the rate that was asked for: below it the rate is not kept. */
const keptShare = 0.98
/** As floe's own: SIPp's default of 64 KiB loses packets whenever the scheduler looks elsewhere. */
const bufferBytes = 4 << 20
const sippStartMs = 300
/** After a BYE SIPp's uas waits 4 s for another before it counts the call, and writes its counts once a second. */
const sippTimewaitMs = 6_000

export async function benchSip({ stepSeconds = 10 }) {
  if (!installed('sipp'))
    return console.log('\nSignalling: skipped, SIPp is not installed (apt-get install sip-tester)')
  console.log(`\nSignalling: INVITE 180 200 ACK BYE 200 over UDP on the loopback, ${stepSeconds} s a rate`)

  const uas = await BenchProgram.start('sip-uas.mjs', [])
  const asUas = await climb(rates, (rate) => floeAnswers(uas, rate, stepSeconds))
  const sipp = await climb(
    rates.filter((rate) => rate >= peerFromRate),
    (rate) => sippAlone(rate, stepSeconds),
  )
  await uas.stop()
  const uac = await BenchProgram.start('sip-uac.mjs', [])
  const asUac = await climb(rates, (rate) => floeCalls(uac, rate, stepSeconds))
  await uac.stop()

  const cell = (step, figure) => (step ? figure(step) : '-')
  const row = (name, step, peer, cpu) => [
    name,
    cell(step, ({ rate }) => rate),
    cell(step, (it) => cpu(it).toFixed(3)),
    cell(step, ({ retransmissions }) => retransmissions),
    step && peer ? `${(step.rate / peer.rate).toFixed(2)} x` : '-',
    step && peer ? `${(cpu(step) / cpu(peer)).toFixed(1)} x` : '-',
  ]
  const uasCpu = (step) => step.uasCpuMs / step.count
  const uacCpu = (step) => step.uacCpuMs / step.count
  printTable(
    ['', 'calls/s', 'CPU ms/call', 'retransmissions', 'calls/s : SIPp', 'CPU : SIPp'],
    [
      row('floe called by sipp -sn uac', asUas.best, sipp.best, uasCpu),
      row('SIPp called by sipp -sn uac', sipp.best, sipp.best, uasCpu),
      row('floe calling sipp -sn uas', asUac.best, sipp.best, uacCpu),
      row('SIPp calling sipp -sn uas', sipp.best, sipp.best, uacCpu),
    ],
  )
  if (asUac.best)
    console.log(
      `  floe calling: set up (INVITE to 200) in ${asUac.best.p50.toFixed(1)} ms p50, ${asUac.best.p99.toFixed(1)} ms p99`,
    )
  for (const [name, { failed }] of Object.entries({
    'floe called': asUas,
    'floe calling': asUac,
    SIPp: sipp,
  }))
    if (failed)
      console.log(
        `  ${name}: not sustained ${failed.rate}/s: ${failed.count - failed.successful} of ${failed.count} calls failed, ${failed.achieved.toFixed(0)}/s were reached`,
      )

  await withFolder(async (folder) => {
    const profiled = await BenchProgram.start('sip-uas.mjs', [], folder)
    await floeAnswers(profiled, asUas.best?.rate ?? rates[0], stepSeconds)
    await profiled.stop()
    printProfile('floe as UAS at that rate', folder)
  })
  await withFolder(async (folder) => {
    const profiled = await BenchProgram.start('sip-uac.mjs', [], folder)
    await floeCalls(profiled, asUac.best?.rate ?? rates[0], stepSeconds)
    await profiled.stop()
    printProfile('floe as UAC at that rate', folder)
  })
}

/** The last rate that was sustained, and the first that was not. */
async function climb(rates, step) {
  let best
  for (const rate of rates) {
    let result = await step(rate)
    if (!sustained(result)) result = await step(rate)
    if (!sustained(result)) return { best, failed: result }
    best = result
  }
  return { best }
}

const sustained = ({ rate, count, successful, achieved }) =>
  successful === count && achieved >= keptShare * rate

async function floeAnswers(uas, rate, seconds) {
  const before = cpuMs(uas.pid)
  const step = await sippCalls(uas.ready.port, rate, seconds)
  const uasCpuMs = cpuMs(uas.pid) - before
  const { hungUp } = await uas.ask('count')
  return { ...step, successful: Math.min(step.successful, hungUp), uasCpuMs }
}

async function sippAlone(rate, seconds) {
  const port = await freeUdpPort()
  const uas = serveWith('sipp', ['-sn', 'uas', ...at(port)])
  await wait(sippStartMs)
  const step = await sippCalls(port, rate, seconds)
  const uasCpuMs = cpuMs(uas.pid)
  await uas.stop()
  return { ...step, uasCpuMs }
}

const at = (port) => ['-i', '127.0.0.1', '-p', String(port), '-nostdin', '-buff_size', String(bufferBytes)]

const sippCalls = (port, rate, seconds) =>
  withFolder(async (folder) => {
    const count = rate * seconds
    const statistics = join(folder, 'statistics')
    const { cpuMs: uacCpuMs } = await run('sipp', [
      ...['-sn', 'uac', `127.0.0.1:${port}`, ...at(await freeUdpPort())],
      ...['-r', String(rate), '-m', String(count), '-l', String(rate * seconds), '-d', '0'],
      ...['-timeout', `${seconds + 10}s`, '-trace_stat', '-fd', '1', '-stf', statistics],
    ])
    const figure = readStatistics(statistics)
    const successful = figure('SuccessfulCall(C)')
    return {
      rate,
      count,
      successful,
      achieved: figure('CallRate(C)'),
      retransmissions: figure('Retransmissions(C)'),
      uacCpuMs,
    }
  })

const floeCalls = (uac, rate, seconds) =>
  withFolder(async (folder) => {
    const count = rate * seconds
    const statistics = join(folder, 'statistics')
    const port = await freeUdpPort()
    const uas = serveWith('sipp', ['-sn', 'uas', ...at(port), '-trace_stat', '-fd', '1', '-stf', statistics])
    await wait(sippStartMs)
    const before = cpuMs(uac.pid)
    const { achieved, p50, p99, successful } = await uac.ask({ port, callsPerSecond: rate, count })
    const uacCpuMs = cpuMs(uac.pid) - before
    await wait(sippTimewaitMs)
    await uas.stop()
    const figure = readStatistics(statistics)
    return {
      rate,
      count,
      successful: Math.min(successful, figure('SuccessfulCall(C)')),
      achieved,
      retransmissions: figure('Retransmissions(C)'),
      uacCpuMs,
      p50,
      p99,
    }
  })

/** The last row of a file that SIPp writes with -trace_stat. */
function readStatistics(file) {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  const names = lines[0].split(';')
  const values = lines.at(-1).split(';')
  return (name) => Number(values[names.indexOf(name)])
}
