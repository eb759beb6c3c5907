import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NetworkError, UsageError } from '../../../src/errors.ts'
import type { TransportAddress } from '../../../src/runtime/address.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import type { TcpConnection, UdpSocket } from '../../../src/runtime/runtime.ts'

const { clock, network, random, files } = nodeRuntime
const LOOPBACK = { address: '127.0.0.1', port: 0 }
const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (data: Uint8Array): string => Buffer.from(data).toString()
const hasIpv6 = network.interfaces().some((i) => i.address === '::1')

const opened: { close(): void }[] = []
afterEach(() => {
  for (const thing of opened.splice(0)) thing.close()
})
const udp = async (bind: TransportAddress = LOOPBACK): Promise<UdpSocket> => {
  const socket = await network.openUdp(bind, { receiveBufferBytes: 1 << 18 })
  opened.push(socket)
  return socket
}
const received = (socket: UdpSocket): Promise<{ data: Uint8Array; from: TransportAddress }> =>
  new Promise((resolve, reject) => {
    socket.onDatagram = (data, from) => resolve({ data, from })
    socket.onError = reject
  })

describe('clock', () => {
  it('never calls back before the delay has passed', async () => {
    for (const delayMs of [0, 0.4, 1, 3.7, 10.2]) {
      const start = clock.now()
      await new Promise<void>((resolve) => clock.setTimer(delayMs, resolve))
      expect(clock.now() - start).toBeGreaterThanOrEqual(delayMs)
    }
  })

  it('does not call back a cancelled timer, not even one with no delay', async () => {
    let called = 0
    clock.setTimer(0, () => called++).cancel()
    clock.setTimer(2, () => called++).cancel()
    await new Promise<void>((resolve) => clock.setTimer(8, resolve))
    expect(called).toBe(0)
  })

  it('takes delays beyond the 24.8 days of setTimeout', async () => {
    let called = 0
    const timer = clock.setTimer(2 ** 40, () => called++)
    await new Promise<void>((resolve) => clock.setTimer(10, resolve))
    timer.cancel()
    expect(called).toBe(0)
  })
})

describe('UDP', () => {
  it('carries datagrams both ways and says where they came from', async () => {
    const [a, b] = [await udp(), await udp()]
    const atB = received(b)
    a.send(bytes('ping'), b.local)
    const first = await atB
    expect(text(first.data)).toBe('ping')
    expect(first.from).toEqual(a.local)
    const atA = received(a)
    b.send(bytes('pong'), first.from)
    expect(text((await atA).data)).toBe('pong')
  })

  it('gives every datagram its own bytes', async () => {
    const [a, b] = [await udp(), await udp()]
    const kept: Uint8Array[] = []
    const all = new Promise<void>((resolve) => {
      b.onDatagram = (data) => {
        kept.push(data)
        if (kept.length === 3) resolve()
      }
    })
    for (const word of ['one', 'two', 'three']) a.send(bytes(word), b.local)
    await all
    expect(kept.map(text)).toEqual(['one', 'two', 'three'])
  })

  it.skipIf(!hasIpv6)('unmaps IPv4 addresses on a socket bound to ::', async () => {
    const both = await udp({ address: '::', port: 0 })
    const four = await udp()
    const arrival = received(both)
    four.send(bytes('x'), { address: '127.0.0.1', port: both.local.port })
    expect((await arrival).from).toEqual(four.local)
    const back = received(four)
    both.send(bytes('y'), four.local)
    expect((await back).from).toEqual({ address: '127.0.0.1', port: both.local.port })
  })

  it.each([
    { address: 'no-literal.example', port: 9 },
    { address: '127.0.0.1', port: 0 },
    { address: '::1', port: 9 },
  ])('reports what cannot be sent to $address:$port instead of throwing', async (to) => {
    const socket = await udp()
    const error = new Promise<Error>((resolve) => {
      socket.onError = resolve
    })
    socket.send(bytes('x'), to)
    expect(await error).toBeInstanceOf(Error)
  })

  it('is silent after close, which may come twice', async () => {
    const socket = await udp()
    socket.close()
    socket.close()
    socket.send(bytes('x'), LOOPBACK)
  })

  it('says which port is in use and what to do', async () => {
    const first = await udp()
    const refusal = network.openUdp(first.local)
    await expect(refusal).rejects.toThrow(NetworkError)
    await expect(refusal).rejects.toThrow(
      `UDP port ${first.local.port} on 127.0.0.1 is in use by another program: stop it or choose another`,
    )
  })

  it('says that no interface has the address', async () => {
    await expect(network.openUdp({ address: '192.0.2.77', port: 0 })).rejects.toThrow(
      'cannot bind UDP to 192.0.2.77:0: no interface of this machine has that address; choose another',
    )
  })

  it('rejects a port that does not exist', async () => {
    await expect(network.openUdp({ address: '127.0.0.1', port: 70_000 })).rejects.toThrow(NetworkError)
  })
})

