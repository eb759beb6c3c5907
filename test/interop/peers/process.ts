// A peer as a plain child process in a process group of its own: its output goes to a log of the row, it counts as started
// when a probe says so, and the whole group is killed when the row ends, however it ends.
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
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
      stdio: ['ignore', log, log],
      env: { ...process.env, ...options.env },
    })
    closeSync(log)
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

/** Is a UDP port of `peerHost` taken? That a peer has bound it is the sign of life of one that answers no probe. */
export async function udpPortTaken(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    return await new Promise((resolve) => {
      socket.once('error', () => resolve(true))
      socket.bind(port, peerHost, () => resolve(false))
    })
  } finally {
    socket.close()
  }
}

/** Is a TCP port of `peerHost` taken? */
export async function tcpPortTaken(port: number): Promise<boolean> {
  const server = createServer()
  const taken = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(true))
    server.listen(port, peerHost, () => resolve(false))
  })
  if (!taken) await new Promise((resolve) => server.close(resolve))
  return taken
}

/** A port of `peerHost` that is free for UDP and TCP now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const udp = createSocket('udp4')
    udp.bind(0, peerHost)
    await once(udp, 'listening')
    const { port } = udp.address()
    const tcp = createServer()
    const free = await new Promise<boolean>((resolve) => {
      tcp.once('error', () => resolve(false))
      tcp.listen(port, peerHost, () => resolve(true))
    })
    if (free) await new Promise((resolve) => tcp.close(resolve))
    udp.close()
    if (free) return port
  }
}
