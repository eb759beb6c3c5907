// The sample programs do what they say. Scenarios and the vitest sample are run elsewhere (test/e2e/cli, samples/*.test.ts).
import { expect, test } from 'vitest'
import { nodeRuntime } from '../../src/runtime/node.ts'
import { Floe } from './cli/cli.ts'

test('own-network asks the oracle, and its phones hear each other over the relay', async () => {
  const sample = new Floe([], { command: [process.execPath, 'samples/own-network.mjs'] })
  const { code, stdout, stderr } = await sample.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('the oracle: none by themselves, relay with a TURN server')
  expect(stdout).toMatch(/verdict +✓ ok/)
})

test('hello-call dials echo-bot and reports a healthy call', async () => {
  const probe = await nodeRuntime.network.listenTcp({ address: '127.0.0.1', port: 0 })
  const { port } = probe.local
  probe.close()
  const bot = new Floe([], {
    command: [process.execPath, 'samples/echo-bot.mjs'],
    env: { PORT: String(port) },
  })
  await expect.poll(() => bot.stdout, { timeout: 10_000 }).toContain('echo bot at')
  const caller = new Floe([`sip:echo@127.0.0.1:${port}`, 'media/hello-8k.wav'], {
    command: [process.execPath, 'samples/hello-call.mjs'],
  })
  const outcome = await caller.ended
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(outcome.stdout)).toMatchObject({ codec: 'PCMU', verdict: { ok: true } })
  await expect.poll(() => bot.stdout, { timeout: 10_000 }).toMatch(/: fine/)
  bot.child.kill('SIGTERM')
  expect((await bot.ended).code).toBe(0)
})

test('interruptible talks until the caller does', async () => {
  const probe = await nodeRuntime.network.openUdp({ address: '127.0.0.1', port: 0 })
  const { port } = probe.local
  probe.close()
  const bot = new Floe([], {
    command: [process.execPath, 'samples/interruptible.mjs'],
    env: { PORT: String(port) },
  })
  await expect.poll(() => bot.stdout, { timeout: 20_000 }).toContain('waiting at')
  const words = [
    'call',
    `sip:bot@127.0.0.1:${port}`,
    '--play',
    'media/hello-8k.wav',
    '--for',
    '3s',
    '-o',
    'json',
  ]
  expect((await new Floe(words).ended).code).toBe(0)
  await expect.poll(() => bot.stdout, { timeout: 10_000 }).toContain('speaks: interrupted')
  bot.child.kill('SIGTERM')
  expect((await bot.ended).code).toBe(0)
})