describe('TCP', () => {
  const pair = async (): Promise<[TcpConnection, TcpConnection]> => {
    const listener = await network.listenTcp(LOOPBACK)
    opened.push(listener)
    const accepted = new Promise<TcpConnection>((resolve) => {
      listener.onConnection = resolve
    })
    const client = await network.connectTcp(listener.local)
    const server = await accepted
    opened.push(client, server)
    return [client, server]
  }

  it('keeps bytes that arrive before there is a handler, in order', async () => {
    const [client, server] = await pair()
    expect(server.remote).toEqual(client.local)
    for (let i = 0; i < 100; i++) client.write(bytes(`${i},`))
    await new Promise<void>((resolve) => clock.setTimer(10, resolve))
    const expected = Array.from({ length: 100 }, (_, i) => `${i},`).join('')
    const heard = await new Promise<string>((resolve) => {
      let sofar = ''
      server.onData = (data) => {
        sofar += text(data)
        if (sofar.length === expected.length) resolve(sofar)
      }
    })
    expect(heard).toBe(expected)
  })

  it('discards what the network has not taken when it is aborted', async () => {
    const [client, server] = await pair()
    const written = 3_000_000
    client.write(new Uint8Array(written))
    client.abort()
    let heard = 0
    server.onData = (data) => {
      heard += data.length
    }
    await new Promise<void>((resolve) => {
      server.onClose = () => resolve()
    })
    expect(heard).toBeLessThan(written)
  })

  it('flushes what was written before close, and closes exactly once on both sides', async () => {
    const [client, server] = await pair()
    let heard = ''
    let closes = 0
    server.onData = (data) => {
      heard += text(data)
    }
    const both = new Promise<void>((resolve) => {
      const closed = (error?: Error): void => {
        expect(error).toBeUndefined()
        if (++closes === 2) resolve()
      }
      client.onClose = closed
      server.onClose = closed
    })
    client.onData = () => undefined
    client.write(bytes('x'.repeat(100_000)))
    client.close()
    client.close()
    await both
    client.write(bytes('late'))
    await new Promise<void>((resolve) => clock.setTimer(5, resolve))
    expect([heard.length, closes]).toEqual([100_000, 2])
  })

  it('closes the connection of a peer that does not read, instead of filling the memory', async () => {
    const [client, server] = await pair()
    const closed = new Promise<Error | undefined>((resolve) => {
      server.onClose = resolve
    })
    for (let i = 0; i < 400; i++) server.write(new Uint8Array(64 * 1024))
    expect((await closed)?.message).toMatch(/does not read what it is sent/)
    client.close()
  })

  it('says that a connection was refused', async () => {
    const listener = await network.listenTcp(LOOPBACK)
    listener.close()
    const attempt = network.connectTcp(listener.local)
    await expect(attempt).rejects.toThrow(NetworkError)
    await expect(attempt).rejects.toThrow(
      `TCP 127.0.0.1:${listener.local.port} refused the connection: check the port and that the server runs`,
    )
  })

  it('says which TCP port is in use', async () => {
    const listener = await network.listenTcp(LOOPBACK)
    opened.push(listener)
    await expect(network.listenTcp(listener.local)).rejects.toThrow('is in use by another program')
  })
})

