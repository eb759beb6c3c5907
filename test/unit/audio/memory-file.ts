// A RandomAccessFile in memory, and what tests of audio build with it.
import { readFileSync } from 'node:fs'
import type { Pcm } from '../../../src/audio/hearing.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { WavReader } from '../../../src/audio/wav-reader.ts'
import type { Files, RandomAccessFile } from '../../../src/runtime/runtime.ts'

export class MemoryFile implements RandomAccessFile {
  readonly path: string
  bytes: Uint8Array
  closed = false
  /** Called after every write: the moment at which a process may be killed. */
  onWrite: (() => void) | undefined

  constructor(bytes: Uint8Array = new Uint8Array(0), path = 'a.wav') {
    this.bytes = bytes
    this.path = path
  }

  sizeBytes(): number {
    return this.bytes.length
  }

  read(into: Uint8Array, position: number): number {
    const piece = this.bytes.subarray(position, position + into.length)
    into.set(piece)
    return piece.length
  }

  write(data: Uint8Array, position: number): void {
    if (position + data.length > this.bytes.length) {
      const grown = new Uint8Array(position + data.length)
      grown.set(this.bytes)
      this.bytes = grown
    }
    this.bytes.set(data, position)
    this.onWrite?.()
  }

  close(): void {
    this.closed = true
  }
}

/** The bytes of a file beside the tests (`files/name`) or of the product (`media/name`). */
export function fileBytes(name: string): Uint8Array {
  const base = name.startsWith('media/') ? '../../../' : './'
  return readFileSync(new URL(base + name, import.meta.url))
}

/** `Files` over the files that `fileBytes` knows. */
export const diskFiles: Files = {
  openForReading: (path) => new MemoryFile(fileBytes(path), path),
  openForWriting: (path) => new MemoryFile(undefined, path),
  readText: () => '',
  appendSecret: () => undefined,
  writeText: () => {},
}

export function load(name: string): Pcm {
  const reader = new WavReader(diskFiles.openForReading(name))
  return { samples: readAll(reader, 60_000), sampleRateHz: reader.sampleRateHz }
}
