// Sockets of media in threads of their own, as the built package has them: over real sockets, with generous limits.
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { TransportAddress } from '../../../src/runtime/address.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import type { Network, Runtime, UdpSocket } from '../../../src/runtime/runtime.ts'

const built = pathToFileURL(resolve('dist/runtime/node.js')).href
const loopback = { address: '127.0.0.1', port: 0 }
const bytes = (text: string): Uint8Array => Buffer.from(text)
const hasIpv6 = nodeRuntime.network.interfaces().some(({ address }) => address === '::1')

let runtime: Runtime
let threaded: Network
const workers: Worker[] = []
const started = (worker: Worker): unknown => workers.push(worker)

beforeAll(async () => {
  process.on('worker', started)
  const { runtimeWithMediaThreads } = (await import(built)) as typeof import('../../../src/runtime/node.ts')
  runtime = await runtimeWithMediaThreads(2)
  threaded = runtime.network
  return () => process.off('worker', started)
})

const opened: UdpSocket[] = []
afterEach(() => {
  for (const socket of opened.splice(0)) socket.close()
})
const open = async (network: Network = threaded, bind: TransportAddress = loopback): Promise<UdpSocket> => {
  const socket = await network.openUdp(bind, { media: true, receiveBufferBytes: 1 << 20 })
  opened.push(socket)
  return socket
}

interface Arrival {
  text: string
  from: TransportAddress
  at: number
}
/** Resolves when so many datagrams have come. */
const received = (socket: UdpSocket, count: number): Promise<Arrival[]> =>
  new Promise((done, reject) => {
    const all: Arrival[] = []
    socket.onError = reject
    socket.onDatagram = (data, from, at) => {
      all.push({ text: Buffer.from(data).toString(), from, at: at ?? nodeRuntime.clock.now() })
      if (all.length === count) done(all)
    }
  })

