// `floe phone --control` as a program drives it.
import { Floe, type Line } from './cli.ts'

export class ControlledPhone {
  readonly floe: Floe
  private count = 0

  constructor(args: readonly string[], options: { env?: Record<string, string> } = {}) {
    this.floe = new Floe(['phone', '--control', ...args], { ...options, stdin: true })
  }

  /** Registered, or running where there is no account. */
  static async start(
    args: readonly string[],
    options: { env?: Record<string, string> } = {},
  ): Promise<ControlledPhone> {
    const phone = new ControlledPhone(args, options)
    if (args.includes('--as')) await phone.event('registration', { state: 'registered' })
    else await phone.event('listening')
    return phone
  }

  /** Sends a command; its answer, good or bad. */
  async ask(command: string, parameters: Record<string, unknown> = {}): Promise<Line> {
    const id = ++this.count
    this.floe.send({ id, command, ...parameters })
    return this.floe.line((line) => line['id'] === id)
  }

  /** The answer of a command that must work. */
  async do(command: string, parameters: Record<string, unknown> = {}): Promise<Line> {
    const answer = await this.ask(command, parameters)
    if (answer['ok'] !== true) throw new Error(`${command}: ${JSON.stringify(answer)}`)
    return answer
  }

  /** The first event of this kind with these values. */
  event(event: string, values: Record<string, unknown> = {}): Promise<Line> {
    return this.floe.line(
      (line) =>
        line['event'] === event && Object.entries(values).every(([name, value]) => line[name] === value),
    )
  }

  /** All events of a kind so far. */
  events(event: string): Line[] {
    return this.floe.lines.filter((line) => line['event'] === event)
  }
}
