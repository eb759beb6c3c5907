// A terminal that a person would sit at: a tmux of its own with one window, keys that go in, and the screen as tmux shows it.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scene } from '../case.ts'
import { programPath, repository } from '../installed.ts'
import { eventually } from './process.ts'

const program = join(repository, 'dist/cli/main.js')

export class Tmux {
  private captures = 0

  private constructor(
    private readonly scene: Scene,
    private readonly socket: string,
  ) {}

  /** A shell of 80 columns and 24 rows in the repository. */
  static start(scene: Scene, environment: Record<string, string> = {}): Tmux {
    // Of a short name: the path of a socket may have 107 characters.
    const folder = mkdtempSync(join(tmpdir(), 'floe-tmux-'))
    scene.onEnd(() => rmSync(folder, { recursive: true }))
    const tmux = new Tmux(scene, join(folder, 'socket'))
    const settings = Object.entries(environment).flatMap(([name, value]) => ['-e', `${name}=${value}`])
    tmux.run(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      '80',
      '-y',
      '24',
      '-c',
      repository,
      ...settings,
      'sh',
    )
    scene.onEnd(() => void tmux.run('kill-server'))
    return tmux
  }

  /** Types a line and Enter. */
  enter(line: string): void {
    this.run('send-keys', '-l', line)
    this.keys('Enter')
  }

  /** Presses keys as tmux names them. */
  keys(...keys: string[]): void {
    this.run('send-keys', ...keys)
  }

  /** "floe VERB ARGS" with this floe. */
  floe(args: string): void {
    this.enter(`'${process.execPath}' '${program}' ${args}`)
  }

  resize(columns: number, rows: number): void {
    this.run('resize-window', '-x', String(columns), '-y', String(rows))
  }

  /** The screen, line by line. */
  get screen(): string {
    return this.run('capture-pane', '-p').trimEnd()
  }

  /** Waits until the screen matches; keeps it in the row's folder. */
  async shows(pattern: RegExp, withinMs = 20_000): Promise<void> {
    try {
      await eventually(() => pattern.test(this.screen), { what: `a screen that shows ${pattern}`, withinMs })
    } finally {
      const path = join(this.scene.folder, `screen-${++this.captures}.txt`)
      writeFileSync(path, `${this.screen}\n`)
      this.scene.log(path)
    }
  }

  private run(...args: string[]): string {
    return execFileSync(programPath('tmux') ?? 'tmux', ['-u', '-S', this.socket, ...args], {
      encoding: 'utf8',
    })
  }
}
