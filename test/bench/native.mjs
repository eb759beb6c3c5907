// Programs in C that a benchmark measures with, or beside: compiled where there is a compiler, asked by lines and answered in JSON.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { installed } from './processes.mjs'

/** The compiled program's path; undefined where there is no compiler, or no such library. */
export function compiled(name, folder, libraries = []) {
  if (!installed('gcc')) return undefined
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url))
  const { status } = spawnSync('gcc', ['-O2', '-o', join(folder, name), source, ...libraries], {
    stdio: 'ignore',
  })
  return status === 0 ? join(folder, name) : undefined
}

/** Says one line when it is ready, and one for each that it is asked; ends with its standard input. */
export class NativeProgram {
  static async start(path, args = []) {
    const program = new NativeProgram(spawn(path, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] }))
    program.ready = await program.answer()
    return program
  }

  constructor(child) {
    this.child = child
    this.ended = once(child, 'exit')
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  get pid() {
    return this.child.pid
  }

  async answer() {
    const { value, done } = await this.lines.next()
    if (done) throw new Error(`a program of the benchmark ended: ${this.child.spawnfile}`)
    return JSON.parse(value)
  }

  ask(line) {
    this.child.stdin.write(`${line}\n`)
    return this.answer()
  }

  async stop() {
    this.child.stdin.end()
    await this.ended
  }
}
