// The far end changes its codec in mid-call, to another clock rate and back: by re-INVITE, and by payload type alone, as it may where
// both descriptions keep several (RFC 3264 7). After each change audio and digits go both ways, in virtual time.
import { expect, it } from 'vitest'
import { codecByName } from '../../../src/codec/registry.ts'
import type { Call } from '../../../src/phone/call.ts'
import type { StreamParameters } from '../../../src/stream/parameters.ts'
import { FarEnd, hearsNow } from './far-end.ts'
import { expectNothingLeft, phoneOn, withMedia, world } from './world.ts'

const [narrow, middle, wide] = ['PCMU', 'L16/16000', 'L16/48000'] as const
const codec = (name: string) => codecByName(name)!

interface Scene {
  call: Call
  far: FarEnd
  /** Each end hears the other's tone, and digits that it is sent. */
  proveBothWays(): Promise<void>
}

async function scene(policy: 'auto' | 'off', act: (scene: Scene) => Promise<void>): Promise<void> {
  const simulation = world(13)
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), {
        codecs: [narrow, middle, wide],
      })
      const far = await FarEnd.start(withMedia(simulation.host('far', internet.at('203.0.113.1'))), 1000)
      const incoming = bob.nextCall()
      const dialled = far.dial('sip:bob@203.0.113.2', { policy })
      const call = await incoming
      await call.answer({ play: 'tone:450', loop: true })
      await dialled
      await call.connected
      let received = ''
      const proveBothWays = async () => {
        await clock.advance(1_500)
        expect({ phone: hearsNow(call, 1000), far: far.hears(450) }).toEqual({ phone: true, far: true })
        received = ''
        far.media.stream!.onDtmf = (digit) => {
          received += digit
        }
        await Promise.all([
          call.waitForDtmf('159', 5_000),
          call.sendDtmf('37#'),
          far.media.stream!.sendDtmf('159'),
        ])
        await clock.advance(500)
        expect(received).toBe('37#')
      }
      await proveBothWays()
      await act({ call, far, proveBothWays })
      const { statistics } = await call.hangUp()
      const { lost, late } = statistics!.received
      expect({ lost, late }).toEqual({ lost: 0, late: 0 })
      await bob.stop()
      await far.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}

it.each(['auto', 'off'] as const)('by re-INVITE: 8, 48, 16 kHz and back (ICE %s)', (policy) =>
  scene(policy, async ({ call, far, proveBothWays }) => {
    for (const name of [wide, middle, narrow]) {
      await far.change({ policy, codecs: [name] })
      await proveBothWays()
      const { clockRateHz } = codec(name)
      expect(call.report().codec).toMatchObject({ name: name.split('/')[0] })
      expect(far.media.stream!.sampleRateHz).toBe(clockRateHz)
    }
  }),
)

/** The answer, with every format of the offer behind the one that it has chosen. */
const keepingAll = (answer: string, offer: string): string => {
  const formats = /^m=audio \d+ \S+ (.*)\r$/m.exec(offer)![1]
  const maps = offer.match(/^a=(?:rtpmap|fmtp):.*\r\n/gm)!.join('')
  return answer
    .replace(/^a=(?:rtpmap|fmtp):.*\r\n/gm, '')
    .replace(/^(m=audio \d+ \S+) .*\r\n/m, `$1 ${formats}\r\n${maps}`)
}
const numberOf = (text: string, map: string): number =>
  Number(new RegExp(`^a=rtpmap:(\\d+) ${map}`, 'm').exec(text)![1])
/** The phone offers anew all that it can. */
const offerAgain = async (call: Call): Promise<void> => {
  await call.hold()
  await call.resume()
}

it('by payload type alone: 8, 48, 16 kHz and back, while we send what we did', () =>
  scene('auto', async ({ call, far, proveBothWays }) => {
    let offered = ''
    far.rewrite = (answer, offer) => {
      offered = offer
      return keepingAll(answer, offer)
    }
    await offerAgain(call)
    await proveBothWays()
    const { codec: before } = call.report()
    const narrowType = { codec: codec(narrow), payloadType: 0 }
    const events = numberOf(offered, 'telephone-event/8000')
    for (const name of [wide, middle]) {
      const { clockRateHz } = codec(name)
      const payloadType = numberOf(offered, name)
      const parameters: StreamParameters = {
        codec: codec(name),
        sendPayloadType: payloadType,
        receivePayloadType: payloadType,
        alsoReceive: [narrowType],
        telephoneEvent: {
          sendPayloadType: numberOf(offered, `telephone-event/${clockRateHz}`),
          receivePayloadType: numberOf(offered, `telephone-event/${clockRateHz}`),
        },
        alsoReceiveEvents: [{ payloadType: events, clockRateHz: 8_000 }],
        ptimeMs: 10,
        direction: 'sendrecv',
      }
      far.media.stream!.update(parameters)
      await proveBothWays()
    }
    far.media.stream!.update({
      codec: codec(narrow),
      sendPayloadType: 0,
      receivePayloadType: 0,
      telephoneEvent: { sendPayloadType: events, receivePayloadType: events },
      ptimeMs: 20,
      direction: 'sendrecv',
    })
    await proveBothWays()
    const { codec: after, statistics } = call.report()
    expect(after).toEqual(before)
    expect(statistics!.dropped).toEqual({})
  }))

it('each end under numbers of its own (RFC 3264 5.1)', () =>
  scene('off', async ({ call, far, proveBothWays }) => {
    await far.change({ policy: 'off', codecs: [middle] })
    let ours = { sound: 0, events: 0 }
    const theirs = { sound: 120, events: 121 }
    far.rewrite = (answer) => {
      ours = { sound: numberOf(answer, middle), events: numberOf(answer, 'telephone-event/16000') }
      return answer
        .replace(/^(m=audio \d+ \S+) .*\r$/m, `$1 ${theirs.sound} ${theirs.events}\r`)
        .replace(`rtpmap:${ours.sound} `, `rtpmap:${theirs.sound} `)
        .replace(`rtpmap:${ours.events} `, `rtpmap:${theirs.events} `)
        .replace(`fmtp:${ours.events} `, `fmtp:${theirs.events} `)
    }
    await offerAgain(call)
    far.media.stream!.update({
      codec: codec(middle),
      sendPayloadType: ours.sound,
      receivePayloadType: theirs.sound,
      telephoneEvent: { sendPayloadType: ours.events, receivePayloadType: theirs.events },
      ptimeMs: 20,
      direction: 'sendrecv',
    })
    await proveBothWays()
    expect(call.report().codec).toMatchObject({ payloadType: theirs.sound, receivePayloadType: ours.sound })
  }))
