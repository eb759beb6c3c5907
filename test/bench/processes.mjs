// The programs under measurement as child processes: started, spoken to, timed by the kernel's own account, ended by their handle.
import { fork, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Linux counts a process's time in ticks of 10 ms (USER_HZ). */
const tickMs = 10

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export const installed = (program) => spawnSync('which', [program], { stdio: 'ignore' }).status === 0

/** A folder that is gone when `use` has ended. */
export async function withFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'floe-bench-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** User and system time of a running process, in milliseconds. */
export function cpuMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the name in parentheses and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

export async function freeUdpPort() {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

/** A program of this folder; it sends one message when it is ready, and one for each that it is asked. */
export class BenchProgram {
  /** @param profileFolder where a CPU profile is to be written when the program ends
   *  @param options of `fork`: another Node, its flags, the environment */
  static async start(file, args, profileFolder, options = {}) {
    const profiling = profileFolder ? ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`] : []
    const execArgv = [...profiling, ...(options.execArgv ?? [])]
    const path = fileURLToPath(new URL(file, import.meta.url))
    const program = new BenchProgram(fork(path, args.map(String), { ...options, execArgv }))
    program.ready = await program.answer()
    return program
  }

  constructor(child) {
    this.child = child
    this.ended = once(child, 'exit')
  }

  get pid() {
    return this.child.pid
  }

  async answer() {
    const [message] = await Promise.race([once(this.child, 'message'), this.ended])
    if (this.child.exitCode !== null)
      throw new Error(`a program of the benchmark ended with ${this.child.exitCode}`)
    return message
  }

  ask(message) {
    const answer = this.answer()
    this.child.send(message)
    return answer
  }

  /** A program ends by itself when nobody can speak to it any more; a profile is written then. */
  async stop() {
    this.child.disconnect()
    await this.ended
  }
}

/** What a BenchProgram does with its parent's messages; ends the process when the parent is gone. */
export function serveParent(onMessage) {
  process.on('message', async (message) => process.send(await onMessage(message)))
  process.on('disconnect', () => process.exit(0))
}

/** Any other program; resolves when it has ended, with the CPU time it took. */
export async function run(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'ignore', ...options })
  const exit = once(child, 'exit')
  let tookMs = 0
  const watch = setInterval(() => {
    try {
      tookMs = cpuMs(child.pid)
    } catch {
      clearInterval(watch)
    }
  }, 50)
  const [code] = await exit
  clearInterval(watch)
  return { code, cpuMs: tookMs }
}

/** A program that serves until it is stopped. */
export function serveWith(command, args) {
  const child = spawn(command, args, { stdio: 'ignore' })
  const exit = once(child, 'exit')
  return {
    pid: child.pid,
    stop: async () => {
      child.kill('SIGKILL')
      await exit
    },
  }
}
