import { expect, it } from 'vitest'
import { pcma } from '../../../src/codec/g711.ts'
import { codecByName, codecs } from '../../../src/codec/registry.ts'

it('knows codecs by the static payload types of RFC 3551', () => {
  expect(codecs.map(({ name, staticPayloadType }) => [name, staticPayloadType])).toEqual([
    ['PCMU', 0],
    ['PCMA', 8],
    ['G722', 9],
    ['opus', undefined],
  ])
})

it('finds a codec by its name in any case', () => {
  expect(codecByName('pcma')).toBe(pcma)
  expect(codecByName('iLBC')).toBeUndefined()
})
