// Files in memory, for simulated hosts: recordings and media that never touch a disk.
import { UsageError } from '../errors.ts'
import type { Files, RandomAccessFile } from '../runtime/runtime.ts'

/** What a path holds. Capacity grows by doubling, so that a recording written frame by frame stays linear. */
class Content {
  private bytes = new Uint8Array(0)
  sizeBytes = 0

  write(data: Uint8Array, position: number): void {
    const end = position + data.length
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.bytes.length))
      grown.set(this.bytes)
      this.bytes = grown
    }
    this.bytes.set(data, position)
    this.sizeBytes = Math.max(this.sizeBytes, end)
  }

  read(from: number, to: number): Uint8Array {
    return this.bytes.subarray(from, Math.min(to, this.sizeBytes))
  }
}

const fileOn = (path: string, content: Content): RandomAccessFile => ({
  path,
  sizeBytes: () => content.sizeBytes,
  read: (into, position) => {
    const bytes = content.read(position, position + into.length)
    into.set(bytes)
    return bytes.length
  },
  write: (data, position) => content.write(data, position),
  close: () => undefined,
})

export class MemoryFiles implements Files {
  private readonly contents = new Map<string, Content>()

  /** Puts a file there, as a test's fixture. */
  put(path: string, bytes: Uint8Array): void {
    this.create(path).write(bytes, 0)
  }

  openForReading(path: string): RandomAccessFile {
    return fileOn(path, this.find(path))
  }

  openForWriting(path: string): RandomAccessFile {
    return fileOn(path, this.create(path))
  }

  appendSecret(path: string, text: string): void {
    const content = this.contents.get(path) ?? this.create(path)
    content.write(new TextEncoder().encode(text), content.sizeBytes)
  }

  readText(path: string): string {
    const content = this.find(path)
    return new TextDecoder().decode(content.read(0, content.sizeBytes))
  }

  writeText(path: string, text: string): void {
    this.put(path, new TextEncoder().encode(text))
  }

  private create(path: string): Content {
    const content = new Content()
    this.contents.set(path, content)
    return content
  }

  private find(path: string): Content {
    const content = this.contents.get(path)
    if (!content) throw new UsageError(`cannot read ${path}: there is no such file or folder`)
    return content
  }
}
