// For tests: a proxy that sends an INVITE to several phones at once (RFC 3261 16.7) and steps out of the dialog, and phones
// that answer early or for good when a test says so.
import { parseTone } from '../../../src/audio/named-tones.ts'
import { hasHeard } from '../../../src/audio/recognise.ts'
import { pcmu } from '../../../src/codec/g711.ts'
import { openSource } from '../../../src/files/open-sound.ts'
import { CallMedia } from '../../../src/phone/call-media.ts'
import { HeardAudio } from '../../../src/phone/heard-audio.ts'
import { MediaPaths } from '../../../src/phone/media-paths.ts'
import { NetworkWatch } from '../../../src/phone/network-watch.ts'
import type { IcePolicy } from '../../../src/phone/options.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import type { Flow } from '../../../src/sip/flow.ts'
import { formatVia } from '../../../src/sip/header-values.ts'
import { type SipMessage, SipRequest, type SipResponse, serializeMessage } from '../../../src/sip/message.ts'
import type { Body, EndInfo, IncomingSession } from '../../../src/sip/session.ts'
import { SipTransport } from '../../../src/sip/transport.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { WheelPacer } from '../../../src/stream/pacer.ts'

const addressOf = (host: VirtualHost): string => host.interfaces().find((i) => !i.loopback)!.address

/** One call. `bareAccept`: its 2xx loses its body, as of a phone whose 183 said it all. Returns what closes the proxy. */
export async function startForkingProxy(
  host: VirtualHost,
  targets: readonly string[],
  how: { bareAccept: boolean },
): Promise<() => void> {
  const address = addressOf(host)
  const transport = new SipTransport(host)
  await transport.start([
    { protocol: 'udp', address, port: 5060 },
    { protocol: 'tcp', address, port: 5060 },
  ])
  let caller: Flow | undefined
  let branches: { invite: SipRequest; flow: Flow }[] = []
  let accepted = false

  /** What the proxy itself sends on the branch: CANCEL, and ACK to a refusal. */
  const sendOnBranch = ({ invite, flow }: (typeof branches)[number], method: string, to: string): void => {
    const same = ['Max-Forwards', 'From', 'Call-ID']
    const headers = invite.headers.filter(({ name }) => same.includes(name))
    const via = { name: 'Via', value: invite.get('Via')! }
    const cseq = { name: 'CSeq', value: `${invite.cseq.sequence} ${method}` }
    const request = new SipRequest(method, invite.uriText, [via, ...headers, { name: 'To', value: to }, cseq])
    flow.send(serializeMessage(request))
  }
  const fork = async (request: SipRequest, from: Flow): Promise<void> => {
    if (caller) return
    caller = from
    branches = await Promise.all(
      targets.map(async (target, index) => {
        const flow = await transport.flowTo({ protocol: 'udp', address: target, port: 5060 })
        const invite = new SipRequest('INVITE', `sip:bob@${target}`, request.headers.slice(), request.body)
        const params = new Map([['branch', `z9hG4bKfork${index}${request.topVia.params.get('branch')}`]])
        invite.prepend('Via', formatVia({ transport: 'UDP', host: address, port: 5060, params }))
        flow.send(serializeMessage(invite))
        return { invite, flow }
      }),
    )
  }
  const answerOf = (response: SipResponse): void => {
    const branch = response.topVia.params.get('branch')
    const from = branches.find(({ invite }) => invite.topVia.params.get('branch') === branch)
    if (!from || response.cseq.method !== 'INVITE' || response.status === 100) return
    if (response.status >= 300) {
      sendOnBranch(from, 'ACK', response.get('To')!)
      return
    }
    if (response.status >= 200 && !accepted) {
      accepted = true
      for (const other of branches) if (other !== from) sendOnBranch(other, 'CANCEL', other.invite.get('To')!)
    }
    response.replaceFirst('Via', undefined)
    if (response.status === 200 && how.bareAccept) {
      response.remove('Content-Type')
      response.body = new Uint8Array(0)
    }
    caller?.send(serializeMessage(response))
  }
  transport.onMessage = (message: SipMessage, flow) => {
    if (message.kind === 'response') answerOf(message)
    else if (message.method === 'INVITE') void fork(message, flow)
  }
  return () => transport.stop()
}

/** A phone that one call reaches, in the hands of the test. It plays a tone from its first answer on. */
export class ForkedPhone {
  readonly heard = new HeardAudio(8_000, 60)
  readonly end: Promise<EndInfo>
  private finish: (end: EndInfo) => void = () => {}
  /** What it has said before the answer. */
  private early: Body | undefined

  private constructor(
    private readonly agent: UserAgent,
    private readonly session: IncomingSession,
    private readonly media: CallMedia,
    host: VirtualHost,
    tone: string,
  ) {
    this.end = new Promise((resolve) => {
      this.finish = resolve
    })
    media.onStream = (stream) => {
      stream.addSink(this.heard)
      stream.start()
      void stream.play(openSource(tone, host.files, 8_000), tone)
    }
  }

  /** Resolves when the call has come. */
  static async expect(
    host: VirtualHost,
    tone: string,
    policy: IcePolicy,
  ): Promise<() => Promise<ForkedPhone>> {
    const address = addressOf(host)
    const listen = (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address, port: 5060 }))
    const agent = await UserAgent.start({ runtime: host, listen })
    const call = new Promise<ForkedPhone>((resolve) => {
      agent.onInvite = (session) => {
        const paths = new MediaPaths({
          runtime: host,
          watch: new NetworkWatch(host.clock, host),
          policy,
          servers: [],
          lite: false,
          tcp: false,
          warn: () => {},
        })
        const media = new CallMedia({
          runtime: host,
          pacer: new WheelPacer(host.clock),
          policy,
          trickle: 'half',
          lite: false,
          openPath: (request) => paths.open({ ...request, signalling: address }),
          candidateBudgetBytes: 1_000,
          codecs: [pcmu],
          ptimeMs: 20,
          srtp: { policy: 'off', keying: [], suites: [], certificate: () => unused() },
          silence: false,
          gatherLimitMs: 500,
          cname: address,
          record: () => {},
        })
        const phone = new ForkedPhone(agent, session, media, host, tone)
        session.handler = {
          onEarlyAnswer: (answer) => media.accept(answer),
          onEnded: (end) => {
            media.close()
            phone.finish(end)
          },
        }
        session.progress(180)
        resolve(phone)
      }
    })
    return () => call
  }

  /** 183 with an answer. */
  async answerEarly(): Promise<void> {
    this.early = await this.media.answer(this.session.offer!)
    this.session.progress(183, this.early)
  }

  /** 183 with an offer, where the INVITE had none. */
  async offerEarly(): Promise<void> {
    this.early = await this.media.offer()
    this.session.progress(183, this.early)
  }

  /** UPDATE before the answer. */
  async holdEarly(held: boolean): Promise<void> {
    this.media.held = held
    const answer = await this.session.reinvite(() => this.media.offerAgain())
    if (answer) this.media.accept(answer)
    this.early = undefined
  }

  async answer(): Promise<void> {
    this.session.accept(this.early ?? (await this.media.answer(this.session.offer!)))
  }

  hasHeard(tone: string): boolean {
    return hasHeard({ samples: this.heard.samples(), sampleRateHz: 8_000 }, parseTone(tone)!).heard
  }

  async stop(): Promise<void> {
    await this.agent.stop()
  }
}

function unused(): never {
  throw new Error('nobody encrypts here')
}
