import { expect, it } from 'vitest'
import { pcma } from '../../../src/codec/g711.ts'
import { codecByName, codecs } from '../../../src/codec/registry.ts'

it('knows codecs by the static payload types of RFC 3551', () => {
  expect(codecs.map(({ name, staticPayloadType }) => [name, staticPayloadType])).toEqual([
    ['opus', undefined],
    ['G722', 9],
    ['PCMU', 0],
    ['PCMA', 8],
    ['L16', undefined],
    ['L16', undefined],
    ['L16', 11],
    ['L16', undefined],
  ])
})

it('finds a codec by its name in any case', () => {
  expect(codecByName('pcma')).toBe(pcma)
  expect(codecByName('l16/44100')?.staticPayloadType).toBe(11)
  expect(codecByName('L16')?.sampleRateHz).toBe(16_000)
  expect(codecByName('G722/8000')?.name).toBe('G722')
  expect(codecByName('L16/32000')).toBeUndefined()
  expect(codecByName('iLBC')).toBeUndefined()
})
