// Descriptions cut, swapped, repeated and scribbled over: reading them gives an answer or a RemoteError, and nothing else.
// FUZZ_RUNS sets how many; the seed of a failure is printed, and FUZZ_SEED repeats it.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { RemoteError } from '../../../src/errors.ts'
import { describe as describeText } from '../../../src/sdp/describe.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { g711, ice, local, peerAudio, sdp } from '../../unit/sdp/audio.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 4000)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)

/** mulberry32: small, seeded, good enough to choose bytes. */
const generator = (state: number) => (): number => {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

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
const odd = [
  '\0',
  '\r',
  '\n',
  ' ',
  ':',
  '/',
  '=',
  '-',
  '%',
  '%s',
  '%d',
  'é',
  '\u2028',
  '\ud800',
  '0',
  '9'.repeat(40),
  '-1',
  '1e400',
  'NaN',
  'Infinity',
  '__proto__',
  'constructor',
  '0.0.0.0',
  '::',
  '[::1]',
  'a=candidate:',
  'a=rtpmap:0 ',
  'm=audio ',
  'c=IN IP4 ',
  'x'.repeat(300),
]

const mutate = (random: () => number): string => {
  const below = (n: number): number => Math.floor(random() * n)
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!
  let text = pick(corpus)
  for (let edits = 1 + below(6); edits > 0; edits--) {
    const at = below(text.length + 1)
    const lines = text.split('\n')
    switch (below(7)) {
      case 0:
        text = text.slice(0, at)
        break
      case 1:
        text = text.slice(0, at) + pick(odd) + text.slice(at)
        break
      case 2:
        text = text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1)
        break
      case 3:
        text = text.slice(0, at) + text.slice(at + 1 + below(20))
        break
      case 4:
        lines.splice(below(lines.length), 1)
        text = lines.join('\n')
        break
      case 5:
        lines.splice(below(lines.length), 0, ...Array.from({ length: 1 + below(30) }, () => pick(lines)))
        text = lines.join('\n')
        break
      default: {
        const other = pick(corpus).split('\n')
        lines.splice(below(lines.length), 1, pick(other))
        text = lines.join('\n')
      }
    }
  }
  return text
}

/** Undefined where the peer's description was refused; anything but a RemoteError is a bug. */
const orRefusal = <T>(run: () => T): T | undefined => {
  try {
    return run()
  } catch (error) {
    if (error instanceof RemoteError) return undefined
    throw error
  }
}

test(`${runs} mutated descriptions`, { timeout: 10_000 + runs }, () => {
  const ours = local({ ice: ice(), rtcp: { address: '192.0.2.1', port: 40001 } })
  const offerText = createOffer(ours).text
  let accepted = 0
  for (let run = 0; run < runs; run++) {
    const text = mutate(generator(seed + run))
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
