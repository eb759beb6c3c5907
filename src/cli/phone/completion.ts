// Tab at the prompt: commands, accounts, numbers of calls, people who were called before, files.
import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { z } from 'zod'
import { commands } from './commands.ts'
import type { Switchboard } from './switchboard.ts'

export interface Completion {
  /** What stands before the cursor now. */
  text: string
  /** Where there is more than one way to go on. */
  choices: string[]
}

export function complete(before: string, board: Switchboard): Completion {
  const at = before.lastIndexOf(' ') + 1
  const begun = before.slice(at)
  const choices = candidates(before.slice(0, at), begun, board).filter((choice) => choice.startsWith(begun))
  if (choices.length === 0) return { text: before, choices: [] }
  const common = commonBeginning(choices)
  const [only, ...others] = choices
  const done = others.length === 0 && only !== undefined && !only.endsWith('/') && !only.endsWith('=')
  return {
    text: before.slice(0, at) + common + (done ? ' ' : ''),
    choices: others.length > 0 && common === begun ? choices : [],
  }
}

function candidates(before: string, begun: string, board: Switchboard): string[] {
  const [verb, ...words] = before.split(/\s+/).filter((word) => word !== '')
  if (verb === undefined) return commands.map(({ name }) => name)
  const command = commands.find(({ name }) => name === verb)
  if (!command) return []
  const { shape } = command.parameters
  const [, name] = /^([a-zA-Z]+)=/.exec(begun) ?? []
  if (name !== undefined)
    return valuesOf(name, shape, begun.slice(name.length + 1), board).map((value) => `${name}=${value}`)
  const word = command.words[words.filter((each) => !each.includes('=')).length]
  const others = Object.keys(shape).filter((key) => !command.words.includes(key))
  return [
    ...(word === undefined ? [] : valuesOf(word, shape, begun, board)),
    ...others.map((key) => `${key}=`),
  ]
}

function valuesOf(name: string, shape: z.ZodRawShape, begun: string, board: Switchboard): string[] {
  switch ((shape[name] as z.ZodType | undefined)?.meta()?.['what']) {
    case 'account':
      return board.accounts.map((account) => account.name)
    case 'call':
      return board.lines.map((line) => line.number)
    case 'target':
      return [...new Set([...board.lines, ...board.history].map((line) => shortUri(line.remote)))]
    case 'command':
      return commands.map((command) => command.name)
    case 'file':
    case 'sound':
      return files(begun)
    default:
      return []
  }
}

function files(begun: string): string[] {
  const folder = begun.endsWith('/') ? begun : dirname(begun)
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !entry.name.startsWith('.') || basename(begun).startsWith('.'))
      .filter((entry) => entry.isDirectory() || /\.wav$/i.test(entry.name))
      .map((entry) => {
        const path = folder === '.' && !begun.startsWith('./') ? entry.name : join(folder, entry.name)
        return entry.isDirectory() ? `${path}/` : path
      })
  } catch {
    return []
  }
}

function commonBeginning([first = '', ...others]: string[]): string {
  let length = first.length
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length--
  return first.slice(0, length)
}

/** "bob@pbx.example" for "sip:bob@pbx.example". */
export const shortUri = (uri: string): string => uri.replace(/^sips?:/i, '')
