import { encode } from 'dns-packet'
import { describe, expect, test } from 'vitest'
import { answerFor, isMulticastName, resolveMulticastName } from '../../../src/phone/mdns.ts'
import type { Runtime, UdpSocket } from '../../../src/runtime/runtime.ts'
import { simulate } from '../../../src/sim/simulate.ts'

const name = '3f1c2b6e-0000-4000-8000-000000000001.local'

const response = (id: number, address = '192.168.1.7', owner = name): Uint8Array =>
  encode({ type: 'response', id, answers: [{ type: 'A', name: owner, data: address }] })

test('names', () => {
  expect([name, 'printer.local', 'a.b.local.'].every(isMulticastName)).toBe(true)
  expect(['example.com', '192.0.2.1', 'local', '.local', 'evil\n.local'].some(isMulticastName)).toBe(false)
})

describe('answers', () => {
  test('of the question alone', () => {
    expect(answerFor(name, 7, response(7))).toBe('192.168.1.7')
    expect(answerFor(name.toUpperCase(), 7, response(7))).toBe('192.168.1.7')
    expect(answerFor(name, 8, response(7))).toBeUndefined()
    expect(answerFor(name, 7, response(7, '192.168.1.7', 'other.local'))).toBeUndefined()
  })

  test('and nothing else', () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(12).fill(255), response(7).subarray(0, 20)])
      expect(answerFor(name, 7, bytes)).toBeUndefined()
  })
})

/** A network on which one name is answered after so long, and the system's resolver knows nothing. */
function network(answers: (id: number) => Uint8Array | undefined, afterMs = 30) {
  const simulation = simulate(1)
  const host = simulation.host(
    'host',
    simulation.internet.at('192.0.2.1'),
    simulation.internet.at('192.0.2.2'),
  )
  const asked: string[] = []
  let open = 0
  const openUdp = async ({ address }: { address: string }): Promise<UdpSocket> => {
    open++
    const socket: UdpSocket = {
      local: { address: '0.0.0.0', port: 50_000 },
      onDatagram: undefined,
      onError: undefined,
      send: (data, to) => {
        asked.push(`${address} ${to.address}:${to.port}`)
        const answer = answers((data[0]! << 8) | data[1]!)
        if (answer)
          host.clock.setTimer(afterMs, () =>
            socket.onDatagram?.(answer, { address: '192.168.1.7', port: 5353 }),
          )
      },
      close: () => {
        open--
      },
    }
    return socket
  }
  const resolve = () => Promise.reject(new Error('unknown'))
  const runtime: Runtime = {
    clock: host.clock,
    random: host.random,
    files: host.files,
    network: Object.assign(Object.create(host), { openUdp, resolve }),
  }
  return { simulation, runtime, asked, open: () => open }
}

describe('a question', () => {
  test('goes to the group on every interface and is answered', async () => {
    const { simulation, runtime, asked, open } = network((id) => response(id))
    expect(await simulation.clock.run(resolveMulticastName(name, runtime))).toBe('192.168.1.7')
    expect(asked).toEqual(['192.0.2.1 224.0.0.251:5353', '192.0.2.2 224.0.0.251:5353'])
    await simulation.clock.advance(1)
    expect([open(), simulation.clock.pendingTimers]).toEqual([0, 0])
  })

  test('that nobody answers ends after 2 s', async () => {
    const { simulation, runtime, asked, open } = network(() => undefined)
    expect(await simulation.clock.run(resolveMulticastName(name, runtime))).toBeUndefined()
    expect(simulation.clock.now()).toBe(2_000)
    expect(asked).toHaveLength(4)
    expect([open(), simulation.clock.pendingTimers]).toEqual([0, 0])
  })
})
