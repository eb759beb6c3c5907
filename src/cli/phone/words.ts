// What a person writes at the prompt, as a command: "dial bob play=hello.wav", "message bob see you at five", "ans 2". A command
// may be shortened as long as it can only be one; values go to the parameters in their order, or by name with "=".
import { UsageError } from '../../index.ts'
import { type Command, commands } from './commands.ts'

/** Shorter still than a beginning; each is also a key of its own (keys.ts). */
const aliases: Readonly<Record<string, string>> = {
  a: 'answer',
  d: 'dial',
  h: 'hold',
  m: 'mute',
  x: 'hang-up',
  q: 'quit',
  '?': 'help',
}

export interface Words {
  command: Command
  parameters: Record<string, unknown>
}

/** @throws UsageError in one sentence */
export function parseWords(text: string): Words {
  const [first = '', ...rest] = tokens(text)
  const command = commandOf(first)
  const parameters: Record<string, unknown> = {}
  const bare: string[] = []
  for (const token of rest) {
    const [, name, value] = /^([a-zA-Z]+)=(.*)$/s.exec(token) ?? []
    if (name !== undefined && value !== undefined && name in command.parameters.shape)
      parameters[name] = readingOf(command, name, value)
    else bare.push(token)
  }
  const { words } = command
  words.forEach((name, index) => {
    if (bare.length === 0) return
    const isLast = index === words.length - 1
    const value = isLast ? bare.splice(0).join(' ') : bare.shift()
    if (value !== undefined) parameters[name] = readingOf(command, name, value)
  })
  if (bare.length > 0)
    throw new UsageError(`${command.name} takes nothing after it: "${bare.join(' ')}" is too much`)
  return { command, parameters }
}

/** By its name, its alias or a beginning that no other command has. */
function commandOf(word: string): Command {
  const name = word.replace(/^\//, '').toLowerCase()
  const known = commands.find((command) => command.name === (aliases[name] ?? name))
  if (known) return known
  const begun = commands.filter((command) => command.name.startsWith(name))
  if (begun.length > 1)
    throw new UsageError(`"${word}" may be ${begun.map((command) => command.name).join(' or ')}`)
  if (begun[0]) return begun[0]
  throw new UsageError(`there is no command "${word}": help lists them`)
}

/** Words; quotes keep blanks. */
function tokens(text: string): string[] {
  return [...text.matchAll(/(?:"[^"]*"|[^\s"]|")+/g)].map(([token]) => token.replaceAll(/"([^"]*)"/g, '$1'))
}

/** As the parameter takes it: a text, a number, or yes and no. */
function readingOf(command: Command, name: string, text: string): unknown {
  const schema = command.parameters.shape[name]
  const readings = [text, Number(text), text === 'true' || text === 'yes']
  return readings.find((reading) => schema?.safeParse(reading).success) ?? text
}

/** How a command is written: "dial TARGET [account=…]". */
export function usage({ name, words, parameters }: Command): string {
  const shown = (key: string, isWord: boolean): string => {
    const text = isWord ? key.toUpperCase() : `${key}=…`
    return parameters.shape[key]?.safeParse(undefined).success ? `[${text}]` : text
  }
  const others = Object.keys(parameters.shape).filter((key) => !words.includes(key))
  return [name, ...words.map((key) => shown(key, true)), ...others.map((key) => shown(key, false))].join(' ')
}
