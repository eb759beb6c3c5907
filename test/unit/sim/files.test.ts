import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { MemoryFiles } from '../../../src/sim/files.ts'

describe('files in memory', () => {
  it('read back what was written by position', () => {
    const files = new MemoryFiles()
    const recording = files.openForWriting('a.wav')
    recording.write(Uint8Array.of(4, 5, 6), 3)
    recording.write(Uint8Array.of(1, 2, 3), 0)
    const into = new Uint8Array(10)
    const reader = files.openForReading('a.wav')
    expect([reader.sizeBytes(), reader.read(into, 1), reader.read(into, 6)]).toEqual([6, 5, 0])
    expect([...into]).toEqual([2, 3, 4, 5, 6, 0, 0, 0, 0, 0])
  })

  it('truncate on writing, and say that a file is missing', () => {
    const files = new MemoryFiles()
    files.writeText('notes', 'a long text')
    files.writeText('notes', 'short')
    expect(files.readText('notes')).toBe('short')
    expect(() => files.openForReading('none')).toThrow(UsageError)
  })
})
