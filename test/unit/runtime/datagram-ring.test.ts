import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DatagramRing, ringMemory } from '../../../src/runtime/datagram-ring.ts'

interface Written {
  socket: number
  time: number
  address: string
  port: number
  data: Uint8Array
}

const datagram = (maximumBytes: number): fc.Arbitrary<Written> =>
  fc.record({
    socket: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    time: fc.double({ noNaN: true }),
    address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('')),
    port: fc.integer({ min: 0, max: 65_535 }),
    data: fc.uint8Array({ maxLength: maximumBytes }),
  })

const write = (ring: DatagramRing, { socket, time, address, port, data }: Written): boolean =>
  ring.write(socket, time, address, port, data)

function read(ring: DatagramRing): Written | undefined {
  if (!ring.next()) return undefined
  const data = new Uint8Array(ring.dataLength)
  ring.copyData(data)
  const { socket, time, port } = ring
  const address = ring.address()
  expect(ring.isAddress(address)).toBe(true)
  expect(ring.isAddress(`${address}0`)).toBe(false)
  ring.release()
  return { socket, time, address, port, data }
}

describe('a ring of datagrams', () => {
  it('hands out what was written, in order, whatever the sizes and whoever is faster', () => {
    const step = fc.oneof(datagram(300), fc.constant('read' as const))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const memory = ringMemory(2048)
        const [writer, reader] = [new DatagramRing(memory), new DatagramRing(memory)]
        const inside: Written[] = []
        for (const what of steps) {
          if (what === 'read') expect(read(reader)).toEqual(inside.shift())
          else if (write(writer, what)) inside.push(what)
        }
        for (const one of inside) expect(read(reader)).toEqual(one)
        expect(reader.next()).toBe(false)
        expect(writer.isEmpty).toBe(true)
      }),
    )
  })

  it('drops what does not fit, says so, and goes on', () => {
    const ring = new DatagramRing(ringMemory(1024))
    const packet = { socket: 1, time: 0, address: '192.0.2.1', port: 5004, data: new Uint8Array(172) }
    let fitted = 0
    while (write(ring, packet)) fitted++
    expect(fitted).toBe(4)
    expect(write(ring, { ...packet, data: new Uint8Array(2000) })).toBe(false)
    expect(read(ring)).toEqual(packet)
    expect(write(ring, packet)).toBe(true)
  })

  it('takes the largest datagram there is', () => {
    const ring = new DatagramRing(ringMemory(1 << 17))
    const data = Uint8Array.from({ length: 65_507 }, (_, i) => i)
    for (let i = 0; i < 5; i++) {
      expect(ring.write(7, i, '2001:db8::1', 65_535, data)).toBe(true)
      expect(read(ring)).toEqual({ socket: 7, time: i, address: '2001:db8::1', port: 65_535, data })
    }
  })

  it('goes on when its counters wrap', () => {
    const memory = ringMemory(1024)
    new Int32Array(memory, 0, 2).fill(0x7fffff00)
    const ring = new DatagramRing(memory)
    for (let i = 0; i < 1000; i++) {
      const packet = { socket: i, time: i, address: '::1', port: i, data: new Uint8Array(i % 200).fill(i) }
      expect(write(ring, packet)).toBe(true)
      expect(read(ring)).toEqual(packet)
    }
  })
})
