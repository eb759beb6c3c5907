// A machine with sound, of which only the two programs are made up: they are real processes behind real pipes. `pacat` keeps what
// it is given, `parec` gives a tone in real time.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WavWriter } from '../../../src/audio/wav-writer.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'

const rateHz = 48_000
const toneHz = 440

const programs = {
  pacat: `import { appendFileSync, writeFileSync } from 'node:fs'
writeFileSync('FOLDER/pacat.arguments', process.argv.slice(2).join(' '))
writeFileSync('FOLDER/pacat.raw', '')
writeFileSync('FOLDER/pacat.pid', String(process.pid))
process.stdin.on('data', (data) => appendFileSync('FOLDER/pacat.raw', data))
`,
  parec: `import { writeFileSync } from 'node:fs'
writeFileSync('FOLDER/parec.arguments', process.argv.slice(2).join(' '))
writeFileSync('FOLDER/parec.pid', String(process.pid))
process.stdout.on('error', () => process.exit(1))
const startedAt = performance.now()
let written = 0
setInterval(() => {
  const due = Math.floor(((performance.now() - startedAt) / 1000) * ${rateHz})
  const data = Buffer.alloc(2 * (due - written))
  for (let i = 0; i < data.length / 2; i++)
    data.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * ${toneHz} * (written + i)) / ${rateHz})), 2 * i)
  written = due
  process.stdout.write(data)
}, 20)
`,
} as const
export type Program = keyof typeof programs

export class FakeSound {
  /** A PATH on which nothing else is. */
  readonly environment: { PATH: string }
  readonly tone = `tone:${toneHz}`

  constructor(private readonly folder: string) {
    for (const [name, text] of Object.entries(programs)) {
      const path = join(folder, name)
      const module = join(folder, `${name}.mjs`)
      writeFileSync(module, text.replaceAll('FOLDER', folder))
      writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${module}' "$@"\n`)
      chmodSync(path, 0o755)
    }
    this.environment = { PATH: folder }
  }

  arguments(program: Program): string {
    return readFileSync(join(this.folder, `${program}.arguments`), 'utf8')
  }

  async pid(program: Program): Promise<number> {
    const file = join(this.folder, `${program}.pid`)
    await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '')
    return Number(readFileSync(file, 'utf8'))
  }

  /** What the speaker has been given so far. */
  get played(): Int16Array {
    const bytes = readFileSync(join(this.folder, 'pacat.raw'))
    return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length & ~1)))
  }

  /** The same as a WAV file. */
  recording(): string {
    const path = join(this.folder, 'played.wav')
    const writer = new WavWriter(nodeRuntime.files.openForWriting(path), rateHz)
    writer.write(this.played)
    writer.close()
    return path
  }

  /** Resolves when the process is gone. */
  static async gone(pid: number): Promise<void> {
    await until(() => {
      try {
        process.kill(pid, 0)
        return false
      } catch {
        return true
      }
    })
  }
}

/** Resolves when `holds` does; the test's own time limit bounds it. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
}
