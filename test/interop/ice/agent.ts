// One ICE agent as a process on a host of the lab, floe's or another's, steered by lines on its stdin and telling lines on its
// stdout, so that one set of cases serves all implementations:
//
//   flags   --controlling | --controlled, --lite, --remote-lite, --trickle, --aggressive, --mdns, --components N, --stun IP:PORT
//   stdin   start | restart | desc UFRAG PWD | cand CANDIDATE | eoc | send COMPONENT HEX
//   stdout  ready | desc UFRAG PWD | cand CANDIDATE | eoc | selected COMPONENT LOCAL REMOTE | data COMPONENT HEX | role ROLE
//           | failed WHY
//
// The one that offers is told to `start` first, the other one with the offer. `restart` asks for another description.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { on } from '../../natlab/lab.ts'
import type { Scene } from '../case.ts'
import { interopFolder, programPath } from '../installed.ts'
import { eventually } from '../peers/process.ts'

interface Selected {
  readonly local: string
  readonly remote: string
  /** When it told so first. */
  readonly at: number
}

/** A browser starts in a second, on a busy machine in several. */
const readyWithinMs = 20_000

export class Agent {
  /** The nominated pair of each component, since the last start or restart. */
  readonly selected = new Map<number, Selected>()
  /** What has come on a component, in hex. */
  readonly received: { component: number; data: string }[] = []
  /** Roles it has changed to. */
  readonly roles: string[] = []
  private readonly signals: string[] = []
  private trickle: ((line: string) => void) | undefined
  private failure: string | undefined
  private isReady = false

  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
    private readonly logPath: string,
  ) {
    createInterface({ input: child.stdout! }).on('line', (line) => this.take(line))
    child.stderr!.setEncoding('utf8').on('data', (text: string) => appendFileSync(logPath, text))
    child.stdin!.on('error', () => undefined) // it has ended, which is told when something is waited for
  }

  static async start(
    scene: Scene,
    { name, host, command }: { name: string; host: string; command: readonly string[] },
  ): Promise<Agent> {
    const [ip = '', ...before] = on(host)
    const logPath = join(scene.folder, `${name}.log`)
    appendFileSync(logPath, `$ ${command.join(' ')}\n`)
    scene.log(logPath)
    const child = spawn(programPath(ip) ?? ip, [...before, ...command], {
      cwd: scene.folder,
      detached: true,
      stdio: 'pipe',
      env: { ...process.env, FLOE_PEERS: interopFolder },
    })
    const ended = once(child, 'exit')
    const agent = new Agent(name, child, logPath)
    scene.onEnd(async () => {
      // It ends by itself, and what it has started with it, when nobody can speak to it any more.
      child.stdin!.end()
      const force = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), 2_000)
      await ended
      clearTimeout(force)
    })
    await agent.until(() => agent.isReady, 'it is ready', readyWithinMs)
    return agent
  }

  tell(...words: (string | number)[]): void {
    appendFileSync(this.logPath, `< ${words.join(' ')}\n`)
    this.child.stdin!.write(`${words.join(' ')}\n`)
  }

  /** Begins a session, or another generation of it. */
  begin(verb: 'start' | 'restart'): void {
    this.trickle = undefined
    this.signals.length = 0
    this.selected.clear()
    this.tell(verb)
  }

  /** Its description: with its candidates and their end, or, where it trickles, without any. */
  async description(trickle: boolean): Promise<string[]> {
    const last = trickle ? 'desc' : 'eoc'
    const end = await this.until(() => {
      const at = this.signals.findIndex((line) => line.split(' ')[0] === last)
      return at < 0 ? undefined : at + 1
    }, `its ${last}`)
    return this.signals.splice(0, end)
  }

  /** Lets its further candidates go to the other one, as they come. */
  trickleTo(other: Agent): void {
    this.trickle = (line) => other.tell(line)
    for (const line of this.signals.splice(0)) other.tell(line)
  }

  async until<T>(probe: () => T, what: string, withinMs = 10_000): Promise<Exclude<T, false | undefined>> {
    return await eventually(
      () => {
        if (this.failure !== undefined) throw new Error(`${this.name} failed: ${this.failure}`)
        if (this.child.exitCode !== null)
          throw new Error(`${this.name} ended with ${this.child.exitCode}; see ${this.logPath}`)
        return probe()
      },
      { what: `${this.name}: ${what}`, withinMs },
    )
  }

  private select(component: number, local: string, remote: string): void {
    const at = this.selected.get(component)?.at ?? performance.now()
    this.selected.set(component, { local, remote, at })
  }

  private take(line: string): void {
    appendFileSync(this.logPath, `> ${line}\n`)
    const [verb, ...words] = line.split(' ')
    if (verb === 'ready') this.isReady = true
    else if (verb === 'failed') this.failure = words.join(' ')
    else if (verb === 'role') this.roles.push(words[0] ?? '')
    else if (verb === 'selected') this.select(Number(words[0]), words[1] ?? '', words[2] ?? '')
    else if (verb === 'data') this.received.push({ component: Number(words[0]), data: words[1] ?? '' })
    else if (verb === 'desc' || verb === 'cand' || verb === 'eoc') {
      if (this.trickle) this.trickle(line)
      else this.signals.push(line)
    }
  }
}
