// RTCP in whole calls, in virtual time: what both ends tell each other of how they sound, where it goes, and that it stays away
// where the far end wants none.
import { describe, expect, test } from 'vitest'
import { formatReport } from '../../../src/diagnose/format-report.ts'
import type { Call } from '../../../src/phone/call.ts'
import type { CallOptions, DialOptions, PhoneOptions } from '../../../src/phone/options.ts'
import { type Compound, parseCompound } from '../../../src/rtcp/compound.ts'
import { isRtcp } from '../../../src/rtp/packet.ts'
import type { Network, Runtime } from '../../../src/runtime/runtime.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import type { LinkQuality, Packet } from '../../../src/sim/link.ts'
import { FarEnd } from './far-end.ts'
import { expectNothingLeft, phoneOn, withMedia, world } from './world.ts'

interface Scene {
  alice?: PhoneOptions
  bob?: PhoneOptions
  dial?: DialOptions
  answer?: CallOptions
  link?: LinkQuality
  /** Alice's offer loses rtcp-mux on its way. */
  twoPorts?: boolean
}

/** A host whose offers say nothing of rtcp-mux that anybody knows. */
function withoutMux(host: VirtualHost): Runtime {
  const { clock, network, random, files } = host as Runtime
  const openUdp: Network['openUdp'] = async (...words) => {
    const socket = await network.openUdp(...words)
    const send = socket.send.bind(socket)
    socket.send = (data, ...to) => {
      const text = Buffer.from(data).toString('latin1')
      const other = text.startsWith('INVITE') && text.replaceAll('a=rtcp-mux', 'a=xtcp-mux')
      send(other ? Buffer.from(other, 'latin1') : data, ...to)
    }
    return socket
  }
  const changed = new Proxy(network, {
    get: (target, name) => {
      const value = name === 'openUdp' ? openUdp : target[name as keyof Network]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { clock, random, files, network: changed }
}

/** A call of so many ms between two phones, and the RTCP of it that was sent in the clear. */
async function talk(how: Scene, durationMs = 30_000) {
  const simulation = world(3)
  const { clock, internet } = simulation
  const sent: { from: string; compound: Compound }[] = []
  simulation.onSend = ({ data }: Packet, from) => {
    if (data.length < 8 || data[0]! >> 6 !== 2 || !isRtcp(data)) return
    const compound = parseCompound(data)
    if (typeof compound !== 'string') sent.push({ from, compound })
  }
  const ends = await clock.run(
    (async () => {
      const host = simulation.host('alice', internet.at('203.0.113.1', how.link))
      const alice = await phoneOn(host, { ...how.alice, ...(how.twoPorts && { runtime: withoutMux(host) }) })
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2', how.link)), how.bob)
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play: 'tone:440', loop: true, ...how.dial })
      const answered = await incoming
      await answered.answer({ play: 'tone:600', loop: true, ...how.answer })
      await call.answered
      await new Promise<void>((resolve) => clock.setTimer(durationMs, resolve))
      const report = await call.hangUp()
      const theirs = await answered.ended
      await Promise.all([alice.stop(), bob.stop()])
      return [report, theirs] as const
    })(),
  )
  await expectNothingLeft(simulation)
  return { ends, sent }
}

describe('two phones tell each other how the call sounds', () => {
  test.each<[string, PhoneOptions]>([
    ['with ICE', {}],
    ['without', { ice: 'off' }],
    ['encrypted', { srtp: 'require' }],
  ])('%s', async (_, options) => {
    const { ends } = await talk({ alice: options, bob: options, link: { latencyMs: 20 } })
    for (const { statistics } of ends) {
      expect(statistics?.roundTripMs).toBeCloseTo(80, -1)
      expect(statistics?.quality).toMatchObject({ discardPercent: 0, burstRatio: 1, bursts: 0 })
      expect(statistics?.quality?.mosListening).toBeCloseTo(4.41, 1)
      // Half of the round trip, play-out, and a packet.
      const { delayMs } = statistics!.quality!
      expect(delayMs).toBeCloseTo(statistics!.roundTripMs! / 2 + statistics!.received.playout.delayMs + 20, 0)
      expect(statistics?.remote?.quality).toMatchObject({ lossPercent: 0, discardPercent: 0 })
      expect(statistics?.remote?.quality?.mosListening).toBeCloseTo(4.4, 1)
    }
    const text = formatReport(ends[0])
    expect(text).toMatch(
      /^quality {3}estimated MOS 4\.4 to listen to, 4\.\d in conversation \(E-model R 9\d, /m,
    )
    expect(text).toMatch(/^ {10}far end estimates MOS 4\.4 to listen to/m)
    expect(JSON.parse(JSON.stringify(ends[0])).statistics.quality.mosListening).toBeGreaterThan(4.3)
  })

  test.each<[string, PhoneOptions]>([
    ['in the clear', { ice: 'off' }],
    ['keys in the SDP', { srtp: 'require', srtpKeying: 'sdes' }],
    ['keys by two handshakes of DTLS', { srtp: 'require' }],
    ['keys by two handshakes of DTLS, without ICE', { srtp: 'require', ice: 'off' }],
  ])('RTCP on a port of its own: %s', async (_, options) => {
    const { ends } = await talk({ alice: options, bob: options, link: { latencyMs: 20 }, twoPorts: true })
    for (const { codec, statistics, warnings } of ends) {
      expect(codec?.rtcpMux).toBe(false)
      expect(statistics?.roundTripMs).toBeCloseTo(80, -1)
      expect(statistics?.remote?.quality).toBeDefined()
      expect(warnings).toEqual([])
    }
  })

  test('loss is told from bursts of it', async () => {
    const { ends } = await talk({ alice: { ice: 'off' }, link: { latencyMs: 10, loss: 0.03 } }, 60_000)
    const { quality, remote } = ends[0].statistics!
    expect(quality!.mosListening).toBeLessThan(4.2)
    expect(quality!.burstRatio).toBeLessThan(1.5)
    expect(remote!.quality!.lossPercent).toBeGreaterThan(3)
    expect(remote!.quality!.mosListening).toBeLessThan(4.3)
  })

  test('an end that sends nothing knows its round trip by XR', async () => {
    const { ends, sent } = await talk({
      alice: { ice: 'off' },
      answer: { silence: false, play: 'tone:600', loop: false },
      dial: { play: 'tone:440', silence: false },
      link: { latencyMs: 20 },
      bob: {},
    })
    expect(sent.length).toBeGreaterThan(4)
    for (const { statistics } of ends) expect(statistics?.roundTripMs).toBeCloseTo(80, -1)
  })
})

/** Bob has a call with a far end that describes itself as it likes. */
async function withFarEnd(
  act: (scene: {
    call: Call
    far: FarEnd
    /** RTCP that Bob sends within the next half minute, by where it goes. */
    rtcp(): Promise<string[]>
  }) => Promise<void>,
): Promise<void> {
  const simulation = world(4)
  const { clock, internet } = simulation
  const wait = (ms: number) => new Promise<void>((done) => clock.setTimer(ms, done))
  await clock.run(
    (async () => {
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), { ice: 'off' })
      const far = await FarEnd.start(withMedia(simulation.host('far', internet.at('203.0.113.1'))), 1000)
      const incoming = bob.nextCall()
      const dialled = far.dial('sip:bob@203.0.113.2', { policy: 'off' })
      const call = await incoming
      await call.answer({ play: 'tone:450', loop: true })
      await dialled
      const rtcp = async (): Promise<string[]> => {
        const places: string[] = []
        simulation.onSend = ({ data, destination }, from) => {
          if (from === 'bob' && data[0]! >> 6 === 2 && isRtcp(data))
            places.push(`${destination.address}:${destination.port}`)
        }
        await wait(30_000)
        simulation.onSend = undefined
        return [...new Set(places)]
      }
      await act({ call, far, rtcp })
      await call.hangUp()
      await bob.stop()
      await far.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}

describe('a far end says where RTCP goes', () => {
  const without = (text: string, ...attributes: string[]): string =>
    text
      .split('\r\n')
      .filter((line) => !attributes.some((attribute) => line.startsWith(`a=${attribute}`)))
      .join('\r\n')

  test('multiplexed, to the next port, to another port (RFC 3605), and back', () =>
    withFarEnd(async ({ far, rtcp }) => {
      const { content } = far.media.offerAgain()
      const port = Number(/^m=audio (\d+)/m.exec(content)![1])
      expect(await rtcp()).toEqual([`203.0.113.1:${port}`])
      const bare = without(content, 'rtcp-mux', 'rtcp:', 'group')
      const answer = await far.say(bare)
      expect(answer).not.toContain('rtcp-mux')
      expect(await rtcp()).toEqual([`203.0.113.1:${port + 1}`])
      await far.say(`${bare}a=rtcp:53020\r\n`)
      expect(await rtcp()).toEqual(['203.0.113.1:53020'])
      await far.say(content)
      expect(await rtcp()).toEqual([`203.0.113.1:${port}`])
    }))

  test('nowhere (RFC 3556), and then again', () =>
    withFarEnd(async ({ call, far, rtcp }) => {
      const { content } = far.media.offerAgain()
      const none = content.replace(/^(m=.*\r\n)/m, '$1b=RS:0\r\nb=RR:0\r\n')
      expect(await far.say(none)).toContain('b=RS:0\r\nb=RR:0\r\n')
      expect(await rtcp()).toEqual([])
      expect(call.state).toBe('answered')
      await far.say(content)
      expect(await rtcp()).toHaveLength(1)
    }))
})