describe('media threads', () => {
  it('start, and say how far ahead they want datagrams', () => {
    expect(workers).toHaveLength(2)
    expect(threaded.departureLeadMs).toBeGreaterThan(0)
    expect(nodeRuntime.network.departureLeadMs).toBeUndefined()
  })

  it('carry datagrams both ways, empty and large ones too, and say where and when they came from', async () => {
    const [a, b] = [await open(), await open(nodeRuntime.network)]
    for (const text of ['ping', '', 'x'.repeat(60_000)]) {
      const atB = received(b, 1)
      a.send(bytes(text), b.local)
      expect(await atB).toMatchObject([{ text, from: a.local }])
      const before = runtime.clock.now()
      const atA = received(a, 1)
      b.send(bytes(text), a.local)
      const [arrival] = await atA
      expect(arrival).toMatchObject({ text, from: b.local })
      expect(arrival!.at).toBeGreaterThan(before - 1)
      expect(arrival!.at).toBeLessThanOrEqual(runtime.clock.now())
    }
  })

  it('bring media, alone and in numbers, whether or not the main thread is sending', async () => {
    const [a, b] = [await open(), await open(nodeRuntime.network)]
    const packet = (n: number): Uint8Array => Uint8Array.of(0x80, n)
    const texts = (count: number): string[] =>
      Array.from({ length: count }, (_, n) => Buffer.from(packet(n)).toString())
    for (const count of [1, 2, 50]) {
      const atA = received(a, count)
      for (let n = 0; n < count; n++) b.send(packet(n), a.local)
      expect((await atA).map(({ text }) => text)).toEqual(texts(count))
    }
    const [atA, atB] = [received(a, 50), received(b, 50)]
    for (let n = 0; n < 50; n++) {
      b.send(packet(n), a.local)
      a.send(packet(n), b.local, runtime.clock.now() + 4)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    expect((await atA).map(({ text }) => text)).toEqual(texts(50))
    expect((await atB).map(({ text }) => text)).toEqual(texts(50))
  })

  it.runIf(hasIpv6)('reach IPv6', async () => {
    const [a, b] = [
      await open(threaded, { address: '::1', port: 0 }),
      await open(threaded, { address: '::1', port: 0 }),
    ]
    const atB = received(b, 1)
    a.send(bytes('six'), b.local)
    expect(await atB).toMatchObject([{ text: 'six', from: a.local }])
  })

  it('send at departure times, in their order, and what has none at once', async () => {
    const [a, b] = [await open(), await open(nodeRuntime.network)]
    const start = runtime.clock.now()
    const times = Array.from({ length: 50 }, (_, i) => start + 100 + 4 * i)
    const arrivals = received(b, times.length + 1)
    // Handed over in another order than they leave.
    for (const at of [...times].reverse()) a.send(bytes(String(times.indexOf(at))), b.local, at)
    a.send(bytes('now'), b.local)
    const [first, ...others] = await arrivals
    expect(first!.text).toBe('now')
    expect(others.map(({ text }) => text)).toEqual(times.map((_, i) => String(i)))
    for (const [i, { at }] of others.entries()) expect(at).toBeGreaterThan(times[i]! - 0.5)
    expect(others.at(-1)!.at).toBeLessThan(times.at(-1)! + 5_000)
  })

  it('keep the order of each sender, and lose nothing, while all send and receive', async () => {
    const sockets = await Promise.all([open(), open(), open()])
    // No more at once than a receive buffer holds: nobody acknowledges anything.
    const texts = Array.from({ length: 50 }, (_, n) => String(n))
    for (let round = 0; round < 20; round++) {
      const all = Promise.all(sockets.map((socket) => received(socket, texts.length)))
      const start = runtime.clock.now()
      for (const [n, text] of texts.entries())
        for (const [i, socket] of sockets.entries())
          socket.send(bytes(text), sockets[(i + 1) % 3]!.local, i === 0 ? undefined : start + n / 10)
      for (const arrivals of await all) expect(arrivals.map(({ text }) => text)).toEqual(texts)
    }
  })

  it('hold thousands of sockets', async () => {
    const sockets = await Promise.all(Array.from({ length: 1_500 }, () => open()))
    expect(new Set(sockets.map(({ local }) => local.port)).size).toBe(sockets.length)
    const b = await open(nodeRuntime.network)
    for (let at = 0; at < sockets.length; at += 100) {
      const some = sockets.slice(at, at + 100)
      const all = received(b, some.length)
      for (const socket of some) socket.send(bytes('here'), b.local, runtime.clock.now() + 2)
      expect(new Set((await all).map(({ from }) => from.port))).toEqual(
        new Set(some.map(({ local }) => local.port)),
      )
    }
  })

  it('send what still waits when a socket is closed, and then nothing', async () => {
    const [a, b] = [await open(), await open(nodeRuntime.network)]
    const atB = received(b, 3)
    const later = runtime.clock.now() + 60_000
    a.send(bytes('one'), b.local, later)
    a.send(bytes('two'), b.local, later + 20)
    a.send(bytes('BYE'), b.local, later + 20)
    a.close()
    a.send(bytes('too late'), b.local)
    expect((await atB).map(({ text }) => text)).toEqual(['one', 'two', 'BYE'])
    // Its port is free again, as soon as the thread has closed it.
    const again = (): Promise<UdpSocket> => open(threaded, a.local)
    await expect
      .poll(() => again().catch((error: Error) => error.message), { timeout: 10_000 })
      .toMatchObject({
        local: a.local,
      })
  })

  it('say in one sentence why a socket cannot be opened', async () => {
    const a = await open()
    await expect(open(threaded, a.local)).rejects.toMatchObject({
      name: 'NetworkError',
      message: `UDP port ${a.local.port} on 127.0.0.1 is in use by another program: stop it or choose another`,
    })
    await expect(open(threaded, { address: '203.0.113.77', port: 0 })).rejects.toThrow(
      'no interface of this machine',
    )
  })

  it('report a datagram that cannot be sent, and go on', async () => {
    const [a, b] = [await open(), await open(nodeRuntime.network)]
    const failed = new Promise<Error>((done) => {
      a.onError = done
    })
    a.send(new Uint8Array(65_535), b.local)
    expect((await failed).message).toContain('EMSGSIZE')
    const atB = received(b, 1)
    a.send(bytes('still here'), b.local)
    expect(await atB).toMatchObject([{ text: 'still here' }])
  })

  it('drop what finds no room while either side is busy, say so, and go on', async () => {
    const [a, b] = [await open(), await open(nodeRuntime.network)]
    const large = new Uint8Array(60_000)
    const complaint = (): Promise<string> =>
      new Promise((resolve) => {
        a.onError = ({ message }) => resolve(message)
      })
    const sending = complaint()
    for (let n = 0; n < 1_000; n++) a.send(large, b.local)
    expect(await sending).toBe(
      'the thread of the media sockets does not keep up, packets were dropped: use more threads',
    )
    const receiving = complaint()
    const pause = new Int32Array(new SharedArrayBuffer(4))
    for (let n = 0; n < 300; n++) {
      b.send(large, a.local)
      // The main thread does nothing else meanwhile; the other one can empty the buffer of the socket.
      Atomics.wait(pause, 0, 0, 2)
    }
    expect(await receiving).toContain('the program was busy for so long that packets')
    const arrived = new Promise<string>((resolve) => {
      a.onDatagram = (data) => data.length < large.length && resolve(Buffer.from(data).toString())
    })
    const again = setInterval(() => b.send(bytes('still here'), a.local), 20)
    expect(await arrived).toBe('still here')
    clearInterval(again)
  })

  it('leave sockets that are not for media where they were', async () => {
    const before = workers.length
    const socket = await threaded.openUdp(loopback)
    opened.push(socket)
    expect(socket.constructor.name).toBe('NodeUdpSocket')
    expect(workers).toHaveLength(before)
  })

  it('tell every socket when they die, and others take their place', async () => {
    const sockets = await Promise.all([open(), open()])
    const told = sockets.map(
      (socket) =>
        new Promise<Error>((done) => {
          socket.onError = done
        }),
    )
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
    for (const error of await Promise.all(told))
      expect(error.message).toMatch(/^the thread of the media sockets has ended/)
    for (const socket of sockets) socket.send(bytes('into the void'), sockets[0]!.local)
    const [a, b] = [await open(), await open()]
    expect(workers).toHaveLength(2)
    const atB = received(b, 1)
    a.send(bytes('risen'), b.local)
    expect(await atB).toMatchObject([{ text: 'risen' }])
  })
})

describe('a process with media threads', () => {
  /** Runs a program beside `built`; resolves with its exit code and what it has written. */
  const run = (program: string): Promise<{ code: number | null; output: string }> =>
    new Promise((done) => {
      const source = `const { runtimeWithMediaThreads } = await import(${JSON.stringify(built)})
        const { network, clock } = await runtimeWithMediaThreads(1)
        ${program}`
      const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let output = ''
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data) => {
          output += data
        })
      child.on('close', (code) => done({ code, output }))
    })
  const target = ({ local }: UdpSocket): string => JSON.stringify(local)

  it('ends by itself when its sockets are closed, also where it never had one', async () => {
    expect(await run('')).toEqual({ code: 0, output: '' })
    const program = `const socket = await network.openUdp({ address: '127.0.0.1', port: 0 }, { media: true })
      socket.close()`
    expect(await run(program)).toEqual({ code: 0, output: '' })
  })

  it('lives while one is open', async () => {
    const b = await open(nodeRuntime.network)
    const atB = received(b, 1)
    const ended =
      run(`const socket = await network.openUdp({ address: '127.0.0.1', port: 0 }, { media: true })
      socket.onDatagram = (data, from) => { socket.send(data, from); socket.close() }
      socket.send(Buffer.from('hello'), ${target(b)})`)
    const [{ from }] = (await atB) as [Arrival]
    const echo = received(b, 1)
    b.send(bytes('echo'), from)
    expect(await echo).toMatchObject([{ text: 'echo' }])
    expect(await ended).toEqual({ code: 0, output: '' })
  })

  it.each(['socket.close(); process.exit(0)', 'process.exit(0)'])(
    'loses nothing that was sent before: %s',
    async (end) => {
      const b = await open(nodeRuntime.network)
      const atB = received(b, 21)
      const { code, output } = await run(`
        const socket = await network.openUdp({ address: '127.0.0.1', port: 0 }, { media: true })
        for (let i = 0; i < 20; i++) socket.send(Buffer.from(String(i)), ${target(b)}, clock.now() + 5 * i)
        socket.send(Buffer.from('BYE'), ${target(b)}, clock.now() + 100)
        ${end}`)
      expect({ code, output }).toEqual({ code: 0, output: '' })
      expect((await atB).map(({ text }) => text)).toEqual([...Array(20).keys(), 'BYE'].map(String))
    },
  )
})
