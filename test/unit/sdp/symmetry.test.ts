// Whatever two phones bring, both ends draw the same conclusions from one offer and one answer.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type {
  CandidateAttribute,
  Direction,
  IceDescription,
  LocalAudio,
} from '../../../src/sdp/description.ts'
import { receives, reversed, sends } from '../../../src/sdp/direction.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { pcma, pcmu } from './audio.ts'

const port = fc.integer({ min: 1, max: 65535 })
const address = fc.oneof(fc.ipV4(), fc.ipV6().map(canonical)).filter((a) => a !== '0.0.0.0' && a !== '::')
const iceText = fc.string({ unit: fc.constantFrom(...'abcXYZ0189+/'), minLength: 4, maxLength: 32 })
const direction = fc.constantFrom<Direction>('sendrecv', 'sendonly', 'recvonly', 'inactive')

/** The spelling of an IPv6 address that URL, and so a socket, would give; IPv4-mapped ones are left to the unit tests. */
function canonical(text: string): string {
  const spelled = new URL(`http://[${text}]/`).hostname.slice(1, -1)
  return spelled.startsWith('::ffff:') ? '2001:db8::1' : spelled
}

const candidate: fc.Arbitrary<CandidateAttribute> = fc.record(
  {
    foundation: fc.string({ unit: fc.constantFrom(...'abc0189+/'), minLength: 1, maxLength: 32 }),
    component: fc.constantFrom(1, 2),
    transport: fc.constantFrom('udp', 'tcp'),
    priority: fc.integer({ min: 0, max: 0xffff_ffff }),
    address,
    port,
    type: fc.constantFrom('host' as const, 'srflx' as const, 'prflx' as const, 'relay' as const),
    related: fc.record({ address, port }),
  },
  { requiredKeys: ['foundation', 'component', 'transport', 'priority', 'address', 'port', 'type'] },
)

const iceOf = (rtp: { address: string; port: number }): fc.Arbitrary<IceDescription> =>
  fc.record({
    ufrag: iceText,
    pwd: iceText,
    lite: fc.boolean(),
    options: fc.constantFrom([], ['ice2'], ['ice2', 'trickle']),
    candidates: fc
      .uniqueArray(candidate, {
        maxLength: 12,
        selector: (c) => `${c.component} ${c.transport} ${c.address} ${c.port} ${c.type}`,
      })
      .map((list) => [
        { foundation: '1', component: 1, transport: 'udp', priority: 1, type: 'host' as const, ...rtp },
        ...list.filter((c) => c.address !== rtp.address || c.port !== rtp.port),
      ]),
  })

const phone: fc.Arbitrary<LocalAudio> = fc.record({ address, port }).chain((rtp) =>
  fc.record(
    {
      origin: fc.record({
        sessionId: fc.nat().map(String),
        version: fc.nat(1e6),
        address: fc.constant(rtp.address),
      }),
      codecs: fc.shuffledSubarray([pcmu, pcma, { ...pcma, name: 'L16', payloadType: 96 }], { minLength: 1 }),
      telephoneEvent: fc.boolean(),
      ptimeMs: fc.constantFrom(10, 20, 30, 60),
      direction,
      rtp: fc.constant(rtp),
      rtcp: fc.record({ address: fc.constant(rtp.address), port }),
      rtcpMux: fc.boolean(),
      ice: iceOf(rtp),
    },
    {
      requiredKeys: ['origin', 'codecs', 'telephoneEvent', 'ptimeMs', 'direction', 'rtp', 'rtcpMux'],
    },
  ),
)

test('offer, answer and both readings agree', () => {
  fc.assert(
    fc.property(phone, phone, (alice, bob) => {
      fc.pre(alice.codecs.some((a) => bob.codecs.some((b) => a.name === b.name)))
      const offer = createOffer(alice)
      const answer = createAnswer(readOffer(offer.text, bob.codecs), bob)
      const atAlice = readAnswer(offer.text, answer.text)
      const atBob = answer.negotiated

      expect(atAlice.problems).toEqual([])
      expect(atBob.problems).toEqual([])
      expect(atAlice.codec.name).toBe(atBob.codec.name)
      expect(atAlice.codec.sendPayloadType).toBe(atBob.codec.receivePayloadType)
      expect(atAlice.codec.receivePayloadType).toBe(atBob.codec.sendPayloadType)
      expect(atAlice.telephoneEvent?.sendPayloadType).toBe(atBob.telephoneEvent?.receivePayloadType)
      expect(atBob.telephoneEvent !== undefined).toBe(alice.telephoneEvent && bob.telephoneEvent)
      expect(atAlice.direction).toBe(reversed(atBob.direction))
      expect(sends(atAlice.direction)).toBe(sends(alice.direction) && receives(bob.direction))
      expect(atAlice.ptimeMs).toBe(bob.ptimeMs)
      expect(atBob.ptimeMs).toBe(alice.ptimeMs)
      expect(atAlice.remoteRtp).toEqual(bob.rtp)
      expect(atBob.remoteRtp).toEqual(alice.rtp)
      expect(atAlice.rtcpMux).toBe(alice.rtcpMux && bob.rtcpMux)
      expect(atBob.rtcpMux).toBe(atAlice.rtcpMux)
      if (!atAlice.rtcpMux && bob.rtcp) expect(atAlice.remoteRtcp).toEqual(bob.rtcp)
      const bothIce = alice.ice !== undefined && bob.ice !== undefined
      expect(atBob.ice).toEqual(bothIce ? alice.ice : undefined)
      expect(atAlice.ice).toEqual(
        bothIce
          ? { ...bob.ice, candidates: bob.ice!.candidates.filter((c) => c.component === 1 || !atBob.rtcpMux) }
          : undefined,
      )
      expect([atAlice.iceMismatch, atBob.iceMismatch]).toEqual([false, false])
    }),
    { numRuns: 300 },
  )
})
