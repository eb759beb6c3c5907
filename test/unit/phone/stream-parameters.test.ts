import { describe, expect, it } from 'vitest'
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
  const [description] = describeCodecs([codec]).codecs
  const { payloadType, name, clockRateHz, channels } = description!
  const offer = sdp(
    'c=IN IP4 198.51.100.9',
    `m=audio 27110 RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} ${name}/${clockRateHz}/${channels}`,
    ...wants,
  )
  const ours = local({ codecs: [description!] })
  const { negotiated } = createAnswer(readOffer(offer, ours.codecs), ours)
  expect(streamParameters(negotiated, [codec], { suppressesSilence: false }).ptimeMs).toBe(ptimeMs)
})

describe('comfort noise', () => {
  const offer = (...formats: string[]) =>
    sdp(
      'c=IN IP4 198.51.100.9',
      `m=audio 27110 RTP/AVP ${formats.map((format) => format.split(' ')[0]).join(' ')}`,
      ...formats.map((format) => `a=rtpmap:${format}`),
    )
  const parameters = (codec: Codec, suppressesSilence: boolean, ...formats: string[]) => {
    const { codecs, comfortNoise } = describeCodecs([codec])
    const ours = local({ codecs, comfortNoise: { formats: comfortNoise, offered: suppressesSilence } })
    const { negotiated } = createAnswer(readOffer(offer(...formats), ours.codecs), ours)
    return streamParameters(negotiated, [codec], { suppressesSilence })
  }
  const uninvited = { payloadType: 13, clockRateHz: 8000 }

  it('is sent where we want it and the peer takes it', () => {
    const both = ['0 PCMU/8000', '13 CN/8000']
    expect(parameters(pcmu, true, ...both).sendComfortNoise).toEqual({ payloadType: 13 })
    expect(parameters(pcmu, false, ...both)).not.toHaveProperty('sendComfortNoise')
    expect(parameters(pcmu, true, '0 PCMU/8000')).not.toHaveProperty('sendComfortNoise')
    expect(parameters(opus, true, '96 opus/48000/2', '97 CN/48000')).not.toHaveProperty('sendComfortNoise')
  })

  it('is understood where it was agreed on, and as type 13 in any case', () => {
    const agreed = { payloadType: 97, clockRateHz: 48_000 }
    expect(parameters(l16At48kHz, false, '96 L16/48000', '97 CN/48000').receiveComfortNoise).toEqual([
      agreed,
      uninvited,
    ])
    expect(parameters(pcmu, false, '0 PCMU/8000').receiveComfortNoise).toEqual([uninvited])
    expect(parameters(l16At48kHz, false, '13 L16/48000').receiveComfortNoise).toEqual([])
  })

  it('is described once for each clock of codecs without pauses of their own, under a number of its own', () => {
    const { codecs, comfortNoise } = describeCodecs([opus, pcmu, l16At48kHz, thirty])
    expect(comfortNoise.map(({ clockRateHz }) => clockRateHz)).toEqual([8000, 48_000])
    const numbers = [...codecs.slice(0, 3), ...comfortNoise].map(({ payloadType }) => payloadType)
    expect(new Set(numbers).size).toBe(numbers.length)
    expect(describeCodecs([opus]).comfortNoise).toEqual([])
  })
})
