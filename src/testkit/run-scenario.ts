// Runs a scenario with real phones: step after step, until one fails; whatever was started is stopped in any case.
import { dirname, isAbsolute, resolve } from 'node:path'
import type { CallReport } from '../diagnose/report.ts'
import { CallFailed, InvariantError, TimeoutError, UsageError } from '../errors.ts'
import type { Call } from '../phone/call.ts'
import { Phone } from '../phone/phone.ts'
import { formatAddress } from '../runtime/address.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'
import { type RunningServer, startServer } from '../serve/server.ts'
import type { Scenario, Step } from './scenario.ts'

export interface StepResult {
  text: string
  line: number
  status: 'passed' | 'failed' | 'not run'
  durationMs: Millis
  /** One sentence: why it failed. */
  problem?: string
}

export interface ScenarioResult {
  name: string
  file: string
  passed: boolean
  durationMs: Millis
  steps: StepResult[]
  /** A report for each call, by the phone that was in it. */
  calls: { phone: string; report: CallReport }[]
}

const defaultWithinMs = 10_000

export async function runScenario(
  scenario: Scenario,
  runtime: Runtime,
  onStep: (step: StepResult) => void = () => undefined,
): Promise<ScenarioResult> {
  const stage = new Stage(scenario, runtime)
  const { clock } = runtime
  const startedAt = clock.now()
  const steps: StepResult[] = []
  let problem: string | undefined
  for (const step of scenario.steps) {
    const stepStartedAt = clock.now()
    let status: StepResult['status'] = 'not run'
    let why: string | undefined
    if (problem === undefined) {
      try {
        const left = scenario.timeoutMs - (stepStartedAt - startedAt)
        await withLimit(
          runtime,
          left,
          `the scenario took longer than ${scenario.timeoutMs} ms`,
          stage.perform(step),
        )
        status = 'passed'
      } catch (error) {
        status = 'failed'
        why = error instanceof Error ? error.message : String(error)
        problem = why
      }
    }
    const result: StepResult = {
      text: step.text,
      line: step.line,
      status,
      durationMs: clock.now() - stepStartedAt,
      ...(why !== undefined && { problem: why }),
    }
    steps.push(result)
    onStep(result)
  }
  const calls = await stage.clear()
  return {
    name: scenario.name,
    file: scenario.file,
    passed: problem === undefined,
    durationMs: clock.now() - startedAt,
    steps,
    calls,
  }
}

async function withLimit<T>(
  runtime: Runtime,
  limitMs: Millis,
  message: string,
  work: Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve_, reject) => {
    const timer = runtime.clock.setTimer(Math.max(0, limitMs), () =>
      reject(new TimeoutError(message, limitMs)),
    )
    work.then(resolve_, reject).finally(() => timer.cancel())
  })
}

/** The phones, calls and server of one run. */
class Stage {
  private readonly phones = new Map<string, Phone>()
  private readonly current = new Map<string, Call>()
  /** Calls that rang and were neither answered nor rejected yet, by phone. */
  private readonly arrived = new Map<string, Call[]>()
  private readonly calls: { phone: string; call: Call }[] = []
  private onArrival: (() => void) | undefined
  /** floe's own server, which answers STUN at its SIP address too. */
  private server: { running: RunningServer; domain: string } | undefined
  private password = ''

  constructor(
    private readonly scenario: Scenario,
    private readonly runtime: Runtime,
  ) {}

  async perform(step: Step): Promise<void> {
    switch (step.kind) {
      case 'register':
        await this.phone(step.with.phone)
        return
      case 'call': {
        const { from, to, 'ring-for': ringFor } = step.with
        const phone = await this.phone(from)
        const call = await phone.call(await this.target(to), {
          ...(ringFor !== undefined && { ringTimeoutMs: ringFor }),
        })
        this.enter(from, call)
        return
      }
      case 'answer':
        await (await this.ringing(step.with.phone, step.with.within)).answer()
        return
      case 'reject':
        ;(await this.ringing(step.with.phone, step.with.within)).reject(step.with.status)
        return
      case 'play': {
        const playing = this.call(step.with.phone).play(this.path(step.with.what), {
          loop: step.with.loop ?? false,
        })
        if (step.with.wait) await playing
        // A call that ends while it plays is no failure of this step; what must be heard is said by `hear`.
        else playing.catch(() => undefined)
        return
      }
      case 'record':
        this.call(step.with.phone).record(this.path(step.with.file))
        return
      case 'hear':
        await this.call(step.with.phone).waitToHear(
          this.path(step.with.what),
          step.with.within ?? defaultWithinMs,
        )
        return
      case 'dtmf':
        await this.call(step.with.phone).sendDtmf(step.with.digits)
        return
      case 'hear-dtmf':
        await this.call(step.with.phone).waitForDtmf(step.with.digits, step.with.within ?? defaultWithinMs)
        return
      case 'wait':
        await new Promise<void>((done) => this.runtime.clock.setTimer(step.with, done))
        return
      case 'hang-up':
        await this.call(step.with.phone).hangUp()
        return
      case 'ended': {
        const { phone, status, within = defaultWithinMs } = step.with
        const report = await withLimit(
          this.runtime,
          within,
          `${phone}'s call goes on`,
          this.call(phone).ended,
        )
        if (status !== undefined && report.outcome.status !== status)
          throw new CallFailed(
            `${phone}'s call ended with ${report.outcome.status ?? 'no status'} ${report.outcome.reason ?? ''}, expected ${status}`,
            report.outcome.status ?? 0,
            report.outcome.reason ?? '',
          )
        return
      }
    }
  }

