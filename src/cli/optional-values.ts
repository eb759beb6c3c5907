// A flag whose value may be left out (--tls-key-log [FILE]) takes the word behind it. Where that is the word that the verb needs
// (floe call --tls-key-log bob@pbx.example), or one that names no file, the flag has no value: it is moved to the end, where
// nothing follows it.
import type { Command } from 'commander'

const namesNoFile = /^(sips?|tel|wss?):/i

/** @param words behind the verb */
export function withoutStolenOperands(command: Command, words: readonly string[]): string[] {
  const end = words.indexOf('--')
  const head = words.slice(0, end < 0 ? undefined : end)
  const operands: string[] = []
  const takers: number[] = []
  for (let i = 0; i < head.length; i++) {
    const word = head[i]!
    const option = command.options.find(({ short, long }) => word === short || word === long)
    if (!option) {
      if (!word.startsWith('-')) operands.push(word)
      continue
    }
    const value = head[i + 1]
    if (option.required) i++
    else if (option.optional && value !== undefined && !value.startsWith('-')) takers.push(i++)
  }
  const needed = command.registeredArguments.filter(({ required }) => required).length
  let missing = end < 0 ? needed - operands.length : 0
  const idle = takers.filter((i) => namesNoFile.test(head[i + 1]!) || missing-- > 0)
  if (idle.length === 0) return [...words]
  const flags = idle.map((i) => head[i]!)
  return [...head.filter((_, i) => !idle.includes(i)), ...flags, ...words.slice(head.length)]
}
