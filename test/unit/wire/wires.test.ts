// What Wires holds and gives back: connections of strangers and of peers at a listener.
import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { Network } from '../../../src/runtime/runtime.ts'
import { simulate } from '../../../src/sim/simulate.ts'
import { Wires } from '../../../src/wire/wires.ts'

const A = '203.0.113.1'
const B = '203.0.113.2'

/** A listener at a, and a connection from b that has said nothing yet. */
async function connected() {
  const world = simulate(1)
  const a = world.host('a', world.internet.at(A))
  const b = world.host('b', world.internet.at(B))
  const wires = new Wires({ clock: world.clock, network: a })
  const local = await wires.listenTcp({ address: A, port: 4000 })
  const connection = await world.clock.run(b.connectTcp(local, { timeoutMs: 1_000 }))
  await world.clock.advance(100)
  return { world, wires, local, connection }
}

describe('a connection that is being opened', () => {
  it('leaves nothing behind when it is not wanted any more', async () => {
    const world = simulate(1)
    const a = world.host('a', world.internet.at(A))
    const wires = new Wires({ clock: world.clock, network: a })
    // Nobody is there to refuse it.
    const remote = { address: B, port: 4000 }
    wires.transmit({ data: new Uint8Array(20), local: { address: A, port: 9 }, remote, over: 'tcp' })
    await world.clock.advance(100)
    wires.close()
    await world.clock.advance(0)
    expect(world.open).toEqual([])
    expect(world.clock.pendingTimers).toBe(0)
  })

  it('from a port that was taken for it meets that of a peer who begins later, in spite of refusals', async () => {
    const world = simulate(1)
    const ends = await Promise.all(
      [A, B].map(async (address) => {
        const host = world.host(address, world.internet.at(address, { latencyMs: 30 }))
        const wires = new Wires({ clock: world.clock, network: host })
        const heard: number[] = []
        wires.onDatagram = ({ data }) => heard.push(data[19]!)
        return { wires, heard, local: await wires.reserveTcp({ address, port: 0 }) }
      }),
    )
    const say = (from: number, what: number) => {
      const data = new Uint8Array([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...Array(11).fill(7), what])
      ends[from]!.wires.transmit({
        data,
        local: ends[from]!.local,
        remote: ends[1 - from]!.local,
        over: 'tcp',
      })
    }
    say(0, 1)
    await world.clock.advance(1_000)
    say(1, 2)
    await world.clock.advance(5_000)
    expect(ends.map(({ heard }) => heard)).toEqual([[2], [1]])
    for (const { wires } of ends) wires.close()
    await world.clock.advance(100)
    expect(world.open).toEqual([])
    expect(world.clock.pendingTimers).toBe(0)
  })

  it('again and again leaves one listener for its end, not one for each attempt', async () => {
    const world = simulate(1)
    const a = world.host('a', world.internet.at(A))
    world.host('b', world.internet.at(B))
    let attempts = 0
    let signal: AbortSignal | undefined
    const network: Network = Object.create(a.network)
    network.connectTcp = (remote, options) => {
      attempts++
      signal = options?.signal
      return a.network.connectTcp(remote, options)
    }
    const wires = new Wires({ clock: world.clock, network })
    const local = await wires.reserveTcp({ address: A, port: 0 })
    wires.transmit({ data: new Uint8Array(20), local, remote: { address: B, port: 4000 }, over: 'tcp' })
    await world.clock.advance(5_000)
    expect(attempts).toBeGreaterThan(10)
    expect(getEventListeners(signal!, 'abort').length).toBeLessThanOrEqual(1)
    wires.close()
    await world.clock.advance(100)
    expect(world.clock.pendingTimers).toBe(0)
  })
})

describe('a connection that was accepted', () => {
  it('is closed when nothing comes within 10 s', async () => {
    const { world, connection } = await connected()
    let closedAt: number | undefined
    connection.onClose = () => {
      closedAt = world.clock.now()
    }
    await world.clock.advance(20_000)
    expect(closedAt).toBeGreaterThan(9_000)
    expect(closedAt).toBeLessThan(11_000)
  })

  it('leaves no timer behind once it has spoken', async () => {
    const { world, wires, connection } = await connected()
    const heard: number[] = []
    wires.onDatagram = ({ data }) => heard.push(data.length)
    connection.write(new Uint8Array([0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...Array(12).fill(7)]))
    await world.clock.advance(100)
    expect(heard).toEqual([20])
    expect(world.clock.pendingTimers).toBe(0)
  })

  it.each(['close', 'closeListener'] as const)('leaves no timer behind after %s', async (end) => {
    const { world, wires, local } = await connected()
    wires[end](local)
    await world.clock.advance(100)
    expect(world.clock.pendingTimers).toBe(0)
  })
})

describe('a connection to a TURN server through a proxy', () => {
  it.each([
    ['the name of the server where it is known', 'turn.example', 'CONNECT turn.example:443 HTTP/1.1'],
    ['its address where it is not', undefined, 'CONNECT 203.0.113.2:443 HTTP/1.1'],
  ])('asks for %s', async (_what, hostName, expected) => {
    const world = simulate(1)
    const proxy = world.host('proxy', world.internet.at('203.0.113.3'))
    const listener = await proxy.network.listenTcp({ address: '203.0.113.3', port: 3128 })
    let asked = ''
    listener.onConnection = (connection) => {
      connection.onData = (data) => {
        asked += Buffer.from(data).toString('latin1')
      }
    }
    const host = world.host('a', world.internet.at(A))
    const wires = new Wires({
      clock: world.clock,
      network: host,
      proxy: { host: '203.0.113.3', port: 3128 },
    })
    wires.transmit({
      data: new Uint8Array(20),
      local: { address: A, port: 1 },
      remote: { address: B, port: 443 },
      over: 'turn-tcp',
      ...(hostName && { hostName }),
    })
    await world.clock.advance(200)
    wires.close()
    expect(asked.split('\r\n')[0]).toBe(expected)
  })
})
