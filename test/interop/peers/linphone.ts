// A throw-away linphonec without sound device, on a host of its own: it says a tone, keeps what it hears as WAV, answers by
// itself, and is steered by lines on its standard input. It has no rtcp-mux.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Call } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { programPath } from '../installed.ts'
import { holdsTone, writeTone } from '../sounds.ts'
import type { Host } from './host.ts'
import { hearsFromNow } from './phone.ts'
import { eventually, freePort, PeerProcess } from './process.ts'

export interface LinphoneOptions {
  /** Default true. */
  ice?: boolean
  /** Of all its calls, and nothing else then. Default none. */
  encryption?: 'srtp' | 'dtls'
  /** Of SRTP with keys in the SDP, and no other. Default its own list. */
  suite?: string
  /** Which it has and does not offer unless told to, with its clock: "G722/8000". */
  codec?: string
  /** Where it registers. */
  account?: { user: string; password: string; server: string; realm: string }
  /** Over TLS, with certificates of this authority alone, a PEM file; its TLS knows no addresses in them, so names do not count. */
  authority?: string
}

const says = 'tone:1850'
/** Longer than any call here. */
const saysMs = 100_000
const hearWithinMs = 30_000
const startWithinMs = 30_000
const heard = 'heard.wav'
const wavHeaderBytes = 44
/** Its file has the codec's own rate. */
const wideband: Record<string, number> = { opus: 48_000, G722: 16_000 }
/** Enough for a second without a break. */
const latelySeconds = 5
/** Each has media ports of its own. */
const rtp = { first: 27_500, apart: 20, places: 100 }
let started = 0

export class Linphone {
  private constructor(
    private readonly process: PeerProcess,
    private readonly folder: string,
    private readonly address: string,
  ) {}

  static async start(scene: Scene, host: Host, options: LinphoneOptions = {}): Promise<Linphone> {
    const folder = join(scene.folder, 'linphone')
    const data = join(folder, '.local/share')
    for (const path of [join(data, 'linphone'), join(folder, '.config/linphone')])
      mkdirSync(path, { recursive: true })
    const port = await freePort()
    const rtpPort = rtp.first + rtp.apart * (started++ % rtp.places)
    writeFileSync(join(folder, 'rc'), configuration(port, rtpPort, options))
    const said = join(folder, 'said.wav')
    writeTone(said, says, saysMs)
    const [program = '', ...before] = host.on
    const log = join(folder, 'debug.log')
    scene.log(log)
    const linphonec = [programPath('linphonec') ?? 'linphonec', '-c', join(folder, 'rc')]
    const process = await PeerProcess.start(scene, {
      name: 'linphone',
      program,
      args: [...before, 'stdbuf', '-oL', ...linphonec, '-S', '-d', '6', '-l', log],
      env: { HOME: folder, XDG_DATA_HOME: data, XDG_CONFIG_HOME: join(folder, '.config') },
      input: true,
    })
    // It takes one line after the other, so the answer to the last is for all of them.
    for (const line of ['soundcard use files', `play ${said}`, `record ${join(folder, heard)}`])
      process.tell(line)
    process.tell('autoanswer enable')
    const text = () => (process.logText().includes('Auto answer enabled') ? readFileSync(log, 'utf8') : '')
    const sign = options.account ? 'LinphoneRegistrationOk' : 'Creating listening point'
    await eventually(() => text().includes(sign), {
      what: 'linphone is ready',
      withinMs: startWithinMs,
    })
    return new Linphone(process, folder, `${host.address}:${port}`)
  }

  uriOver(transport: 'udp' | 'tcp'): string {
    return `sip:linphone@${this.address};transport=${transport}`
  }

  /** When it has seen the end of the calls before: it has one at a time. */
  async dial(uri: string): Promise<void> {
    const times = (what: string) => this.process.logText().split(what).length
    await eventually(() => times(', assigned id') === times(' ended ('), { what: 'linphone has no call' })
    this.process.tell(`call ${uri}`)
  }

  /** Until it says that it holds: it resumes nothing before. */
  async pause(): Promise<void> {
    const paused = () => this.process.logText().split('is now paused').length
    const before = paused()
    this.process.tell('pause')
    await eventually(() => paused() > before, { what: 'linphone has paused its call' })
  }

  resume(): void {
    this.process.tell('resume')
  }

  hangUp(): void {
    this.process.tell('terminate')
  }

  transfer(uri: string): void {
    this.process.tell(`transfer ${uri}`)
  }

  press(digits: string): void {
    for (const digit of digits) this.process.tell(digit)
  }

  /** That it has been sent these digits. */
  async expectDigits(digits: string): Promise<void> {
    const received = () =>
      [...this.process.logText().matchAll(/Receiving tone (\S)/g)].map(([, digit]) => digit).join('')
    await eventually(() => received() === digits, { what: `linphone has received ${digits}` })
  }

  /** Each hears the other from now on. @param tone what floe says and has not said before */
  async speaksWith(call: Call, tone: string): Promise<void> {
    call.play(tone, { loop: true }).catch(() => undefined) // it ends with the call
    await Promise.all([hearsFromNow(call, says), this.hears(tone, call.report().codec?.name)])
  }

  /** Its file is read while it grows: it has samples then, and nothing yet where the header will be. */
  private async hears(tone: string, codec = ''): Promise<void> {
    const sampleRateHz = wideband[codec] ?? 8_000
    const path = join(this.folder, heard)
    const lately = (): Int16Array => {
      const octets = existsSync(path) ? readFileSync(path).subarray(wavHeaderBytes) : Buffer.alloc(0)
      const samples = new Int16Array(Math.floor(octets.length / 2))
      for (const index of samples.keys()) samples[index] = octets.readInt16LE(2 * index)
      return samples.subarray(-latelySeconds * sampleRateHz)
    }
    await eventually(() => holdsTone({ samples: lately(), sampleRateHz }, tone), {
      ...{ what: `linphone hears ${tone}`, withinMs: hearWithinMs, everyMs: 300 },
    })
  }
}

function configuration(port: number, rtpPort: number, options: LinphoneOptions): string {
  const { ice = true, encryption, account, suite, codec, authority } = options
  const [mime, clock] = codec?.split('/') ?? []
  return `[sip]
sip_port=${port}
sip_tcp_port=${port}
sip_tls_port=${authority ? -2 : -1}
${authority ? `root_ca=${authority}\nverify_server_certs=1\nverify_server_cn=0\n` : ''}use_ipv6=0
guess_hostname=1
media_encryption=${encryption ?? 'none'}
media_encryption_mandatory=${encryption ? 1 : 0}
default_proxy=${account ? 0 : -1}
${suite ? `srtp_crypto_suites=${suite}\n` : ''}[net]
nat_policy_ref=policy
mtu=1300
[nat_policy_0]
ref=policy
protocols=${ice ? 'stun,ice' : ''}
[rtp]
audio_rtp_port=${rtpPort}-${rtpPort + rtp.apart - 2}
[sound]
echocancellation=0
remote_ring=
local_ring=
${mime ? `[audio_codec_0]\nmime=${mime}\nrate=${clock}\nchannels=1\nenabled=1\n` : ''}${account ? registration(account) : ''}`
}

const registration = ({ user, password, server, realm }: NonNullable<LinphoneOptions['account']>): string =>
  `[proxy_0]
reg_proxy=<${server}>
reg_identity=sip:${user}@${server.replace(/^sip:|;.*/g, '')}
reg_expires=60
reg_sendregister=1
publish=0
nat_policy_ref=policy
[auth_info_0]
username=${user}
passwd=${password}
realm=${realm}
algorithm=MD5
`
