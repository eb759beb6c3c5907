// The sample programs do what they say. Scenarios and the vitest sample are run elsewhere (test/e2e/cli, samples/*.test.ts).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { toneShare } from '../../src/audio/goertzel.ts'
import { readAll } from '../../src/audio/sources.ts'
import { hasHeard, openSource } from '../../src/index.ts'
import { Phone } from '../../src/phone/phone.ts'
import { nodeRuntime } from '../../src/runtime/node.ts'
import { Floe, plain, temporaryFolder } from './cli/cli.ts'

/** A sample that serves at a port of 127.0.0.1; resolves when it says that it does. */
async function serving(name: string, says: string, env: Record<string, string> = {}) {
  const probe = await nodeRuntime.network.listenTcp({ address: '127.0.0.1', port: 0 })
  const { port } = probe.local
  probe.close()
  const sample = new Floe([], {
    command: [process.execPath, `samples/${name}.mjs`],
    env: { PORT: String(port), ...env },
  })
  await expect.poll(() => sample.stdout, { timeout: 60_000 }).toContain(says)
  return {
    port,
    sample,
    async stop() {
      sample.child.kill('SIGTERM')
      expect((await sample.ended).code).toBe(0)
    },
  }
}

/** With G.711, which costs nothing: the samples take any codec. */
const callerOnLoopback = (): Promise<Phone> =>
  Phone.start({ codecs: ['PCMU'], listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }] })

test('own-network asks the oracle, and its phones hear each other over the relay', async () => {
  const sample = new Floe([], { command: [process.execPath, 'samples/own-network.mjs'] })
  const { code, stdout, stderr } = await sample.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('the oracle: none by themselves, relay with a TURN server')
  expect(stdout).toMatch(/verdict +✓ ok/)
})

test('hello-call dials echo-bot and reports a healthy call', async () => {
  const { port, sample: bot, stop } = await serving('echo-bot', 'echo bot at')
  const caller = new Floe([`sip:echo@127.0.0.1:${port}`, 'media/hello-8k.wav'], {
    command: [process.execPath, 'samples/hello-call.mjs'],
  })
  const outcome = await caller.ended
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(outcome.stdout)).toMatchObject({ codec: 'opus', verdict: { ok: true } })
  await expect.poll(() => bot.stdout, { timeout: 30_000 }).toMatch(/: fine/)
  await stop()
})

test('interruptible talks until the caller does', async () => {
  const { port, sample: bot, stop } = await serving('interruptible', 'waiting at')
  const words = [
    'call',
    `sip:bot@127.0.0.1:${port}`,
    '--play',
    'media/hello-8k.wav',
    '--for',
    '3s',
    '-o',
    'json',
    ...plain,
  ]
  expect((await new Floe(words).ended).code).toBe(0)
  await expect.poll(() => bot.stdout, { timeout: 30_000 }).toContain('speaks: interrupted')
  await stop()
})

test('recorder greets, beeps, and keeps both directions', async () => {
  const folder = temporaryFolder()
  const { port, sample: machine, stop } = await serving('recorder', 'waiting at', { FOLDER: folder })
  const phone = await callerOnLoopback()
  const call = await phone.call(`sip:recorder@127.0.0.1:${port}`, { play: 'tone:440' })
  await call.waitToHear('media/reply-8k.wav', 60_000)
  await call.hangUp()
  await phone.stop()
  await expect.poll(() => machine.stdout, { timeout: 30_000 }).toContain('call-1.wav')
  const octets = readFileSync(join(folder, 'call-1.wav'))
  const both = new Int16Array(octets.buffer.slice(octets.byteOffset + 80, octets.byteOffset + octets.length))
  const sampleRateHz = octets.readUInt32LE(24)
  const [sent, received] = [0, 1].map((side) => both.filter((_, i) => i % 2 === side)) as [
    Int16Array,
    Int16Array,
  ]
  const greeting = readAll(openSource('media/reply-8k.wav', nodeRuntime.files, 8_000), 60_000)
  expect(hasHeard({ samples: sent, sampleRateHz }, { samples: greeting, sampleRateHz: 8_000 }).heard).toBe(
    true,
  )
  expect(toneShare(received, sampleRateHz, 440, received.length >> 1)).toBeGreaterThan(0.9)
  await stop()
})

test('conference lets each of three callers hear the other two, and not themselves', async () => {
  const { port, sample: bridge, stop } = await serving('conference', 'conference at')
  const phones = await Promise.all([1, 2, 3].map(() => callerOnLoopback()))
  const tones = ['550', '850', '1250']
  const calls = await Promise.all(
    tones.map((hz, i) => phones[i]!.call(`sip:conference@127.0.0.1:${port}`, { play: `tone:${hz}` })),
  )
  await Promise.all([
    calls[0]!.waitToHear('tone:850+1250', 60_000),
    calls[1]!.waitToHear('tone:550+1250', 60_000),
    calls[2]!.waitToHear('tone:550+850', 60_000),
  ])
  expect((await calls[0]!.hasHeard('tone:550+850')).heard).toBe(false)
  expect(bridge.stdout).toContain('3 in the conference')
  await Promise.all(phones.map((phone) => phone.stop()))
  await expect.poll(() => bridge.stdout, { timeout: 30_000 }).toContain('leaves, 0 in the conference')
  await stop()
})
