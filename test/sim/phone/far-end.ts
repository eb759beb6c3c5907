// For tests: a far end whose media a test changes at will, and what a phone hears now.
import { codecByName } from '../../../src/codec/registry.ts'
import { openSource } from '../../../src/files/open-sound.ts'
import type { Call } from '../../../src/phone/call.ts'
import { CallMedia } from '../../../src/phone/call-media.ts'
import { HeardAudio } from '../../../src/phone/heard-audio.ts'
import { MediaPaths } from '../../../src/phone/media-paths.ts'
import { NetworkWatch } from '../../../src/phone/network-watch.ts'
import type { IcePolicy } from '../../../src/phone/options.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import type { Body, Reinvite, Session, SessionHandler } from '../../../src/sip/session.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { WheelPacer } from '../../../src/stream/pacer.ts'

const rate = 8_000

/** Whether the last half second holds the tone. */
function holdsTone(samples: Int16Array, frequencyHz: number): boolean {
  const last = samples.subarray(-rate / 2)
  let re = 0
  let im = 0
  for (const [i, sample] of last.entries()) {
    const angle = (2 * Math.PI * frequencyHz * i) / rate
    re += sample * Math.cos(angle)
    im += sample * Math.sin(angle)
  }
  return last.length > 0 && Math.hypot(re, im) / last.length > 500
}

export const hearsNow = (call: Call, frequencyHz: number): boolean =>
  holdsTone(call.heardSamples().samples, frequencyHz)

export interface FarMedia {
  policy?: IcePolicy
  codecs?: string[]
  ptimeMs?: number
  /** One of the host's; the first where absent. */
  address?: string
}

export class FarEnd {
  session: Session | undefined
  media!: CallMedia
  private heard = new HeardAudio(rate, 60)
  private confirm: (answer: Body | undefined) => void = () => {}
  /** What becomes of its answers to the phone's offers on their way. */
  rewrite: (answer: string, offer: string) => string = (answer) => answer

  private constructor(
    private readonly host: VirtualHost,
    private readonly agent: UserAgent,
    private readonly frequencyHz: number,
  ) {}

  static async start(host: VirtualHost, frequencyHz: number): Promise<FarEnd> {
    const address = addressOf(host)
    const listen = (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address, port: 5060 }))
    return new FarEnd(host, await UserAgent.start({ runtime: host, listen }), frequencyHz)
  }

  /** Other sockets, codecs and session from now on; the old ones close a moment later. */
  async become(how: FarMedia): Promise<Body> {
    const before = this.media
    this.media = this.open(how)
    this.media.session = this.session
    if (before) this.host.clock.setTimer(200, () => before.close())
    return this.media.offer()
  }

  /** Dials; resolves when the call is answered. */
  async dial(uri: string, how: FarMedia = {}): Promise<void> {
    const offer = await this.become(how)
    await new Promise<void>((resolve) => {
      this.session = this.agent.invite(
        uri,
        {
          ...this.handler(),
          onAccepted: (response, acknowledge) => {
            acknowledge()
            this.media.accept(response.body!)
            this.media.established()
            resolve()
          },
        },
        { offer },
      )
      this.media.session = this.session
    })
  }

  /** Changes the call by a re-INVITE with an offer. */
  async change(how: FarMedia): Promise<void> {
    const offer = await this.become(how)
    this.media.accept((await this.session!.reinvite(offer))!)
    this.media.established()
  }

  /** Sends an offer of the test's own making; returns its answer. */
  async say(content: string): Promise<string> {
    const answer = await this.session!.reinvite({ contentType: 'application/sdp', content })
    return answer?.content ?? ''
  }

  hears(frequencyHz: number): boolean {
    return holdsTone(this.heard.samples(), frequencyHz)
  }

  handler(): SessionHandler {
    return {
      onConfirmed: (answer) => this.confirm(answer),
      onReinvite: (reinvite) => void this.answer(reinvite),
      onEnded: () => this.media.close(),
    }
  }

  async stop(): Promise<void> {
    await this.agent.stop()
    this.media?.close()
  }

  private async answer(reinvite: Reinvite): Promise<void> {
    if (reinvite.offer) {
      const { contentType, content } = await this.media.answer(reinvite.offer)
      reinvite.accept({ contentType, content: this.rewrite(content, reinvite.offer.content) })
      return
    }
    this.confirm = (answer) => answer && this.media.accept(answer)
    reinvite.accept(this.media.offerAgain())
  }

  private open({ policy = 'auto', codecs = ['PCMU'], ptimeMs = 20, address }: FarMedia): CallMedia {
    const { host } = this
    const own = address ?? addressOf(host)
    const paths = new MediaPaths({
      runtime: host,
      watch: new NetworkWatch(host.clock, host),
      policy,
      servers: [],
      lite: false,
      tcp: false,
      interfaces: [own],
      warn: () => {},
    })
    const media = new CallMedia({
      runtime: host,
      pacer: new WheelPacer(host.clock),
      policy,
      trickle: 'half',
      lite: false,
      openPath: (request) => paths.open({ ...request, signalling: own }),
      candidateBudgetBytes: 1_000,
      codecs: codecs.map((name) => codecByName(name)!),
      ptimeMs,
      srtp: { policy: 'off', keying: [], suites: [], certificate: unused },
      silence: false,
      gatherLimitMs: 500,
      cname: own,
      record: () => {},
    })
    media.onStream = (stream) => {
      this.heard = new HeardAudio(rate, 60)
      stream.addSink(this.heard)
      stream.start()
      const tone = `tone:${this.frequencyHz}`
      void stream.play(openSource(tone, host.files, rate), tone)
    }
    return media
  }
}

const unused = (): never => {
  throw new Error('no DTLS here')
}

const addressOf = (host: VirtualHost): string => host.interfaces().find((i) => !i.loopback)!.address
