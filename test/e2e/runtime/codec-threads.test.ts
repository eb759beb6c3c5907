// Encoders in threads of their own, as the built package has them.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Codec, PipelinedEncoder } from '../../../src/codec/codec.ts'
import { encodedInThreads as encodedInThreadsOfSource } from '../../../src/codec/threaded-encoder.ts'
import type { Phone } from '../../../src/phone/phone.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'

const built = (path: string): string => pathToFileURL(resolve('dist', path)).href
const { encodedInThreads } = (await import(
  built('codec/threaded-encoder.js')
)) as typeof import('../../../src/codec/threaded-encoder.ts')
const { codecByName } = (await import(
  built('codec/registry.js')
)) as typeof import('../../../src/codec/registry.ts')
const { nodeRuntime: builtRuntime } = (await import(
  built('runtime/node.js')
)) as typeof import('../../../src/runtime/node.ts')

const workers = new Set<Worker>()
const started = (worker: Worker): void => {
  workers.add(worker)
  worker.once('exit', () => workers.delete(worker))
}
beforeAll(() => void process.on('worker', started))
afterAll(async () => {
  process.off('worker', started)
  await Promise.all([...workers].map((worker) => worker.terminate()))
})

const threaded = async (name: string, onEnd = (): void => undefined, count = 2): Promise<Codec> => {
  const codec = encodedInThreads(codecByName(name)!, count, builtRuntime, onEnd)
  await codec.load?.()
  return codec
}
const speech = (sampleRateHz: number): Int16Array =>
  new Int16Array(readFileSync(`media/hello-${sampleRateHz / 1000}k.wav`).buffer.slice(44))
const framesOf = (samples: Int16Array, length: number, count: number): Int16Array[] =>
  Array.from({ length: count }, (_, n) => samples.slice(n * length, (n + 1) * length))
const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

/** As soon as the thread has made it. */
async function take(encoder: PipelinedEncoder): Promise<Uint8Array> {
  const out = new Uint8Array(1_500)
  for (;;) {
    const length = encoder.finish(out)
    if (length !== undefined) return out.slice(0, length)
    await turn()
  }
}
async function encodeAll(encoder: PipelinedEncoder, frames: Int16Array[]): Promise<Uint8Array[]> {
  const packets = []
  for (const frame of frames) {
    encoder.begin(frame)
    await turn()
    packets.push(await take(encoder))
  }
  return packets
}

const encoders: PipelinedEncoder[] = []
/** Of 20 ms. */
const open = (codec: Codec, fmtp?: string, samples = codec.sampleRateHz / 50): PipelinedEncoder => {
  const encoder = codec.createPipelinedEncoder!(samples, fmtp)!
  encoders.push(encoder)
  return encoder
}
afterEach(() => {
  for (const encoder of encoders.splice(0)) encoder.close()
})

describe('encoders in threads', () => {
  it.each(['opus', 'G722'])('make the same packets of %s as one in the main thread', async (name) => {
    const codec = await threaded(name)
    expect(workers.size).toBe(2)
    const asked = name === 'opus' ? ['', 'useinbandfec=1', 'maxaveragebitrate=12000;usedtx=1'] : [undefined]
    const length = codec.sampleRateHz / 50
    const frames = framesOf(speech(codec.sampleRateHz), length, 30)
    await Promise.all(
      Array.from({ length: 4 }, async (_, n) => {
        const fmtp = asked[n % asked.length]
        const plain = codecByName(name)!.createEncoder(fmtp)
        // libopus makes its encoder in a moment of its own.
        await turn()
        const expected = frames.map((frame) => {
          const out = new Uint8Array(1_500)
          return out.slice(0, plain.encode(frame, out))
        })
        plain.close?.()
        expect(expected.some((packet) => packet.length > 0)).toBe(true)
        expect(await encodeAll(open(codec, fmtp), frames)).toEqual(expected)
      }),
    )
    expect(workers.size).toBe(2)
  })

  it('are set as theirs in the main thread would be, and arm themselves against loss', async () => {
    const name = 'opus:bitrate=24000:cbr:application=audio'
    const codec = await threaded(name, undefined, 1)
    const frames = framesOf(speech(48_000), 960, 40)
    const plain = codecByName(name)!.createEncoder('useinbandfec=1')
    await turn()
    const encode = (frame: Int16Array): Uint8Array => {
      const out = new Uint8Array(1_500)
      return out.slice(0, plain.encode(frame, out))
    }
    const encoder = open(codec, 'useinbandfec=1')
    expect(await encodeAll(encoder, frames)).toEqual(frames.map(encode))
    plain.expectLoss!(20)
    encoder.expectLoss!(20)
    // The thread hears of another encoder after that.
    await encodeAll(open(codec), frames.slice(0, 1))
    expect(await encodeAll(encoder, frames)).toEqual(frames.map(encode))
    plain.close?.()
    expect([0xf8, 0xfc].map((octet) => encoder.takes!(Uint8Array.of(octet)))).toEqual([true, false])
  })

  it('take frames of any packet time', async () => {
    const codec = await threaded('opus')
    for (const ptimeMs of [10, 40, 60]) {
      const frames = framesOf(speech(48_000), 48 * ptimeMs, 10)
      const packets = await encodeAll(open(codec, '', 48 * ptimeMs), frames)
      expect(packets.every((packet) => packet.length > 0)).toBe(true)
    }
  })

  it('may be closed at any time, and others go on', async () => {
    const codec = await threaded('opus')
    const frames = framesOf(speech(48_000), 960, 40)
    const staying = open(codec)
    const expected = await encodeAll(open(codec), frames)
    const packets = []
    for (const frame of frames) {
      const leaving = [codec.createPipelinedEncoder!(960)!, codec.createPipelinedEncoder!(960)!]
      leaving[0]!.begin(frame)
      packets.push(...(await encodeAll(staying, [frame])))
      for (const encoder of leaving) encoder.close()
    }
    expect(packets).toEqual(expected)
  })

  it('go on in the main thread when theirs has died, and the next have new ones', async () => {
    let told = 0
    const codec = await threaded('opus', () => told++)
    const frames = framesOf(speech(48_000), 960, 20)
    const four = [open(codec), open(codec), open(codec), open(codec)]
    await Promise.all(four.map((encoder) => encodeAll(encoder, frames)))
    for (const encoder of four) encoder.begin(frames[0]!)
    await Promise.all([...workers].map((worker) => worker.terminate()))
    expect(told).toBe(4)
    for (const encoder of four) expect((await take(encoder)).length).toBeGreaterThan(0)
    for (const encoder of four)
      expect((await encodeAll(encoder, frames)).every((packet) => packet.length > 0)).toBe(true)
    expect(codec.createPipelinedEncoder!(960)).toBeUndefined()
    await codec.load!()
    expect(workers.size).toBe(2)
    expect(await encodeAll(open(codec), frames)).toEqual(await encodeAll(open(codec), frames))
  })

  it('are those of the main thread where there are no threads, and where nothing is gained', async () => {
    const opus = codecByName('opus')!
    // Beside the sources there is no file that a thread could run.
    const codec = encodedInThreadsOfSource(opus, 2, nodeRuntime, () => undefined)
    await codec.load!()
    expect(codec.createPipelinedEncoder!(960)).toBeUndefined()
    const { startThread: _, ...withoutThreads } = builtRuntime
    expect(encodedInThreads(opus, 2, withoutThreads, () => undefined)).toBe(opus)
    expect(encodedInThreads(opus, 0, builtRuntime, () => undefined)).toBe(opus)
    const pcmu = codecByName('PCMU')!
    expect(encodedInThreads(pcmu, 2, builtRuntime, () => undefined)).toBe(pcmu)
  })
})

