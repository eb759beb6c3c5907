// What happens to a call when the network changes under it: addresses, interfaces, mappings. Both sides play a tone without end
// and record the other's; the longest silence between the first and the last tone is how long the audio was away.
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { readAll } from '../../src/audio/sources.ts'
import { WavReader } from '../../src/audio/wav-reader.ts'
import { nodeRuntime } from '../../src/runtime/node.ts'
import type { Fact } from '../../src/trace/facts.ts'
import { exit } from '../interop/peers/floe.ts'
import { placeCall, type ServerSet } from './calls.ts'
import type { Home, Lab } from './lab.ts'
import type { NetworkName } from './networks.ts'
import { relayUser, startSpareCoturn } from './servers.ts'
import { type Lane, labRows } from './shared-lab.ts'

interface Happening {
  readonly name: string
  readonly caller: NetworkName
  readonly called: NetworkName
  readonly servers?: ServerSet
  /** Both ends have two TURN servers, and the one that the call uses dies. */
  readonly relayDies?: boolean
  /** Before the call. */
  readonly prepare?: (lab: Lab, caller: Home, called: Home) => void
  /** Five seconds into the call. */
  readonly happen?: (lab: Lab, caller: Home, called: Home) => void | Promise<void>
  /** How long the network itself is away. */
  readonly outageMs?: number
  /** From the network's return to the audio's, on the side that waits longer. */
  readonly withinMs: number
  /** The BYE cannot reach the called any more: its SIP goes over UDP too. */
  readonly calledEndsAlone?: boolean
}

const longOutageMs = 30_000
const [beforeMs, afterMs] = [5_000, 5_000]

const happenings: Happening[] = [
  {
    name: 'the WAN address of the caller changes',
    caller: 'Linux, input dropped',
    called: 'port-restricted',
    happen: (lab, caller) => void lab.renumber(caller),
    withinMs: 10_000,
  },
  {
    name: 'the WAN address of the called changes',
    caller: 'port-restricted',
    called: 'Linux, input dropped',
    happen: (lab, _, called) => void lab.renumber(called),
    withinMs: 10_000,
  },
  {
    name: "the caller's NAT is rebooted: new ports",
    caller: 'port-restricted',
    called: 'Linux, input dropped',
    happen: (lab, caller) => lab.forgetMappings(caller),
    withinMs: 10_000,
  },
  {
    name: "the called's NAT is rebooted: new ports",
    caller: 'Linux, input dropped',
    called: 'port-restricted',
    happen: (lab, _, called) => lab.forgetMappings(called),
    withinMs: 10_000,
  },
  {
    name: "the caller's NAT is rebooted in a relayed call",
    caller: 'symmetric, random ports',
    called: 'port-restricted',
    happen: (lab, caller) => lab.forgetMappings(caller),
    withinMs: 10_000,
  },
  {
    name: 'the TURN server in use dies, and there is another',
    caller: 'symmetric, random ports',
    called: 'port-restricted',
    servers: 'STUN only',
    relayDies: true,
    withinMs: 10_000,
  },
  {
    name: "the caller's line is dead for 30 s",
    caller: 'Linux, input dropped',
    called: 'full cone',
    happen: async (lab, caller) => {
      lab.setCable(caller, 'down')
      await sleep(longOutageMs)
      lab.setCable(caller, 'up')
    },
    outageMs: longOutageMs,
    withinMs: 10_000,
  },
  {
    name: "the caller's interface goes and another takes over",
    caller: 'Linux, input dropped',
    called: 'port-restricted',
    prepare: (lab, caller) => lab.addUplink(caller),
    happen: (lab, caller) => lab.setInterface(caller, 'eth0', 'gone'),
    withinMs: 10_000,
  },
  {
    name: "the called's interface goes and another takes over",
    caller: 'port-restricted',
    called: 'Linux, input dropped',
    prepare: (lab, _, called) => lab.addUplink(called),
    happen: (lab, _, called) => lab.setInterface(called, 'eth0', 'gone'),
    withinMs: 10_000,
  },
  {
    name: "the caller's only interface goes and comes back after 30 s",
    caller: 'Linux, input dropped',
    called: 'address-restricted',
    happen: async (lab, caller) => {
      lab.setInterface(caller, 'eth0', 'gone')
      await sleep(longOutageMs)
      lab.setInterface(caller, 'eth0', 'up')
    },
    outageMs: longOutageMs,
    withinMs: 10_000,
  },
  {
    name: "the NATs forget UDP after 30 s: audio and the caller's BYE get through after 40 s",
    caller: 'Linux, input dropped',
    called: 'Linux, input dropped',
    prepare: (lab, caller, called) => {
      for (const home of [caller, called]) lab.setUdpTimeout(home, 30)
    },
    happen: () => sleep(35_000),
    withinMs: 200,
  },
  {
    name: 'the NATs forget UDP after 10 s: audio goes on for 40 s',
    caller: '10 s UDP timeout',
    called: '10 s UDP timeout',
    happen: () => sleep(30_000),
    withinMs: 200,
    calledEndsAlone: true,
  },
]

