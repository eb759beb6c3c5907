// Descriptions cut, swapped, repeated and scribbled over: reading them gives an answer or a RemoteError, and nothing else.
// FUZZ_RUNS sets how many; the seed of a failure is printed, and FUZZ_SEED repeats it.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { RemoteError } from '../../../src/errors.ts'
import { describe as describeText } from '../../../src/sdp/describe.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { g711, ice, local, peerAudio, sdp } from '../../unit/sdp/audio.ts'
import { generator, mutate } from './mutation.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 4000)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)

const fixtures = new URL('../../fixtures/sdp/', import.meta.url)
const corpus = [
  ...readdirSync(fixtures).map((name) =>
    readFileSync(new URL(name, fixtures), 'utf8').replace(/ (?:UDP\/TLS\/)?RTP\/SAVPF? /, ' RTP/AVP '),
  ),
  createOffer(local({ ice: ice(), rtcp: { address: '192.0.2.1', port: 40001 } })).text,
  peerAudio('a=rtcp-mux', 'a=ice-mismatch', 'a=remote-candidates:1 192.0.2.3 45664'),
  sdp(
    'c=IN IP6 2001:db8::1',
    'a=group:BUNDLE a v',
    'm=video 5 RTP/AVP 31',
    'a=mid:v',
    'm=audio 4 RTP/AVP 8',
    'a=mid:a',
  ),
]
/** Undefined where the peer's description was refused; anything but a RemoteError is a bug. */
const orRefusal = <T>(run: () => T): T | undefined => {
  try {
    return run()
  } catch (error) {
    if (error instanceof RemoteError) return undefined
    throw error
  }
}

test(`${runs} mutated descriptions`, { timeout: 60_000 + runs }, () => {
  const ours = local({ ice: ice(), rtcp: { address: '192.0.2.1', port: 40001 } })
  const offerText = createOffer(ours).text
  let accepted = 0
  for (let run = 0; run < runs; run++) {
    const text = mutate(corpus, generator(seed + run))
    try {
      const offer = orRefusal(() => readOffer(text, g711))
      if (offer) {
        accepted++
        const { text: answer, negotiated } = createAnswer(offer, ours)
        JSON.stringify(negotiated)
        // What we answer is itself well-formed, whatever was echoed into it.
        const again = readAnswer(text, answer)
        expect(again.codec.name.toLowerCase()).toBe(negotiated.codec.name.toLowerCase())
        expect(again.iceMismatch).toBe(negotiated.iceMismatch)
        expect(answer).not.toMatch(/undefined|\[object/)
      }
      orRefusal(() => readAnswer(offerText, text))
      describeText(text, 'received', 'offer')
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed + run} FUZZ_RUNS=1 gives:\n${JSON.stringify(text)}`, { cause: error })
    }
  }
  // The mutations are not so wild that nothing gets past the first check.
  expect(accepted).toBeGreaterThan(runs / 20 - 1)
})