  /** Stops everything; returns the report of every call. */
  async clear(): Promise<{ phone: string; report: CallReport }[]> {
    for (const phone of this.phones.values()) await phone.stop()
    this.server?.running.stop()
    return Promise.all(this.calls.map(async ({ phone, call }) => ({ phone, report: await call.ended })))
  }

  private async phone(name: string): Promise<Phone> {
    const known = this.phones.get(name)
    if (known) return known
    const options = this.scenario.phones[name]
    if (!options) throw new InvariantError(`phone ${name} is not in the scenario`)
    const loopback = this.scenario.loopbackServer ? await this.loopback() : undefined
    const account = options.account ?? (loopback && `sip:${name}@${loopback.domain}`)
    const stun = options.stun ?? (loopback ? [loopback.domain] : [])
    const iceServers = [...stun, ...(options.turn ?? [])]
    const password = options.password ?? (loopback && this.password)
    const phone = await Phone.start({
      runtime: this.runtime,
      ...(account !== undefined && { account }),
      ...(password !== undefined && { password }),
      ...(options.username !== undefined && { username: options.username }),
      ...(options.server !== undefined && { server: options.server }),
      ...(options.ice !== undefined && { ice: options.ice }),
      ...(iceServers.length > 0 && { iceServers }),
      ...(options.codecs && { codecs: options.codecs }),
    })
    phone.onCall = (call) => {
      this.arrived.set(name, [...(this.arrived.get(name) ?? []), call])
      this.onArrival?.()
    }
    this.phones.set(name, phone)
    return phone
  }

  private async loopback(): Promise<{ domain: string }> {
    if (!this.server) {
      const { runtime, scenario } = this
      this.password = Buffer.from(runtime.random.bytes(12)).toString('base64url')
      const users = Object.fromEntries(Object.keys(scenario.phones).map((name) => [name, this.password]))
      const listen = (['udp', 'tcp'] as const).map((protocol) => ({
        protocol,
        address: '127.0.0.1',
        port: 0,
      }))
      const running = await startServer({ runtime, listen, users })
      const [first] = running.sip
      if (!first) throw new InvariantError('a server that listens nowhere')
      this.server = { running, domain: formatAddress(first) }
    }
    return this.server
  }

  /** The next call that rings at a phone, which is now the phone's call. */
  private async ringing(name: string, withinMs: Millis = defaultWithinMs): Promise<Call> {
    await this.phone(name)
    const arrival = (async () => {
      for (;;) {
        const [call, ...others] = this.arrived.get(name) ?? []
        if (call) {
          this.arrived.set(name, others)
          return call
        }
        await new Promise<void>((resolve_) => {
          this.onArrival = resolve_
        })
      }
    })()
    const call = await withLimit(
      this.runtime,
      withinMs,
      `nobody called ${name} within ${withinMs} ms`,
      arrival,
    )
    this.enter(name, call)
    return call
  }

  private enter(name: string, call: Call): void {
    this.current.set(name, call)
    this.calls.push({ phone: name, call })
  }

  private call(name: string): Call {
    const call = this.current.get(name)
    if (!call) throw new UsageError(`${name} is in no call: let it call or answer first`)
    return call
  }

  /** Another phone of the scenario by its name, or whatever a phone can dial. */
  private async target(to: string): Promise<string> {
    const options = this.scenario.phones[to]
    if (!options) return to
    const phone = await this.phone(to)
    if (options.account !== undefined) return options.account
    if (this.server) return `sip:${to}@${this.server.domain}`
    const udp = phone.addresses.find(({ protocol }) => protocol === 'udp')
    if (!udp) throw new UsageError(`${to} listens nowhere that can be dialled`)
    return `sip:${to}@${udp.address === '0.0.0.0' ? '127.0.0.1' : udp.address}:${udp.port}`
  }

  /** Files are named from the scenario file's folder. */
  private path(what: string): string {
    return what === 'silence' || what.startsWith('tone:') || isAbsolute(what)
      ? what
      : resolve(dirname(this.scenario.file), what)
  }
}
