// Raw PCM through a call's standard input and output.
import { expect, test } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { toneBurst } from '../../../src/audio/tones.ts'
import { Floe, floe, plain, reportOf, serve } from './cli.ts'

test('what comes on standard input is sent to its end, and what is heard goes to standard output and nothing else', async () => {
  const { sip } = await serve()
  const bob = floe([
    'answer',
    '--as',
    `bob@${sip}`,
    '--play',
    'tone:1000',
    '--loop',
    '--hear',
    'tone:440',
    '--for',
    '2500ms',
    ...plain,
  ])
  await bob.line(({ type }) => type === 'listening')
  const alice = new Floe(
    [
      'call',
      'bob',
      '--as',
      `alice@${sip}`,
      '--play',
      '-',
      '--record',
      '-',
      '--pcm-rate',
      '8000',
      '-o',
      'json',
    ],
    { stdin: true },
  )
  const heard: Buffer[] = []
  alice.child.stdout!.on('data', (data: Buffer) => heard.push(data))
  const spoken = readAll(toneBurst({ frequenciesHz: [440] }, 3_000, 8_000), 3_000)
  alice.child.stdin!.end(Buffer.from(spoken.buffer))
  const { code, stderr } = await alice.ended
  expect(code).toBe(0)
  const lines = stderr.trim().split('\n')
  expect(reportOf({ code, stdout: `${lines.join('\n')}\n`, stderr: '' }).verdict).toMatchObject({ ok: true })
  const octets = Buffer.concat(heard)
  const samples = new Int16Array(
    octets.buffer.slice(octets.byteOffset, octets.byteOffset + (octets.length & ~1)),
  )
  expect(samples.length).toBeGreaterThan(1.5 * 8_000)
  expect(toneShare(samples.subarray(-8_000), 8_000, 1_000)).toBeGreaterThan(0.9)
  expect((await bob.ended).code).toBe(0)
})

test('where nobody reads the output any more, the call is hung up', async () => {
  const { sip } = await serve()
  const bob = floe(['answer', '--as', `bob@${sip}`, '--play', 'tone:1000'])
  await bob.line(({ type }) => type === 'listening')
  const alice = new Floe(['call', 'bob', '--as', `alice@${sip}`, '--record', '-', '-o', 'json'])
  alice.child.stdout!.once('data', () => alice.child.stdout!.destroy())
  const { code, stderr } = await alice.ended
  expect(code).toBe(130)
  expect(stderr).not.toContain('EPIPE')
  expect(reportOf(await bob.ended).outcome).toMatchObject({ by: 'remote' })
})

test('both directions go into files alone, and Ogg/Opus takes one direction', async () => {
  const { sip } = await serve()
  const call = new Floe(['call', 'bob', '--as', `alice@${sip}`, '--record-both', 'x.opus'])
  const { code, stderr } = await call.ended
  expect(code).toBe(2)
  expect(stderr).toBe('floe: x.opus cannot be recorded: both directions are recorded as WAV alone\n')
})
