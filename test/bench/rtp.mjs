// RTP over UDP on the loopback: CPU and pacing of many streams in one process, beside a program in C that sends ready packets (the
// floor of the machine), a bare Node sender and GStreamer. Pacing error is what the receiving kernel notes: by how much the time
// between two packets of a stream differs from 20 ms. The ends of calls, two and two in one process, send and play out: what a call costs.
import { median, printProfile } from './figures.mjs'
import { compiled, NativeProgram } from './native.mjs'
import { BenchProgram, cpuMs, installed, serveWith, wait, withFolder } from './processes.mjs'

const warmUpMs = 1_500
const counts = [1, 100, 500, 1_000]

/** Each: starts a sender of `count` streams to `port`; { pid, stop }. */
const senders = {
  'C, ready packets': {
    counts,
    start: (count, port, { floor }) => NativeProgram.start(floor, [count, port]),
  },
  'Node, ready packets': { counts, start: (count, port) => sender('bare', count, port) },
  floe: { counts, start: (count, port) => sender('floe', count, port) },
  'floe, SRTP': { counts, start: (count, port) => sender('floe-srtp', count, port) },
  'floe, own thread': { counts, start: (count, port) => sender('floe-thread', count, port) },
  'floe, SRTP, own thread': { counts, start: (count, port) => sender('floe-srtp-thread', count, port) },
  GStreamer: {
    counts: [1, 100],
    there: () => installed('gst-launch-1.0'),
    start: async (count, port) => {
      const branch = [
        ...[
          'audiotestsrc',
          'is-live=true',
          'samplesperbuffer=160',
          '!',
          'audio/x-raw,rate=8000,channels=1',
          '!',
          'mulawenc',
          '!',
        ],
        ...['rtppcmupay', 'min-ptime=20000000', 'max-ptime=20000000', '!'],
        ...['udpsink', 'host=127.0.0.1', `port=${port}`, 'sync=false'],
      ]
      return serveWith('gst-launch-1.0', ['-q', ...Array.from({ length: count }, () => branch).flat()])
    },
  },
}

const callCounts = [2, 100, 500]
const callers = { floe: 'calls', 'floe, SRTP': 'calls-srtp', 'floe, own thread': 'calls-thread' }

const sender = (kind, count, port, profileFolder) =>
  BenchProgram.start('rtp-sender.mjs', [kind, count, port], profileFolder)

/** @returns {Promise<{ pacing: object[], calls: object[] }>} a row for each sender and count; times in ms, CPU in % of one core */
export async function measurePacing({ rounds = 3, measureMs = 8_000 }) {
  return await withFolder(async (folder) => {
    const tools = { receiver: compiled('rtp-receiver', folder), floor: compiled('rtp-floor', folder) }
    if (!tools.receiver) {
      console.log(
        '  RTP: skipped, the kernel’s times are read by a program in C: apt-get install gcc libc6-dev',
      )
      return {}
    }
    const measured = []
    for (const count of counts)
      for (let round = 0; round < rounds; round++)
        for (const [name, { counts, there, start }] of Object.entries(senders))
          if (counts.includes(count) && (there?.() ?? true))
            measured.push({ name, count, ...(await measure(start, count, measureMs, tools)) })
    const called = []
    for (const count of callCounts)
      for (let round = 0; round < rounds; round++)
        for (const name of Object.keys(callers))
          called.push({ name, count, ...(await measureCalls(callers[name], count, measureMs)) })
    return { pacing: summary(measured), calls: summary(called) }
  })
}

export const profileCalls = ({ measureMs = 8_000 }) =>
  withFolder(async (folder) => {
    await measureCalls('calls', 500, measureMs, folder)
    printProfile('floe, 500 calls', folder)
  })

async function measure(start, count, measureMs, tools) {
  const receiver = await NativeProgram.start(tools.receiver)
  const program = await start(count, receiver.ready.port, tools)
  await wait(warmUpMs)
  await receiver.ask('measure')
  const cpuBefore = cpuMs(program.pid)
  const startedAt = performance.now()
  await wait(measureMs)
  const cpuPercent = (100 * (cpuMs(program.pid) - cpuBefore)) / (performance.now() - startedAt)
  const report = await receiver.ask('report')
  await program.stop()
  await receiver.stop()
  if (report.streams < count) throw new Error(`${report.streams} of ${count} streams arrived`)
  return { ...report, cpuPercent }
}

async function measureCalls(kind, count, measureMs, profileFolder) {
  const program = await sender(kind, count, 0, profileFolder)
  await wait(warmUpMs)
  const cpuBefore = cpuMs(program.pid)
  const startedAt = performance.now()
  await wait(measureMs)
  const cpuPercent = (100 * (cpuMs(program.pid) - cpuBefore)) / (performance.now() - startedAt)
  const heard = await program.ask('statistics')
  await program.stop()
  return { cpuPercent, ...heard }
}

/** Of some runs with each sender and count: medians, the worst of all, and how many were missing in all. */
function summary(runs) {
  const rows = []
  for (const { name, count } of runs) {
    if (rows.some((row) => row.name === name && row.count === count)) continue
    const alike = runs.filter((run) => run.name === name && run.count === count)
    const of = (figure) => alike.map((run) => run[figure]).filter((value) => value !== undefined)
    const figures = {
      cpuPercent: median,
      p50: median,
      p99: median,
      max: worst,
      missing: sum,
      lossPercent: worst,
    }
    const row = { name, count }
    for (const [figure, over] of Object.entries(figures))
      if (of(figure).length) row[figure] = round(over(of(figure)))
    rows.push(row)
  }
  return rows
}

const worst = (values) => Math.max(...values)
const sum = (values) => values.reduce((total, value) => total + value, 0)
const round = (value) => Math.round(value * 1_000) / 1_000
