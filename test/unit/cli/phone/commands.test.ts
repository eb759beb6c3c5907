import { describe, expect, test } from 'vitest'
import { commands } from '../../../../src/cli/phone/commands.ts'

describe('the commands of the phone', () => {
  test('have names of their own, in kebab case, and say in a phrase what they do', () => {
    const names = commands.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const { name, summary } of commands) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/)
      expect(summary, name).toMatch(/^[a-z].*[^.]$/)
    }
  })

  test('take as words at the prompt what they have parameters for; what they need comes first', () => {
    for (const { name, words, parameters } of commands) {
      const { shape } = parameters
      expect(Object.keys(shape), name).toEqual(expect.arrayContaining([...words]))
      const needed = Object.keys(shape).filter((key) => !shape[key]!.safeParse(undefined).success)
      expect(words.slice(0, needed.length).toSorted(), name).toEqual(needed.toSorted())
    }
  })
})
