// Trickle fragments cut, swapped, repeated and scribbled over: reading them never throws and stays within its bounds.
// FUZZ_RUNS sets how many; the seed of a failure is printed, and FUZZ_SEED repeats it.
import { expect, test } from 'vitest'
import { readFragment, writeFragment } from '../../../src/sdp/fragment.ts'
import { host } from '../../unit/sdp/audio.ts'
import { generator, mutate } from './mutation.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 10_000)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)

const ours = { ufrag: '8hhY', pwd: 'asd88fgpdd777uzjYhagZg', mid: '0', endOfCandidates: true }
const corpus = [
  writeFragment({ ...ours, candidates: [host('192.0.2.1', 40000), host('2001:db8::1', 40001, 2)] }),
  writeFragment({
    ...ours,
    candidates: [{ ...host('192.0.2.1', 9), transport: 'tcp', tcpType: 'active' }],
  }).repeat(2),
  'a=ice-options:trickle ice2\na=ice-lite\na=ice-pacing:50\na=remote-candidates:1 192.0.2.3 45664\nm=video 9 x y\n',
]

test(`${runs} mutated fragments`, { timeout: 60_000 + runs }, () => {
  let read = 0
  for (let run = 0; run < runs; run++) {
    const text = mutate(corpus, generator(seed + run))
    try {
      for (const section of readFragment(text).sections) {
        read++
        expect(section.candidates.length).toBeLessThanOrEqual(100)
        // What was read can be said again, and is then read alike.
        const [again] = readFragment(writeFragment({ ...section, mid: '0' })).sections
        expect(again?.candidates).toEqual(section.candidates)
      }
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed + run} FUZZ_RUNS=1 gives:\n${JSON.stringify(text)}`, { cause: error })
    }
  }
  expect(read).toBeGreaterThan(runs / 20 - 1)
})
