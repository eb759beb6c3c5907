// Text messages and digits by INFO, in real processes through `floe serve`.
import { describe, expect, onTestFinished, test } from 'vitest'
import { nodeRuntime, startServer } from '../../../src/index.ts'
import { floe, plain, run, serve } from './cli.ts'

describe('floe message', () => {
  test('reaches a phone that waits for calls, through a server that asks for the password', async () => {
    const server = await startServer({
      runtime: nodeRuntime,
      listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
      users: { alice: 'a1', bob: 'b1' },
      challengeCalls: true,
    })
    const sip = `127.0.0.1:${server.sip[0]!.port}`
    onTestFinished(() => server.stop())
    const bob = floe(['answer', '--as', `bob@${sip}`], { FLOE_PASSWORD: 'b1' })
    await bob.line((line) => line.type === 'listening')
    const sent = await run(['message', 'bob', 'hello Bob', '--as', `alice@${sip}`], { FLOE_PASSWORD: 'a1' })
    expect(sent).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(sent.stdout.trim().split('\n').at(-1)!)).toEqual({
      type: 'sent',
      target: 'bob',
      status: 200,
    })
    expect(await bob.line((line) => line.type === 'text-message')).toMatchObject({
      from: `sip:alice@${sip}`,
      text: 'hello Bob',
    })
    const nobody = await run(['message', 'carol', 'hello', '--as', `alice@${sip}`], { FLOE_PASSWORD: 'a1' })
    expect(nobody.code).toBe(12)
    expect(nobody.stderr).toMatch(
      /^floe: The message did not reach sip:carol@.*: 404 Not Found; nobody has that address there, check it\.\n$/,
    )
    const wrong = await run(['message', 'bob', 'hello', '--as', `alice@${sip}`], { FLOE_PASSWORD: 'zz' })
    expect(wrong.code).toBe(11)
    expect(wrong.stderr).not.toContain('zz')
    bob.interrupt()
    expect((await bob.ended).code).toBe(130)
  })

  test('an empty text is refused before anything is sent', async () => {
    const outcome = await run(['message', 'sip:bob@127.0.0.1', ''])
    expect(outcome.code).toBe(2)
    expect(outcome.stderr).toMatch(/there is no text to send/)
  })
})

test.each(['info', 'info-relay', 'audio'])('digits go --dtmf-by %s', async (way) => {
  const { sip } = await serve()
  const bob = floe([
    ...['answer', '--as', `bob@${sip}`, '--expect-dtmf', '42#', '--play', 'tone:880', ...plain],
    ...(way === 'audio' ? ['--detect-dtmf'] : []),
  ])
  await bob.line((line) => line.type === 'listening')
  const alice = await run([
    'call',
    'bob',
    '--as',
    `alice@${sip}`,
    '--dtmf',
    '42#',
    '--dtmf-by',
    way,
    '--play',
    'tone:440',
    '--for',
    '3s',
  ])
  expect(alice.code).toBe(0)
  expect((await bob.ended).code).toBe(0)
})
