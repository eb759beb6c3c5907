// SIPp as the load: `sipp -sn uac` against whoever answers, `sipp -sn uas` for whoever calls; what both have counted.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { median, quantile } from './figures.mjs'
import { cpuMs, freeUdpPort, run, serveWith, wait, withFolder } from './processes.mjs'

/** As floe's own: SIPp's default of 64 KiB loses packets whenever the scheduler looks elsewhere. */
const bufferBytes = 4 << 20
export const sippStartMs = 300
/** After a BYE SIPp's uas waits 4 s for another before it counts the call, and writes its counts once a second. */
const sippTimewaitMs = 6_000

export const sippAt = (port) => [
  ...['-i', '127.0.0.1', '-p', String(port)],
  ...['-nostdin', '-buff_size', String(bufferBytes)],
]

/** Calls whoever listens at that port.
 *  @param uas { pid, port }; its CPU time is taken
 *  @param holdMs how long each call stays open */
export const sippCalls = (uas, rate, seconds, holdMs = 0) =>
  withFolder(async (folder) => {
    const count = Math.round(rate * seconds)
    const statistics = join(folder, 'statistics')
    const before = cpuMs(uas.pid)
    const { cpuMs: uacCpuMs } = await run(
      'sipp',
      [
        ...['-sn', 'uac', `127.0.0.1:${uas.port}`, ...sippAt(await freeUdpPort()), '-s', 'bench'],
        ...['-r', String(rate), '-m', String(count), '-l', String(count), '-d', String(holdMs)],
        ...['-timeout', `${seconds + holdMs / 1000 + 10}s`, '-trace_rtt', '-rtt_freq', '1000'],
        ...['-trace_stat', '-fd', '1', '-stf', statistics],
      ],
      { cwd: folder },
    )
    const uasCpuMs = cpuMs(uas.pid) - before
    const figure = readStatistics(statistics)
    const answeredMs = readResponseTimes(folder)
    return {
      rate,
      count,
      successful: figure('SuccessfulCall(C)'),
      achieved: figure('CallRate(C)'),
      retransmissions: figure('Retransmissions(C)'),
      p50: median(answeredMs),
      p99: quantile(answeredMs, 0.99),
      cpuMsPerCall: uasCpuMs / count,
      uacCpuMs,
    }
  })

/** Has a program of this folder call `sipp -sn uas`. */
export const callsSipp = (uac, rate, seconds) =>
  withFolder(async (folder) => {
    const count = Math.round(rate * seconds)
    const statistics = join(folder, 'statistics')
    const port = await freeUdpPort()
    const uas = serveWith('sipp', [
      ...['-sn', 'uas', ...sippAt(port)],
      ...['-trace_stat', '-fd', '1', '-stf', statistics],
    ])
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
      p50,
      p99,
      cpuMsPerCall: uacCpuMs / count,
    }
  })

/** The last row of a file that SIPp writes with -trace_stat. */
function readStatistics(file) {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  const names = lines[0].split(';')
  const values = lines.at(-1).split(';')
  return (name) => Number(values[names.indexOf(name)])
}

/** From INVITE to 200, of each call, as SIPp writes them with -trace_rtt. */
function readResponseTimes(folder) {
  const file = readdirSync(folder).find((name) => name.endsWith('_rtt.csv'))
  if (!file) return []
  const lines = readFileSync(join(folder, file), 'utf8').trim().split('\n').slice(1)
  return lines.map((line) => Number(line.split(';')[1])).filter(Number.isFinite)
}