describe('names, routes and interfaces', () => {
  it.each([
    ['192.0.2.1', ['192.0.2.1']],
    ['[2001:db8::1]', ['2001:db8::1']],
    ['fe80::1%eth0', ['fe80::1']],
    ['::ffff:192.0.2.1', ['192.0.2.1']],
  ])('resolves the literal %s to itself', async (host, expected) => {
    expect(await network.resolve(host)).toEqual(expected)
  })

  it('says that a name cannot be resolved', async () => {
    // RFC 6761 6.4: names under .invalid never exist. A label over 63 octets is refused before anything is sent.
    const host = `${'x'.repeat(64)}.invalid`
    await expect(network.resolve(host)).rejects.toThrow(
      /^could not resolve x+\.invalid \(E\w+\): check the name/,
    )
  })

  it('finds the loopback interface and the source address towards it', async () => {
    expect(network.interfaces()).toContainEqual(
      expect.objectContaining({ address: '127.0.0.1', family: 4, loopback: true }),
    )
    expect(await network.sourceAddressFor({ address: '127.0.0.1', port: 5060 })).toBe('127.0.0.1')
    expect(await network.sourceAddressFor({ address: 'not-a-literal', port: 5060 })).toBeUndefined()
  })

  it('sends nothing to find a source address', async () => {
    const witness = createSocket('udp4')
    await new Promise<void>((resolve) => witness.bind(0, '127.0.0.1', resolve))
    let heard = 0
    witness.on('message', () => heard++)
    await network.sourceAddressFor({ address: '127.0.0.1', port: witness.address().port })
    await new Promise<void>((resolve) => clock.setTimer(5, resolve))
    witness.close()
    expect(heard).toBe(0)
  })
})

describe('files', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'floe-runtime-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('writes and reads by position', () => {
    const path = join(folder, 'a.bin')
    const file = files.openForWriting(path)
    file.write(bytes('world'), 6)
    file.write(bytes('hello '), 0)
    const into = new Uint8Array(20)
    expect(file.read(into, 3)).toBe(8)
    file.close()
    file.close()
    const again = files.openForReading(path)
    expect(again.sizeBytes()).toBe(11)
    again.close()
    expect(files.readText(path)).toBe('hello world')
  })

  it('says what is wrong with a path', () => {
    const missing = join(folder, 'none.wav')
    expect(() => files.openForReading(missing)).toThrow(UsageError)
    expect(() => files.openForReading(missing)).toThrow(
      `cannot read ${missing}: there is no such file or folder`,
    )
    expect(() => files.openForReading(folder)).toThrow(`cannot read ${folder}: it is a folder`)
    expect(() => files.openForWriting(folder)).toThrow(`cannot write ${folder}: it is a folder`)
    expect(() => files.writeText(join(missing, 'x'), '')).toThrow(UsageError)
  })

  it('says what is no file, and does not wait for who might write into a pipe', () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const reason = 'it is a pipe or a device, not a file'
    expect(() => files.openForReading(pipe)).toThrow(`cannot read ${pipe}: ${reason}`)
    expect(() => files.openForReading('/dev/zero')).toThrow(`cannot read /dev/zero: ${reason}`)
    const file = files.openForWriting(pipe)
    expect(() => file.write(bytes('hello'), 0)).toThrow(`cannot write ${pipe}: ${reason}`)
    file.close()
  })

  it('says that the disk is full', () => {
    const file = files.openForWriting('/dev/full')
    expect(() => file.write(bytes('hello'), 0)).toThrow('cannot write /dev/full: the disk is full')
    file.close()
  })
})

it('draws random bytes and integers in range', () => {
  expect(random.bytes(16)).toHaveLength(16)
  expect(random.bytes(10_000)).toHaveLength(10_000)
  const drawn = Array.from({ length: 2_000 }, () => Buffer.from(random.bytes(12)).toString('hex'))
  expect(new Set(drawn).size).toBe(2_000)
  for (let i = 0; i < 100; i++) expect(random.integer(3)).toBeLessThan(3)
  expect(random.integer(2 ** 32)).toBeLessThan(2 ** 32)
})