type PairFact = Extract<Fact, { type: 'selected' }>

const resultsFile = process.env['FLOE_NATLAB_EVENTS']

async function check(h: Happening, { scene, servers, numbers, lab, home }: Lane): Promise<void> {
  const caller = await home(h.caller, `caller-${numbers[0]}-${happenings.indexOf(h)}`)
  const called = await home(h.called, `called-${numbers[1]}-${happenings.indexOf(h)}`)
  h.prepare?.(lab, caller, called)
  const media = (name: string): string[] => [
    '--play',
    'tone:440',
    '--loop',
    '--record',
    join(scene.folder, `${name}.wav`),
  ]
  const spares = h.relayDies ? await Promise.all([20, 21].map((n) => startSpareCoturn(scene, n))) : []
  const relays = spares.flatMap(({ place }) => ['--turn', `turn:${relayUser.username}@${place}`])
  const calls = await placeCall(scene, servers, [caller, called], {
    servers: h.servers ?? 'all',
    numbers,
    turn: { caller: relays, called: relays },
    media: { caller: media('caller'), called: media('called') },
  })
  await calls.caller.callState('answered')
  await sleep(beforeMs)
  if (h.relayDies) {
    const { local, remote } = calls.caller.lines.findLast(
      ({ type }) => type === 'selected',
    ) as unknown as PairFact
    const inUse = spares.find(({ relays }) => relays(local.address.port) || relays(remote.address.port))
    expect(inUse, 'the call is relayed').toBeDefined()
    await inUse?.kill()
  }
  await h.happen?.(lab, caller, called)
  await sleep(h.withinMs + afterMs)
  calls.caller.interrupt()
  const callerEnd = await calls.caller.ended(20_000)
  if (h.calledEndsAlone) calls.called.interrupt()
  const calledEnd = await calls.called.ended(20_000)
  const gaps = ['caller', 'called'].map((name) => silence(join(scene.folder, `${name}.wav`)))
  const outageMs = h.outageMs ?? 0
  const awayMs = Math.max(...gaps.map(({ longestMs }) => longestMs)) - outageMs
  const back = gaps.every(({ endMs }) => endMs < afterMs)
  if (resultsFile)
    appendFileSync(
      resultsFile,
      `${JSON.stringify({ name: h.name, caller: h.caller, called: h.called, outageMs, back, awayMs, gaps })}\n`,
    )
  expect(callerEnd.code, callerEnd.stderr + calledEnd.stderr).toBe(exit.interrupted)
  expect(back, `the audio is back on both sides: ${JSON.stringify(gaps)}`).toBe(true)
  expect(awayMs, JSON.stringify(gaps)).toBeLessThan(h.withinMs)
}

/** Of a tone: the longest time without it, and how long it has been away at the end, in steps of 20 ms. */
function silence(recording: string): { longestMs: number; endMs: number; durationMs: number } {
  const reader = new WavReader(nodeRuntime.files.openForReading(recording))
  try {
    const samples = readAll(reader, 300_000)
    const step = reader.sampleRateHz / 50
    const loud: number[] = []
    for (let at = 0; at + step <= samples.length; at += step) {
      let energy = 0
      for (let i = at; i < at + step; i++) energy += samples[i]! ** 2
      if (Math.sqrt(energy / step) > quiet) loud.push((at / step) * 20)
    }
    const durationMs = (samples.length / step) * 20
    const gaps = loud.map((ms, i) => (i === 0 ? 0 : ms - loud[i - 1]! - 20))
    return { longestMs: Math.max(0, ...gaps), endMs: durationMs - (loud.at(-1) ?? 0) - 20, durationMs }
  } finally {
    reader.close()
  }
}

/** RMS of 16-bit samples; the tone is far above. */
const quiet = 300

const byOutage = (a: Happening, b: Happening): number => (b.outageMs ?? 0) - (a.outageMs ?? 0)

labRows(
  'floe when the network changes in mid-call',
  // The long ones first.
  [...happenings].sort(byOutage).map((h) => ({ name: h.name, run: (lane) => check(h, lane) })),
  // They wait for most of their time.
  Number(process.env['FLOE_NATLAB_LANES'] ?? 6),
)
