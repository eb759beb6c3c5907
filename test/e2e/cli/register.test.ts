// floe register in a process of its own: several accounts, and --watch through the death of a server.
import { expect, test } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { type RunningServer, startServer } from '../../../src/serve/server.ts'
import { floe, type Line, run, serve } from './cli.ts'

test('several accounts at once, each told by its name', async () => {
  const { sip } = await serve('alice:a1', 'bob:b1')
  const both = await run(['register', '--once', '--as', `alice:a1@${sip}`, '--as', `bob:b1@${sip}`])
  expect([both.code, both.stderr]).toEqual([0, ''])
  for (const user of ['alice', 'bob'])
    expect(both.stdout).toMatch(new RegExp(`"account":"sip:${user}@[^"]*","state":"registered"`))
  expect(both.stdout).not.toMatch(/\b[ab]1\b/)
  const one = await run(['register', '--once', '--as', `alice:a1@${sip}`, '--as', `bob:wrong@${sip}`])
  expect([one.code, one.stderr]).toEqual([11, expect.stringMatching(/bob@.* could not register: 401/)])
})

test('--watch goes on while the server is gone, says what failed, and un-registers at Ctrl-C', async () => {
  const start = (port: number): Promise<RunningServer> =>
    startServer({ runtime: nodeRuntime, listen: [{ protocol: 'tcp', address: '127.0.0.1', port }] })
  let server = await start(0)
  const { port } = server.sip[0]!
  const watch = floe([
    'register',
    '--watch',
    '--as',
    `alice@127.0.0.1:${port}`,
    '--transport',
    'tcp',
    '-o',
    'json',
  ])
  try {
    const state = (wanted: string, more: Partial<Line> = {}) =>
      watch.line(
        (line) =>
          line.type === 'registration' &&
          line['state'] === wanted &&
          Object.entries(more).every(([name, value]) => line[name] === value),
      )
    expect(await state('registered')).toMatchObject({
      server: expect.stringContaining('transport=tcp'),
      contact: expect.stringContaining('sip:alice@127.0.0.1'),
      rttMs: expect.any(Number),
      refreshInMs: expect.any(Number),
      flaps: 0,
    })
    server.stop()
    expect(await state('failed')).toMatchObject({ status: 503, retryInMs: expect.any(Number), flaps: 1 })
    server = await start(port)
    expect(await state('registered', { registrations: 2 })).toMatchObject({
      flaps: 1,
      lastFailure: { status: 503 },
    })
    watch.interrupt()
    expect((await watch.ended).code).toBe(130)
    expect(server.registrations()).toEqual([])
  } finally {
    server.stop()
  }
})

test('--watch ends where nothing is left to be tried', async () => {
  const { sip } = await serve('alice:a1')
  const refused = await run(['register', '--watch', '--as', `alice:wrong@${sip}`, '-o', 'text'])
  expect(refused.code).toBe(11)
  expect(refused.stdout).toContain('not tried again')
})
