// Runs the built command line as a user does: a process, its output, its exit code.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { CallReport } from '../../../src/index.ts'
import { formatAddress } from '../../../src/runtime/address.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { type RunningServer, startServer } from '../../../src/serve/server.ts'

const program = 'dist/cli/main.js'

/** G.711, which costs nothing, where the codec is not on trial: flags of whoever answers. */
export const plain = ['--codec', 'PCMU']

const running = new Set<Floe>()
const servers: RunningServer[] = []
const folders: string[] = []

/** Of a test that has started or made something. */
async function tidy(): Promise<void> {
  for (const floe of running) floe.child.kill('SIGKILL')
  await Promise.all([...running].map((floe) => floe.ended))
  running.clear()
  for (const server of servers.splice(0)) server.stop()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
}

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'floe-test-'))
  folders.push(folder)
  onTestFinished(tidy)
  return folder
}

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

export type Line = Record<string, unknown> & { type?: string }

export class Floe {
  stdout = ''
  stderr = ''
  readonly child: ChildProcess
  readonly ended: Promise<Outcome>
  private readonly watchers = new Set<() => void>()

  constructor(
    args: readonly string[],
    options: { env?: Record<string, string>; command?: readonly string[]; stdin?: boolean } = {},
  ) {
    const [command, ...before] = options.command ?? [process.execPath, program]
    this.child = spawn(command!, [...before, ...args], {
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: [options.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    })
    running.add(this)
    onTestFinished(tidy)
    this.child.stdout!.on('data', (data) => {
      this.stdout += data
      for (const watcher of this.watchers) watcher()
    })
    this.child.stderr!.on('data', (data) => {
      this.stderr += data
    })
    this.ended = new Promise((resolve) =>
      this.child.on('close', (code) => {
        running.delete(this)
        resolve({ code, stdout: this.stdout, stderr: this.stderr })
        for (const watcher of this.watchers) watcher()
      }),
    )
  }

  /** Every JSON line so far. */
  get lines(): Line[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line)
  }

  /** The first JSON line that fits, after so many others; rejects where the process ends before. */
  line(fits: (line: Line) => boolean, after = 0): Promise<Line> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.lines.slice(after).find(fits)
        if (found) resolve(found)
        else if (this.child.exitCode !== null)
          reject(
            new Error(
              `the process ended with ${this.child.exitCode} before that line\n${this.stdout}${this.stderr}`,
            ),
          )
        else return
        this.watchers.delete(look)
      }
      this.watchers.add(look)
      look()
    })
  }

  /** Writes a JSON line, or a text as it is. */
  send(line: Line | string): void {
    this.child.stdin!.write(typeof line === 'string' ? line : `${JSON.stringify(line)}\n`)
  }

  interrupt(): void {
    this.child.kill('SIGINT')
  }
}

export const floe = (args: readonly string[], env: Record<string, string> = {}): Floe =>
  new Floe(args, { env })

/** Runs to the end. */
export const run = (args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> =>
  floe(args, env).ended

/** The last report among the JSON lines. */
export function reportOf(outcome: Outcome): CallReport {
  const lines = outcome.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  const found = lines.findLast((line) => line.type === 'report')
  if (!found) throw new Error(`no report in the output:\n${outcome.stdout}${outcome.stderr}`)
  return found['report'] as CallReport
}

/** The server of `floe serve` on free ports, in this process: starting another one takes longer than most tests. */
export async function serve(...users: string[]): Promise<{ sip: string; stun: string }> {
  const anyPort = { address: '127.0.0.1', port: 0 }
  const server = await startServer({
    runtime: nodeRuntime,
    listen: (['udp', 'tcp'] as const).map((protocol) => ({ protocol, ...anyPort })),
    stun: anyPort,
    ...(users.length > 0 && { users: Object.fromEntries(users.map((user) => user.split(':'))) }),
  })
  servers.push(server)
  onTestFinished(tidy)
  return { sip: formatAddress(server.sip[0]!), stun: formatAddress(server.stun!) }
}
