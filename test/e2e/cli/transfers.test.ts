// A call handed from one process to another by a third, through `floe serve`: who remains hears who remains.
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { hearFile } from '../../../src/phone/hearing.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { floe, plain, reportOf, run, serve, temporaryFolder } from './cli.ts'

const listening = (line: { type?: string }) => line.type === 'listening'

test('floe call --transfer hands the far end over, floe answer --follow-transfers goes there', async () => {
  const { sip } = await serve()
  const folder = temporaryFolder()
  const recording = join(folder, 'bob.wav')
  const carol = floe([
    'answer',
    '--as',
    `carol@${sip}`,
    '--play',
    'media/reply-8k.wav',
    '--hear',
    'media/hello-8k.wav',
    ...plain,
  ])
  await carol.line(listening)
  const bob = floe(
    ['answer', '--as', `bob@${sip}`, '--follow-transfers', '--record', recording, ...plain].concat([
      '--play',
      'media/hello-8k.wav',
      '--hear',
      'media/reply-8k.wav',
    ]),
  )
  await bob.line(listening)
  const alice = await run([
    'call',
    'bob',
    '--as',
    `alice@${sip}`,
    '--play',
    'media/tone-440-8k.wav',
    '--transfer',
    'carol',
  ])
  expect({ ...alice, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(reportOf(alice).transfers).toEqual([
    { role: 'transferor', target: `sip:carol@${sip}`, status: 200, reason: 'OK' },
  ])
  const [bobs, carols] = await Promise.all([bob.ended, carol.ended])
  expect({ ...bobs, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: '' })
  expect({ ...carols, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(reportOf(bobs).remote).toBe(`sip:carol@${sip}`)
  expect(hearFile(join(folder, 'bob-2.wav'), 'media/reply-8k.wav', nodeRuntime.files).heard).toBe(true)
})

test('a transfer to nobody is told in one sentence, with exit code 1', async () => {
  const { sip } = await serve()
  const bob = floe([
    'answer',
    '--as',
    `bob@${sip}`,
    '--follow-transfers',
    '--play',
    'media/hello-8k.wav',
    '--for',
    '30s',
    ...plain,
  ])
  await bob.line(listening)
  const alice = await run([
    'call',
    'bob',
    '--as',
    `alice@${sip}`,
    '--play',
    'media/tone-440-8k.wav',
    '--transfer',
    'dave',
  ])
  expect(alice.code).toBe(1)
  expect(alice.stderr).toBe('floe: The transfer failed: 404 Not Found.\n')
  await bob.ended
})
