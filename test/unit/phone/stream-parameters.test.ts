import { expect, it } from 'vitest'
import type { Codec } from '../../../src/codec/codec.ts'
import { pcmu } from '../../../src/codec/g711.ts'
import { l16Codecs } from '../../../src/codec/l16.ts'
import { opus } from '../../../src/codec/opus.ts'
import { describeCodecs, streamParameters } from '../../../src/phone/stream-parameters.ts'
import { createAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { local, sdp } from '../sdp/audio.ts'

const thirty: Codec = { ...pcmu, packetTimesMs: [30] }
const l16At48kHz = l16Codecs.find(({ sampleRateHz }) => sampleRateHz === 48_000)!

it.each<[what: string, codec: Codec, wants: string[], ptimeMs: number]>([
  ['any', pcmu, [], 20],
  ['any', pcmu, ['a=ptime:60', 'a=maxptime:40'], 40],
  ['10, 20, 40 and 60', opus, ['a=ptime:50'], 40],
  ['10 alone', l16At48kHz, [], 10],
  ['30 alone', thirty, ['a=ptime:60'], 30],
  ['30 alone', thirty, ['a=maxptime:20'], 30],
  ['30 alone', thirty, ['a=ptime:10', 'a=maxptime:10'], 30],
])('a codec with packets of %s ms sends those (%o, %j)', (_, codec, wants, ptimeMs) => {
  const [description] = describeCodecs([codec])
  const { payloadType, name, clockRateHz, channels } = description!
  const offer = sdp(
    'c=IN IP4 198.51.100.9',
    `m=audio 27110 RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} ${name}/${clockRateHz}/${channels}`,
    ...wants,
  )
  const ours = local({ codecs: [description!] })
  const { negotiated } = createAnswer(readOffer(offer, ours.codecs), ours)
  expect(streamParameters(negotiated, [codec]).ptimeMs).toBe(ptimeMs)
})
