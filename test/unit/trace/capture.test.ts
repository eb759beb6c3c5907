import { expect, it } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import type { RandomAccessFile } from '../../../src/runtime/runtime.ts'
import { simulate } from '../../../src/sim/index.ts'
import { Capture } from '../../../src/trace/capture.ts'

const ends = [
  { address: '192.0.2.1', port: 4_000 },
  { address: '192.0.2.2', port: 4_002 },
] as const
const host = () => {
  const simulation = simulate(1)
  return { clock: simulation.clock, host: simulation.host('a', simulation.internet.at('192.0.2.1')) }
}
/** The types of the blocks of a file, which are whole. */
function blocks(file: RandomAccessFile): number[] {
  const all = Buffer.alloc(file.sizeBytes())
  file.read(all, 0)
  const types: number[] = []
  let at = 0
  for (; at < all.length; at += all.readUInt32LE(at + 4)) types.push(all.readUInt32LE(at))
  expect(at).toBe(all.length)
  return types
}
const header = [0x0a0d0d0a, 1, 1]

it('writes at the end of a turn, secrets before the packets that they open', async () => {
  const { host: alice, clock } = host()
  const capture = new Capture(alice, 'a.pcapng', () => undefined)
  expect(blocks(alice.files.openForReading('a.pcapng'))).toEqual(header)
  capture.inTheClear(...ends, Buffer.from('one'))
  capture.secret(Buffer.from('CLIENT_RANDOM 1 2\n'))
  capture.inTheClear(...ends, Buffer.from('two'))
  expect(blocks(alice.files.openForReading('a.pcapng'))).toEqual(header)
  await clock.run(new Promise<void>((resolve) => void clock.setTimer(1, resolve)))
  expect(blocks(alice.files.openForReading('a.pcapng'))).toEqual([...header, 10, 6, 6])
  capture.inTheClear(...ends, Buffer.from('last'))
  capture.close()
  expect(blocks(alice.files.openForReading('a.pcapng'))).toEqual([...header, 10, 6, 6, 6])
})

it('does not let much wait', () => {
  const { host: alice } = host()
  const capture = new Capture(alice, 'a.pcapng', () => undefined)
  for (let n = 0; n < 300; n++) capture.inTheClear(...ends, Buffer.alloc(1_000))
  expect(alice.files.openForReading('a.pcapng').sizeBytes()).toBeGreaterThan(256 * 1_024)
})

it('ends with one sentence where the disk is full, and nothing else does', () => {
  const { host: alice } = host()
  let room = 600
  const full: RandomAccessFile = {
    path: 'a.pcapng',
    sizeBytes: () => 0,
    read: () => 0,
    write: (data) => {
      room -= data.length
      if (room < 0) throw new UsageError('cannot write a.pcapng: the disk is full')
    },
    close: () => undefined,
  }
  const files = { ...alice.files, openForWriting: () => full }
  const { clock, network, random } = alice
  const told: string[] = []
  const capture = new Capture({ clock, network, random, files } as never, 'a.pcapng', (why) => told.push(why))
  for (let n = 0; n < 600; n++) capture.inTheClear(...ends, Buffer.alloc(1_000))
  capture.secret(Buffer.from('x'))
  capture.close()
  expect(told).toEqual(['the capture ends here: cannot write a.pcapng: the disk is full'])
})
