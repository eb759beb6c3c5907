// The README's tables of the speed of media, from what `npm run bench -- media --save` has measured (results/media.json). A part that
// has not been measured has no table.
import { figure, table } from './tables.mjs'

const pacing = (rows) =>
  table(
    ['sender', 'streams', 'CPU a stream', 'p50', 'p99', 'max'],
    rows.map(({ name, count, cpuPercent, p50, p99, max }) => [
      name,
      figure(count),
      `${figure(cpuPercent / count, 3)} %`,
      `${figure(p50, 3)} ms`,
      `${figure(p99, 2)} ms`,
      `${figure(max, 1)} ms`,
    ]),
  )

const calls = (rows) =>
  table(
    ['', 'ends of calls', 'CPU', 'CPU an end', 'lost, at worst'],
    rows.map(({ name, count, cpuPercent, lossPercent }) => [
      name,
      figure(count),
      `${figure(cpuPercent, 1)} %`,
      `${figure(cpuPercent / count, 3)} %`,
      `${figure(lossPercent, 1)} %`,
    ]),
  )

const cost = (codecs) =>
  table(
    ['codec', 'to send a packet', 'to receive and play out', 'both ways, a core'],
    Object.entries(codecs).map(([name, { send, receive, callsPerCore }]) => [
      name,
      `${figure(send, 1)} µs`,
      `${figure(receive, 1)} µs`,
      `${figure(callsPerCore)} calls`,
    ]),
  )

const codecThreads = (rows) =>
  table(
    ['codec', 'codec threads', 'calls', 'CPU a call', 'of it the main thread'],
    rows.map(({ codec, threads, calls, cpuPercent, mainPercent }) => [
      codec,
      figure(threads),
      figure(calls),
      `${figure(cpuPercent, 2)} %`,
      `${figure(mainPercent, 2)} %`,
    ]),
  )

const conference = (rows) =>
  table(
    ['conference at', 'seats', 'to say and to hear a frame of 20 ms', 'seats a core'],
    rows.map(({ sampleRateHz, seats, frameUs, seatsPerCore }) => [
      `${figure(sampleRateHz)} Hz`,
      figure(seats),
      `${figure(frameUs, 1)} µs`,
      figure(seatsPerCore),
    ]),
  )

const garbage = (ways) =>
  table(
    ['', 'allocated for a packet', 'most of it by', 'in Node’s own code'],
    Object.entries(ways).map(([way, { bytesPerPacket, nodeBytesPerPacket, most }]) => [
      way,
      `${figure(bytesPerPacket)} bytes`,
      most.map(({ place, bytesPerPacket }) => `\`${place}\` ${figure(bytesPerPacket)}`).join(', '),
      nodeBytesPerPacket === undefined ? '-' : `${figure(nodeBytesPerPacket)} bytes`,
    ]),
  )

const srtp = (implementations) => {
  const names = Object.keys(implementations).filter((name) => Object.keys(implementations[name]).length > 0)
  const suites = Object.keys(implementations.floe)
  const cell = (name, suite) => {
    const measured = implementations[name][suite]
    return measured ? `${figure(measured.protect, 1)} / ${figure(measured.unprotect, 1)} µs` : '-'
  }
  return table(
    ['protect / unprotect a packet', ...names],
    suites.map((suite) => [suite, ...names.map((name) => cell(name, suite))]),
  )
}

const dtls = (ends) =>
  table(
    ['handshake, both ends', 'CPU', 'round trips', 'datagrams'],
    Object.entries(ends).map(([name, { cpuMs, roundTrips, datagrams }]) => [
      name,
      `${figure(cpuMs, 1)} ms`,
      figure(roundTrips),
      figure(datagrams),
    ]),
  )

const delay = (codecs) =>
  table(
    ['codec', 'p50', 'max'],
    Object.entries(codecs).map(([name, { p50, max }]) => [name, `${figure(p50)} ms`, `${figure(max)} ms`]),
  )

const writers = { pacing, calls, cost, codecThreads, conference, garbage, srtp, dtls, delay }

/** @returns {Record<string, string[]>} lines of each table by its name */
export const mediaTables = (results) =>
  Object.fromEntries(
    Object.entries(writers).flatMap(([name, write]) =>
      results[name] ? [[`media-${name}`, write(results[name])]] : [],
    ),
  )
