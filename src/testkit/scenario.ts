// Scenario files: calls written as steps, in YAML. This file is their grammar; every mistake is told with file, line and column.
import { type Document, isMap, isSeq, LineCounter, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { UsageError } from '../errors.ts'
import type { Millis } from '../runtime/runtime.ts'

const duration = z
  .union([z.string(), z.number()])
  .transform((value, context) => {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(String(value))
    if (!match) {
      context.addIssue({ code: 'custom', message: 'write a time as 500ms, 10s or 2m' })
      return z.NEVER
    }
    return Number(match[1]) * ({ ms: 1, s: 1_000, m: 60_000 }[match[2] ?? 's'] ?? 1_000)
  })
  .pipe(z.number())

const text = z.union([z.string(), z.number()]).transform(String)
const phoneName = z.string().regex(/^[A-Za-z][\w-]*$/, 'a phone has a name of letters, digits, - and _')
const digits = text.pipe(z.string().regex(/^[0-9A-Da-d*#w]+$/, 'digits are 0-9 A-D * # and w to wait'))
/** A step that needs nothing but the phone may be written as its name alone. */
const phoneOnly = z.union([phoneName.transform((phone) => ({ phone })), z.strictObject({ phone: phoneName })])

const oneOrMore = z.union([z.string().transform((one) => [one]), z.array(z.string())])

const phone = z
  .strictObject({
    account: z.string().optional(),
    username: text.optional(),
    password: text.optional(),
    server: z.string().optional(),
    ice: z.enum(['auto', 'require', 'relay', 'off']).optional(),
    stun: oneOrMore.optional(),
    turn: oneOrMore.optional(),
    codecs: z.array(z.string()).optional(),
  })
  .nullable()
  .transform((value) => value ?? {})

const stepKinds = {
  register: phoneOnly,
  call: z.strictObject({ from: phoneName, to: z.string(), 'ring-for': duration.optional() }),
  answer: z.union([
    phoneName.transform((name) => ({ phone: name, within: undefined })),
    z.strictObject({ phone: phoneName, within: duration.optional() }),
  ]),
  reject: z.strictObject({
    phone: phoneName,
    status: z.number().int().min(300).max(699),
    within: duration.optional(),
  }),
  play: z.strictObject({
    phone: phoneName,
    what: z.string(),
    loop: z.boolean().optional(),
    wait: z.boolean().optional(),
  }),
  record: z.strictObject({ phone: phoneName, file: z.string() }),
  hear: z.strictObject({ phone: phoneName, what: z.string(), within: duration.optional() }),
  dtmf: z.strictObject({ phone: phoneName, digits }),
  'hear-dtmf': z.strictObject({ phone: phoneName, digits, within: duration.optional() }),
  wait: duration,
  'hang-up': phoneOnly,
  ended: z.union([
    phoneName.transform((name) => ({ phone: name, status: undefined, within: undefined })),
    z.strictObject({ phone: phoneName, status: z.number().int().optional(), within: duration.optional() }),
  ]),
}

const scenarioSchema = z.strictObject({
  name: z.string(),
  /** Start floe's own registrar, proxy and STUN server on loopback for this scenario. */
  server: z.literal('loopback').optional(),
  timeout: duration.optional(),
  phones: z.record(phoneName, phone),
  steps: z.array(z.unknown()).min(1),
})

type Kinds = { [K in keyof typeof stepKinds]: { kind: K; with: z.output<(typeof stepKinds)[K]> } }
export type Step = Kinds[keyof Kinds] & { line: number; text: string }

export interface Scenario {
  name: string
  file: string
  loopbackServer: boolean
  timeoutMs: Millis
  phones: Record<string, z.output<typeof phone>>
  steps: Step[]
}

const defaultTimeoutMs = 60_000

/**
 * Reads the scenarios of a file: one a YAML document.
 * @param file how the file is called in messages
 * @param environment where ${NAME} in texts comes from
 * @throws UsageError "calls.yaml:12:5: …"
 */
export function parseScenarios(
  source: string,
  file: string,
  environment: Record<string, string | undefined> = {},
): Scenario[] {
  const lines = new LineCounter()
  const documents = parseAllDocuments(source, { lineCounter: lines })
  if (!Array.isArray(documents) || documents.length === 0)
    throw new UsageError(`${file}:1:1: the file holds no scenario`)
  return documents.map((document) => {
    const syntax = document.errors[0]
    if (syntax) {
      const { line, col } = lines.linePos(syntax.pos[0])
      throw new UsageError(`${file}:${line}:${col}: ${syntax.message.split(/ at line |\n/)[0]}`)
    }
    return new Reader(document as Document, lines, file, environment).scenario()
  })
}

class Reader {
  constructor(
    private readonly document: Document,
    private readonly lines: LineCounter,
    private readonly file: string,
    private readonly environment: Record<string, string | undefined>,
  ) {}

  scenario(): Scenario {
    const raw = this.substitute(this.document.toJS(), [])
    const { name, server, timeout, phones, steps } = this.check(scenarioSchema, raw, [])
    const scenario: Scenario = {
      name,
      file: this.file,
      loopbackServer: server === 'loopback',
      timeoutMs: timeout ?? defaultTimeoutMs,
      phones,
      steps: steps.map((step, index) => this.step(step, ['steps', index])),
    }
    for (const [index, step] of scenario.steps.entries()) this.checkPhones(step, scenario, ['steps', index])
    return scenario
  }

  private step(raw: unknown, path: (string | number)[]): Step {
    const known = Object.keys(stepKinds).join(', ')
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw) || Object.keys(raw).length !== 1)
      this.fail(path, `a step is one of ${known}, with a colon and what it needs`)
    const [[kind, value]] = Object.entries(raw as object) as [[string, unknown]]
    if (!Object.hasOwn(stepKinds, kind))
      this.fail([...path, kind], `"${kind}" is not a step; steps are ${known}`)
    const key = kind as keyof typeof stepKinds
    const parsed = this.check(stepKinds[key], value, [...path, kind])
    return {
      kind: key,
      with: parsed,
      line: this.position(path).line,
      text: describeStep(kind, parsed),
    } as Step
  }

  private checkPhones(step: Step, scenario: Scenario, path: (string | number)[]): void {
    const value = step.with
    if (typeof value !== 'object') return
    for (const key of ['phone', 'from'] as const) {
      const used = (value as Record<string, unknown>)[key]
      if (typeof used === 'string' && !Object.hasOwn(scenario.phones, used))
        this.fail(
          [...path, step.kind],
          `there is no phone "${used}"; the scenario has ${Object.keys(scenario.phones).join(', ')}`,
        )
    }
  }

  private check<S extends z.ZodType>(schema: S, value: unknown, path: (string | number)[]): z.output<S> {
    const result = schema.safeParse(value)
    if (result.success) return result.data
    const issue = deepest(result.error.issues)
    return this.fail([...path, ...issue.path], issue.message)
  }

  /** Puts ${NAME} of the environment into texts: that is how a password gets into a scenario. */
  private substitute(value: unknown, path: (string | number)[]): unknown {
    if (typeof value === 'string')
      return value.replace(/\$\{([A-Za-z_]\w*)\}/g, (_, name: string) => {
        const found = this.environment[name]
        return found ?? this.fail(path, `the environment variable ${name} is not set`)
      })
    if (Array.isArray(value)) return value.map((item, index) => this.substitute(item, [...path, index]))
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, this.substitute(item, [...path, key])]),
      )
    return value
  }

  private fail(path: (string | number)[], message: string): never {
    const { line, col } = this.position(path)
    const where = path.filter((part) => typeof part === 'string').join('.')
    throw new UsageError(`${this.file}:${line}:${col}: ${where ? `${where}: ` : ''}${message}`)
  }

  /** Where the node of a path stands, or the nearest one above that exists. */
  private position(path: (string | number)[]): { line: number; col: number } {
    for (let length = path.length; length >= 0; length--) {
      const node = this.document.getIn(path.slice(0, length), true)
      const key = this.keyNode(path.slice(0, length))
      const range = key?.range ?? (node as { range?: [number, number, number] } | undefined)?.range
      if (range) return this.lines.linePos(range[0])
    }
    return { line: 1, col: 1 }
  }

  /** The key of a map entry tells more than its value, which may be missing. */
  private keyNode(path: (string | number)[]): { range?: [number, number, number] } | undefined {
    const parent = path.length > 1 ? this.document.getIn(path.slice(0, -1), true) : this.document.contents
    if (path.length === 0 || isSeq(parent) || !isMap(parent)) return undefined
    const pair = parent.items.find((item) => String(item.key) === String(path.at(-1)))
    return pair?.key as { range?: [number, number, number] } | undefined
  }
}

interface Issue {
  path: (string | number)[]
  message: string
}

/** Of a union's complaints the one that got furthest, in words that name what is wrong. */
function deepest(issues: readonly z.core.$ZodIssue[], prefix: (string | number)[] = []): Issue {
  const found = issues.flatMap((issue): Issue[] => {
    const path = [...prefix, ...(issue.path as (string | number)[])]
    if (issue.code === 'invalid_union') return [deepest(issue.errors.flat(), path)]
    return [{ path, message: issue.message.replace(/^Invalid input: /, '') }]
  })
  return found.reduce((best, issue) => (issue.path.length > best.path.length ? issue : best))
}

function describeStep(kind: string, value: unknown): string {
  if (typeof value !== 'object' || value === null) return `${kind} ${Number(value) / 1_000} s`
  const parts = Object.entries(value)
    .filter(([, part]) => part !== undefined)
    .map(([key, part]) => {
      if (key === 'phone' || key === 'from') return String(part)
      return key === 'within' || key === 'ring-for' ? `${key} ${Number(part) / 1_000} s` : `${key} ${part}`
    })
  return `${kind} ${parts.join(', ')}`
}
