// floe as its users run it: the built command line as a process of its own, told `-o json`, judged by its exit code, its
// report and what it wrote.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CallReport } from '../../../src/diagnose/report.ts'
import type { CallStateName, Fact } from '../../../src/trace/facts.ts'
import type { Scene } from '../case.ts'
import { programPath, repository } from '../installed.ts'
import { eventually } from './process.ts'

/** Documented in the README; compared here by name. */
export const exit = {
  ok: 0,
  assertion: 1,
  usage: 2,
  transport: 10,
  authentication: 11,
  rejected: 12,
  timeout: 13,
  ice: 20,
  audio: 22,
  interrupted: 130,
} as const

/** One line of `-o json`: a fact, or what `type` says. */
export type Line = { type: string; layer?: string } & Record<string, unknown>

export interface Ended {
  code: number | null
  /** The last report printed. */
  report: CallReport | undefined
  lines: readonly Line[]
  stderr: string
}

export class Floe {
  readonly lines: Line[] = []
  private stderr = ''
  private unfinished = ''

  private constructor(
    private readonly child: ChildProcess,
    private readonly closed: Promise<unknown>,
    private readonly commandLine: string,
    private readonly logPath: string,
  ) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.take(text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      appendFileSync(logPath, text)
    })
  }

  /** Runs `floe VERB ARGS -o json` in the row's folder. `name` names its log; `before` are words put before the command, as
   *  "ip netns exec left". */
  static start(
    scene: Scene,
    name: string,
    args: readonly string[],
    env: Record<string, string> = {},
    before: readonly string[] = [],
  ): Floe {
    const logPath = join(scene.folder, `${name}.log`)
    const commandLine = `floe ${args.join(' ')} -o json`
    appendFileSync(logPath, `$ ${commandLine}\n`)
    scene.log(logPath)
    const main = join(repository, 'dist/cli/main.js')
    const command = [process.execPath, main, ...args, '-o', 'json']
    const [program = '', ...words] = [...before, ...command]
    const child = spawn(programPath(program) ?? program, words, {
      cwd: scene.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    const floe = new Floe(child, once(child, 'close'), commandLine, logPath)
    scene.onEnd(async () => {
      child.kill('SIGKILL')
      await floe.closed
    })
    return floe
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.child.kill('SIGINT')
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Waits for a line of its output. */
  async line(matches: (line: Line) => boolean, what: string, withinMs = 10_000): Promise<Line> {
    return await eventually(
      () => {
        const found = this.lines.find(matches)
        if (!found && !this.running)
          throw new Error(`floe ended before ${what}: ${this.commandLine}\n${this.stderr}`)
        return found
      },
      { what: `${what}: ${this.commandLine}`, withinMs },
    )
  }

  /** It can be called: it has registered, where it has an account. */
  async listening(): Promise<{ protocol: string; address: string; port: number }[]> {
    const line = await this.line(({ type }) => type === 'listening', 'it listens')
    return line['addresses'] as { protocol: string; address: string; port: number }[]
  }

  /** Waits for a fact of its trace. */
  async fact(layer: Fact['layer'], type: string, withinMs?: number): Promise<Line> {
    return await this.line((line) => line.layer === layer && line.type === type, `${layer} ${type}`, withinMs)
  }

  async callState(state: CallStateName): Promise<void> {
    await this.line(
      (line) => line.layer === 'call' && line.type === 'state' && line['state'] === state,
      `the call is ${state}`,
    )
  }

  /** Waits for its end, longer than it itself waits to hear something; killing it is left to the row's end. */
  async ended(withinMs = 40_000): Promise<Ended> {
    await eventually(() => !this.running, { what: `the end of ${this.commandLine}`, withinMs })
    await this.closed
    return {
      code: this.child.exitCode,
      report: this.lines.findLast((line) => line.type === 'report')?.['report'] as CallReport | undefined,
      lines: this.lines,
      stderr: this.stderr,
    }
  }

  private take(text: string): void {
    appendFileSync(this.logPath, text)
    const parts = (this.unfinished + text).split('\n')
    this.unfinished = parts.pop() ?? ''
    for (const part of parts) {
      try {
        this.lines.push(JSON.parse(part))
      } catch {
        throw new Error(`with -o json floe printed a line that is not JSON: ${part}`)
      }
    }
  }
}

/** Runs floe to its end. */
export async function floe(
  scene: Scene,
  name: string,
  args: readonly string[],
  env?: Record<string, string>,
): Promise<Ended> {
  return await Floe.start(scene, name, args, env).ended()
}

/** A command line as one writes it: split at the blanks of the text, never of a value; a list becomes several words. */
export function words(
  texts: TemplateStringsArray,
  ...values: readonly (string | readonly string[])[]
): string[] {
  const blank = '\0'
  const parts = texts.map((text, i) => text.replace(/\s+/g, blank) + [values[i] ?? []].flat().join(blank))
  return parts
    .join('')
    .split(blank)
    .filter((word) => word !== '')
}
