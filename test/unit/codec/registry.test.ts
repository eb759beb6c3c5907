import { expect, it } from 'vitest'
import { pcma } from '../../../src/codec/g711.ts'
import { codecByName, codecs } from '../../../src/codec/registry.ts'

it('knows codecs by the static payload types of RFC 3551', () => {
  expect(codecs.map(({ name, staticPayloadType }) => [name, staticPayloadType])).toEqual([
    ['opus', undefined],
    ['G722', 9],
    ['PCMU', 0],
    ['PCMA', 8],
  ])
})

it('finds a codec by its name in any case', () => {
  expect(codecByName('pcma')).toBe(pcma)
  expect(codecByName('iLBC')).toBeUndefined()
})