describe('a process with codec threads', () => {
  /** Runs a program that has a codec with such threads; resolves with its exit code and what it has written. */
  const run = (program: string, flags: string[] = []): Promise<{ code: number | null; output: string }> =>
    new Promise((done) => {
      const source = `const { encodedInThreads } = await import(${JSON.stringify(built('codec/threaded-encoder.js'))})
        const { opus } = await import(${JSON.stringify(built('codec/opus.js'))})
        const { nodeRuntime } = await import(${JSON.stringify(built('runtime/node.js'))})
        const codec = encodedInThreads(opus, 2, nodeRuntime, () => {})
        await codec.load()
        ${program}`
      const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', source], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let output = ''
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data) => {
          output += data
        })
      child.on('close', (code) => done({ code, output }))
    })

  it.each(['', 'process.exit(0)'])('ends whatever its encoders are about: %s', async (end) => {
    const program = `for (let i = 0; i < 10; i++) codec.createPipelinedEncoder(960).begin(new Int16Array(960))
      ${end}`
    expect(await run(program)).toEqual({ code: 0, output: '' })
  })

  it('encodes by itself where it may not have any', async () => {
    const permission = process.allowedNodeEnvironmentFlags.has('--permission')
      ? '--permission'
      : '--experimental-permission'
    const flags = [permission, '--allow-fs-read=*', '--no-warnings']
    const program = 'console.log(codec.createPipelinedEncoder(960))'
    expect(await run(program, flags)).toEqual({ code: 0, output: 'undefined\n' })
  })
})

describe('phones with codec threads', () => {
  const phones: Phone[] = []
  afterEach(async () => {
    await Promise.all(phones.splice(0).map((phone) => phone.stop()))
  })

  it('are heard, also after a thread has died', async () => {
    const { Phone } = (await import(built('index.js'))) as typeof import('../../../src/index.ts')
    const start = async (): Promise<Phone> => {
      const phone = await Phone.start({
        listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
        codecs: ['opus'],
        codecThreads: 2,
      })
      phones.push(phone)
      return phone
    }
    const [alice, bob] = [await start(), await start()]
    const incoming = bob.nextCall()
    const { port } = bob.addresses[0]!
    const call = await alice.call(`sip:bob@127.0.0.1:${port}`, { play: 'tone:440' })
    const answered = await incoming
    await answered.answer({ play: 'tone:620' })
    expect((await answered.waitToHear('tone:440', 15_000)).heard).toBe(true)
    expect((await call.waitToHear('tone:620', 15_000)).heard).toBe(true)
    expect(workers.size).toBe(2)
    await Promise.all([...workers].map((worker) => worker.terminate()))
    void call.play('tone:1000')
    expect((await answered.waitToHear('tone:1000', 15_000)).heard).toBe(true)
    await call.hangUp()
    expect(call.trace.facts.filter(({ type }) => type === 'warning')).toMatchObject([
      { message: expect.stringMatching(/^a codec thread has ended/) },
    ])
  }, 60_000)

  it('want a whole number of them', async () => {
    const { Phone } = (await import(built('index.js'))) as typeof import('../../../src/index.ts')
    await expect(Phone.start({ codecThreads: -1 })).rejects.toThrow(
      'codecThreads is -1: use a whole number from 0 to 64',
    )
  })
})
