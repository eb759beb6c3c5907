import { describe, expect, it } from 'vitest'
import { PcapngWriter } from '../../../src/trace/pcapng.ts'

const file = () => {
  const blocks: Buffer[] = []
  return { writer: new PcapngWriter((block) => blocks.push(Buffer.from(block))), blocks }
}
/** Of an enhanced packet block. */
const packet = (block: Buffer) => block.subarray(28, 28 + block.readUInt32LE(20))
/** RFC 1071: over a right header the sum is 0. */
const sum = (data: Buffer): number => {
  let total = 0
  const even = data.length % 2 === 0 ? data : Buffer.concat([data, Buffer.alloc(1)])
  for (let i = 0; i < even.length; i += 2) total += even.readUInt16BE(i)
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16)
  return ~total & 0xffff
}

it('begins with a section and two interfaces, each block in a frame of its length', () => {
  const { blocks } = file()
  expect(blocks.map((block) => block.readUInt32LE(0))).toEqual([0x0a0d0d0a, 1, 1])
  for (const block of blocks) {
    expect(block.readUInt32LE(4)).toBe(block.length)
    expect(block.readUInt32LE(block.length - 4)).toBe(block.length)
    expect(block.length % 4).toBe(0)
  }
})

describe('a packet', () => {
  const v4 = [
    { address: '192.0.2.1', port: 5060 },
    { address: '198.51.100.7', port: 5062 },
  ] as const
  const v6 = [
    { address: '2001:db8::1', port: 5060 },
    { address: 'fe80::a:b', port: 5062 },
  ] as const

  it('over UDP and IPv4 has right lengths and checksums, and its time in microseconds', () => {
    const { writer, blocks } = file()
    writer.packet('udp', 'wire', 1_800_000_000_123.456, v4[0], v4[1], Buffer.from('hello'))
    const block = blocks.at(-1)!
    expect(block.readUInt32LE(8)).toBe(0)
    const time = (BigInt(block.readUInt32LE(12)) << 32n) | BigInt(block.readUInt32LE(16))
    expect(time).toBe(1_800_000_000_123_456n)
    const whole = packet(block)
    expect(whole.length).toBe(20 + 8 + 5)
    expect(whole.readUInt16BE(2)).toBe(whole.length)
    expect(sum(whole.subarray(0, 20))).toBe(0)
    expect([...whole.subarray(12, 20)]).toEqual([192, 0, 2, 1, 198, 51, 100, 7])
    expect([whole.readUInt16BE(20), whole.readUInt16BE(22), whole.readUInt16BE(24)]).toEqual([5060, 5062, 13])
    const pseudo = Buffer.concat([whole.subarray(12, 20), Buffer.from([0, 17, 0, 13]), whole.subarray(20)])
    expect(sum(pseudo)).toBe(0)
    expect(whole.subarray(28).toString()).toBe('hello')
  })

  it('over IPv6 has its addresses in full', () => {
    const { writer, blocks } = file()
    writer.packet('udp', 'clear', 0, v6[0], v6[1], Buffer.from('x'))
    expect(blocks.at(-1)!.readUInt32LE(8)).toBe(1)
    const whole = packet(blocks.at(-1)!)
    expect(whole[0]).toBe(0x60)
    expect(whole.subarray(8, 24).toString('hex')).toBe('20010db8000000000000000000000001')
    expect(whole.subarray(24, 40).toString('hex')).toBe('fe8000000000000000000000000a000b')
  })

  it('of a connection goes on where the one before ended, in both directions', () => {
    const { writer, blocks } = file()
    writer.packet('tcp', 'wire', 0, v4[0], v4[1], Buffer.alloc(100))
    writer.packet('tcp', 'wire', 0, v4[1], v4[0], Buffer.alloc(7))
    writer.packet('tcp', 'wire', 0, v4[0], v4[1], Buffer.alloc(150_000))
    const segments = blocks.slice(3).map((block) => packet(block).subarray(20))
    expect(segments.map((segment) => [segment.readUInt32BE(4), segment.readUInt32BE(8)])).toEqual([
      [1, 1],
      [1, 101],
      [101, 8],
      [65_101, 8],
      [130_101, 8],
    ])
  })

  it('between two families is none: a socket that listens everywhere does not tell where', () => {
    const { writer, blocks } = file()
    writer.packet('udp', 'wire', 0, v4[0], v6[0], Buffer.from('x'))
    expect(blocks).toHaveLength(3)
  })
})

it('holds secrets as a block that says of what kind they are', () => {
  const { writer, blocks } = file()
  writer.secrets(Buffer.from('CLIENT_RANDOM 00 11\n'))
  const block = blocks.at(-1)!
  expect(block.readUInt32LE(0)).toBe(10)
  expect([block.readUInt32LE(8), block.readUInt32LE(12)]).toEqual([0x544c534b, 20])
  expect(block.subarray(16, 36).toString()).toBe('CLIENT_RANDOM 00 11\n')
  expect(block.readUInt32LE(4)).toBe(block.length)
})

it('keeps in mind no more connections than a server has', () => {
  const { writer, blocks } = file()
  const to = { address: '192.0.2.1', port: 5060 }
  const sequence = (): number => packet(blocks.at(-1)!).readUInt32BE(24)
  const say = (n: number): void =>
    writer.packet('tcp', 'wire', 0, { address: '192.0.2.2', port: n }, to, Buffer.of(1))
  for (let n = 1; n <= 4_096; n++) say(n)
  say(1)
  expect(sequence()).toBe(2)
  say(5_000)
  say(1)
  expect(sequence()).toBe(3)
  say(2)
  expect(sequence()).toBe(1)
})
