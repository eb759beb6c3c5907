// Files of which there is one, whatever its name.
import { readFileSync } from 'node:fs'
import type { Files } from '../../../src/runtime/runtime.ts'
import { MemoryFile } from '../audio/memory-file.ts'

/** Of the folder of this file. */
export const bytesOf = (name: string): Uint8Array => readFileSync(new URL(name, import.meta.url))

/** @param opened gets each file that is opened */
export const filesWith = (bytes: Uint8Array, opened: MemoryFile[] = []): Files =>
  ({
    openForReading: (path: string) => {
      const file = new MemoryFile(bytes, path)
      opened.push(file)
      return file
    },
  }) as unknown as Files
