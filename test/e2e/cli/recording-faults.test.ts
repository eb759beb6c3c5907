// What becomes of a recording when the disk is full or the process is killed: it is a whole file up to there, and the call goes on.
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { openSound } from '../../../src/files/open-sound.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { Floe, floe, reportOf, serve, temporaryFolder } from './cli.ts'

/** What a file that is opened anew holds: how long it is, and how much of its clearest 50 ms is the tone. */
async function recorded(path: string): Promise<{ seconds: number; tone: number }> {
  const sound = openSound(path, nodeRuntime.files)
  await sound.ready
  const source = sound.at(8_000)
  const rateHz = source.sampleRateHz
  const samples = readAll(source, 60_000)
  const shares = Array.from({ length: Math.floor((samples.length / rateHz) * 20) }, (_, i) =>
    toneShare(samples, rateHz, 440, (i * rateHz) / 20, rateHz / 20),
  )
  return { seconds: samples.length / rateHz, tone: Math.max(...shares) }
}

test('no more room than for a second: the call goes on to its end, and a sentence tells', async () => {
  const { sip } = await serve()
  const file = join(temporaryFolder(), 'heard.wav')
  const bob = floe(['answer', '--as', `bob@${sip}`, '--codec', 'PCMU', '--play', 'tone:440'])
  await bob.line(({ type }) => type === 'listening')
  // The system's limit on the length of files, in blocks of 1,024 octets.
  const limited = ['bash', '-c', 'ulimit -f 16; exec "$0" dist/cli/main.js "$@"', process.execPath]
  const alice = new Floe(['call', 'bob', '--as', `alice@${sip}`, '--record', file, '--for', '2500ms'], {
    command: limited,
  })
  const outcome = await alice.ended
  expect(outcome.code).toBe(0)
  const report = reportOf(outcome)
  expect(report.verdict).toMatchObject({ ok: true })
  expect(report.warnings).toEqual([
    `received audio is not written any more: cannot write ${file}: no larger file is permitted`,
  ])
  const { seconds, tone } = await recorded(file)
  expect(seconds).toBeGreaterThan(0.7)
  expect(seconds).toBeLessThan(1.1)
  expect(tone).toBeGreaterThan(0.9)
})

test('killed outright, both recordings are whole files up to the last second', async () => {
  const { sip } = await serve()
  const folder = temporaryFolder()
  const [both, heard] = [join(folder, 'both.wav'), join(folder, 'heard.opus')]
  const bob = floe(['answer', '--as', `bob@${sip}`, '--record-both', both, '--play', 'tone:440'])
  await bob.line(({ type }) => type === 'listening')
  const alice = floe(['call', 'bob', '--as', `alice@${sip}`, '--record', heard])
  await alice.line(({ type }) => type === 'first-heard')
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  for (const { child } of [alice, bob]) child.kill('SIGKILL')
  await Promise.all([alice.ended, bob.ended])
  for (const path of [both, heard]) {
    const { seconds, tone } = await recorded(path)
    expect(seconds, path).toBeGreaterThan(1)
    expect(tone, path).toBeGreaterThan(0.9)
  }
})
