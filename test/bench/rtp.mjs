// RTP: CPU and pacing of 1, 100 and 500 G.711 streams in one process over UDP on the loopback, beside a bare Node sender
// (rtp-sender.mjs). Pacing error is what a second process sees arrive: by how much the time between two packets of a stream
// differs from 20 ms.
import { median, printProfile, printTable } from './figures.mjs'
import { BenchProgram, cpuMs, wait, withFolder } from './processes.mjs'

const counts = [1, 100, 500]
const senders = ['bare', 'floe']
const warmUpMs = 2_000

export async function benchRtp({ rounds = 3, measureMs = 8_000 }) {
  console.log(
    `\nRTP: G.711, 20 ms, ${measureMs / 1000} s a run, medians of ${rounds} runs (max: the worst of all); CPU of one core`,
  )
  const rows = []
  for (const count of counts) {
    const runs = { bare: [], floe: [] }
    for (let round = 0; round < rounds; round++)
      for (const sender of senders) runs[sender].push(await measure(sender, count, measureMs))
    const cpuOf = (sender) => median(runs[sender].map(({ cpuPercent }) => cpuPercent))
    for (const sender of senders) {
      const of = (figure) => runs[sender].map((run) => run[figure])
      rows.push([
        `${sender === 'bare' ? 'bare Node' : 'floe'}, ${count}`,
        `${cpuOf(sender).toFixed(1)} %`,
        `${(cpuOf(sender) / count).toFixed(3)} %`,
        `${(cpuOf(sender) / cpuOf('bare')).toFixed(1)} x`,
        median(of('p50')).toFixed(3),
        median(of('p99')).toFixed(2),
        Math.max(...of('max')).toFixed(2),
        of('missing').reduce((sum, missing) => sum + missing),
      ])
    }
  }
  printTable(
    ['sender, streams', 'CPU', 'CPU/stream', 'CPU : bare', 'p50 ms', 'p99 ms', 'max ms', 'packets missing'],
    rows,
  )
  await withFolder(async (folder) => {
    await measure('floe', counts.at(-1), measureMs, folder)
    printProfile(`floe, ${counts.at(-1)} streams`, folder)
  })
}

async function measure(sender, count, measureMs, profileFolder) {
  const receiver = await BenchProgram.start('rtp-receiver.mjs', [])
  const program = await BenchProgram.start(
    'rtp-sender.mjs',
    [sender, count, receiver.ready.port],
    profileFolder,
  )
  await wait(warmUpMs)
  await receiver.ask('measure')
  const cpuBefore = cpuMs(program.pid)
  const startedAt = performance.now()
  await wait(measureMs)
  const report = await receiver.ask('report')
  const cpuPercent = (100 * (cpuMs(program.pid) - cpuBefore)) / (performance.now() - startedAt)
  await Promise.all([receiver.stop(), program.stop()])
  if (report.streams !== count) throw new Error(`${report.streams} of ${count} streams arrived`)
  return { ...report, cpuPercent }
}
