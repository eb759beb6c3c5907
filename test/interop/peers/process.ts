// A peer as a plain child process in a process group of its own: its output goes to a log of the row, it counts as started
// when a probe says so, and the whole group is killed when the row ends, however it ends.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scene } from '../case.ts'
import { inNamespace, programPath } from '../installed.ts'

/** Where peers listen. Asterisk and others offer no 127.0.0.0/8 address in ICE, so the namespace has another one. */
export const peerHost = inNamespace ? '10.99.0.1' : '127.0.0.1'

export interface ProcessOptions {
  /** Names the log file. */
  name: string
  /** A path, or the name of an installed program. */
  program: string
  args: readonly string[]
  env?: Record<string, string>
  /** It reads lines; see `tell`. */
  input?: true
  /** Asked every 20 ms until it says true. */
  ready?: () => boolean | Promise<boolean>
  /** Default 10 s. */
  readyWithinMs?: number
}

export class PeerProcess {
  private constructor(
    readonly name: string,
    readonly logPath: string,
    private readonly child: ChildProcess,
    private readonly closed: Promise<unknown>,
  ) {}

  static async start(scene: Scene, options: ProcessOptions): Promise<PeerProcess> {
    const logPath = join(scene.folder, `${options.name}.log`)
    const log = openSync(logPath, 'a')
    scene.log(logPath)
    const child = spawn(programPath(options.program) ?? options.program, options.args, {
      cwd: scene.folder,
      detached: true,
      stdio: [options.input ? 'pipe' : 'ignore', log, log],
      env: { ...process.env, ...options.env },
    })
    closeSync(log)
    child.stdin?.on('error', () => undefined) // it has ended, which its rows find out
    const peer = new PeerProcess(options.name, logPath, child, once(child, 'exit'))
    if (child.pid === undefined) await peer.closed // rejects with why it could not be started
    scene.onEnd(() => peer.kill())
    if (options.ready)
      await peer.until(options.ready, `${options.name} is ready`, options.readyWithinMs ?? 10_000)
    return peer
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The exit code, null when a signal ended it; waits for the end. */
  async exitCode(): Promise<number | null> {
    await this.closed
    return this.child.exitCode
  }

  /** Ends the whole process group at once, as a crash or a pulled plug would. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.closed
  }

  signal(signal: NodeJS.Signals): void {
    try {
      if (this.child.pid !== undefined) process.kill(-this.child.pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** A line to its standard input. */
  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }

  logText(): string {
    return readFileSync(this.logPath, 'utf8')
  }

  private async until(
    probe: () => boolean | Promise<boolean>,
    what: string,
    withinMs: number,
  ): Promise<void> {
    await eventually(
      async () => {
        if (!this.running)
          throw new Error(`${this.name} ended at once with code ${this.child.exitCode}; see ${this.logPath}`)
        return await probe()
      },
      { what, withinMs },
    )
  }
}

/** Asks `probe` every 20 ms until it answers something else than false or undefined, and returns that. */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  { what, withinMs = 10_000, everyMs = 20 }: { what: string; withinMs?: number; everyMs?: number },
): Promise<Exclude<T, false | undefined>> {
  const end = performance.now() + withinMs
  for (;;) {
    const answer = await probe()
    if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>
    if (performance.now() > end) throw new Error(`waited ${withinMs / 1000} s in vain: ${what}`)
    await sleep(everyMs)
  }
}

/** Is a UDP port taken? That a peer has bound it is the sign of life of one that answers no probe. Asks the kernel: to try and bind
 *  it would keep the peer from it for a moment. */
export const udpPortTaken = (port: number): boolean =>
  ['udp', 'udp6'].some((table) => localPorts(table).includes(port))

/** Is a TCP port listened on? */
export const tcpPortTaken = (port: number): boolean =>
  ['tcp', 'tcp6'].some((table) => localPorts(table).includes(port))

/** Of the sockets of this network namespace, but for connections. */
function localPorts(table: string): number[] {
  const lines = readFileSync(`/proc/self/net/${table}`, 'utf8').trim().split('\n').slice(1)
  const listening = '0A'
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => table.startsWith('udp') || state === listening)
    .map(([, local = '']) => Number.parseInt(local.split(':').at(-1) ?? '', 16))
}

/** Below those that the kernel gives away (32768 and up), so that a server that was killed finds its port free again, and below
 *  the media ports of the peers. SIPp takes the next ones, too, for media, and baresip for TLS. */
const ports = { first: 10_000, last: 25_900, apart: 8 }
let lastPort = ports.first + ports.apart * Math.floor(Math.random() * 1_000)

/** A port of `peerHost` that is free for UDP and TCP now, and given to nobody else in this process for long. */
export async function freePort(): Promise<number> {
  for (;;) {
    lastPort = lastPort < ports.last ? lastPort + ports.apart : ports.first
    const port = lastPort
    if (!udpPortTaken(port) && !tcpPortTaken(port)) return port
  }
}
