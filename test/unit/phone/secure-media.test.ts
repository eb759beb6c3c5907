import { expect, it } from 'vitest'
import { createCertificate } from '../../../src/dtls/certificate.ts'
import type { PathSuccession } from '../../../src/phone/path-succession.ts'
import { SecureMedia, type SecureMediaOptions } from '../../../src/phone/secure-media.ts'
import type { NegotiatedKeying } from '../../../src/sdp/description.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { VirtualClock } from '../../../src/sim/clock.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { srtpSuites } from '../../../src/srtp/suite.ts'
import { local as localAudio } from '../sdp/audio.ts'

/** One end, and what it sends. */
function end(seed: number, more: Partial<SecureMediaOptions> = {}) {
  const sent: Buffer[] = []
  const random = new SeededRandom(seed)
  let certificates = 0
  const take = (packet: Uint8Array): boolean => sent.push(Buffer.from(packet)) > 0
  const paths = { sendRtp: take, sendRtcp: take, sendDtls: take } as unknown as PathSuccession
  const media = new SecureMedia(
    {
      clock: new VirtualClock(),
      random,
      policy: 'answer',
      keying: ['dtls', 'sdes'],
      suites: srtpSuites.map(({ name }) => name),
      certificate: () => {
        certificates++
        return createCertificate(random, 1_800_000_000_000)
      },
      record: () => undefined,
      ...more,
    },
    paths,
  )
  return { media, sent, random, certificates: () => certificates }
}
const rtcp = Buffer.from(`81c80006${'decafbad'.repeat(6)}`, 'hex')

it('a key that comes back goes on counting: no packet is protected twice alike', () => {
  const { media, sent } = end(1)
  const [a, b] = media.local!.cryptos
  const remote = { ...a!, key: new Uint8Array(a!.key.length).fill(9) }
  const use = (local: typeof a): void =>
    media.apply({ type: 'sdes', suite: local!.suite, local: local!, remote } satisfies NegotiatedKeying)
  for (const local of [a, b, a]) {
    use(local)
    media.sendRtcp(rtcp)
  }
  const index = (packet: Buffer): number => packet.readUInt32BE(packet.length - 4)
  expect([sent[0]!, sent[2]!].map(index)).toEqual([0x8000_0001, 0x8000_0002])
})

it('what comes again under a key that comes back is refused', () => {
  const [near, far] = [end(1), end(2)]
  const heard: string[] = []
  far.media.onRtcp = (packet) => heard.push(Buffer.from(packet).toString('hex'))
  const [mine, theirs] = [near.media.local!.cryptos, far.media.local!.cryptos]
  const use = (at: number): void => {
    const suite = mine[at]!.suite
    near.media.apply({ type: 'sdes', suite, local: mine[at]!, remote: theirs[at]! })
    far.media.apply({ type: 'sdes', suite, local: theirs[at]!, remote: mine[at]! })
  }
  const paths = (far.media as unknown as { paths: PathSuccession }).paths
  use(0)
  near.media.sendRtcp(rtcp)
  for (const at of [0, 1, 0]) {
    use(at)
    paths.onRtcp?.(Buffer.from(near.sent[0]!), undefined)
  }
  expect(heard).toEqual([rtcp.toString('hex')])
})

it('nothing is made where nobody encrypts: no certificate, no keys', () => {
  const [near, far] = [end(1), end(2)]
  const before = [near.random.integer(1_000_000), far.random.integer(1_000_000)]
  const [fresh, other] = [new SeededRandom(1), new SeededRandom(2)]
  expect(before).toEqual([fresh.integer(1_000_000), other.integer(1_000_000)])
  const offer = createOffer(localAudio({ keying: near.media.local! })).text
  const remote = readOffer(offer, localAudio().codecs, far.media.local)
  const answer = createAnswer(remote, localAudio({ keying: far.media.local! })).text
  expect(readAnswer(offer, answer, near.media.local).keying).toBeUndefined()
  expect([near.certificates(), far.certificates()]).toEqual([0, 0])
  expect([near.random.integer(1_000_000), far.random.integer(1_000_000)]).toEqual([
    fresh.integer(1_000_000),
    other.integer(1_000_000),
  ])
})
