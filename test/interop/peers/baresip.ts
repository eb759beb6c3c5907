// A throw-away baresip without sound device: plays a file, keeps what it hears as WAV, answers by itself, and is steered by
// netstrings of JSON (its ctrl_tcp). It hangs up when its file ends. Its ICE has one check under way at a time, 2.3 s for a
// dead pair.
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Scene } from '../case.ts'
import { programPath } from '../installed.ts'
import { holdsTone, readWav } from '../sounds.ts'
import { eventually, freePort, PeerProcess, peerHost } from './process.ts'

export interface BaresipOptions {
  /** What it says: WAV, 16 bit, mono, 8 kHz, at whose end it hangs up. */
  play: string
  rtcpMux: boolean
  /** Default true. */
  ice?: boolean
  /** A certificate with its key, in one PEM file: it then takes calls over TLS, too. */
  certificate?: string
  /** As it writes them: "opus/48000/2". Default PCMU. */
  codec?: string
  /** What `play` has. Default 8 kHz. */
  sampleRateHz?: number
  /** How its calls are encrypted, all of them. Default none. */
  encryption?: 'srtp' | 'srtp-mand' | 'dtls_srtp'
}

export class Baresip {
  private constructor(
    private readonly folder: string,
    private readonly port: number,
    private readonly controlPort: number,
  ) {}

  static async start(scene: Scene, options: BaresipOptions): Promise<Baresip> {
    const folder = join(scene.folder, 'baresip')
    mkdirSync(join(folder, 'heard'), { recursive: true })
    const [port, controlPort] = [await freePort(), await freePort()]
    const medianat = options.ice === false ? '' : ';medianat=ice'
    const { codec = 'PCMU', encryption } = options
    const mediaenc = encryption ? `;mediaenc=${encryption}` : ''
    const account = `<sip:baresip@${peerHost}:${port}>;regint=0${medianat}${mediaenc};answermode=auto;audio_codecs=${codec}`
    writeFileSync(join(folder, 'config'), configuration(port, controlPort, options))
    writeFileSync(join(folder, 'accounts'), `${account}\n`)
    writeFileSync(join(folder, 'contacts'), '')
    await PeerProcess.start(scene, {
      name: 'baresip',
      program: 'stdbuf',
      args: ['-oL', programPath('baresip') ?? 'baresip', '-s', '-f', folder],
      ready: () => readFileSync(join(scene.folder, 'baresip.log'), 'utf8').includes('baresip is ready'),
    })
    return new Baresip(folder, port, controlPort)
  }

  get uri(): string {
    return this.uriOver('udp')
  }

  uriOver(transport: 'udp' | 'tcp' | 'tls'): string {
    // It takes TLS at the next port.
    const port = transport === 'tls' ? this.port + 1 : this.port
    return `sip:baresip@${peerHost}:${port};transport=${transport}`
  }

  async dial(uri: string): Promise<void> {
    await this.command('dial', uri)
  }

  /** What a person would do with its call. */
  async do(what: 'hold' | 'resume' | 'hangup'): Promise<void> {
    await this.command(what)
  }

  async transfer(uri: string): Promise<void> {
    await this.command('transfer', uri)
  }

  async press(digits: string): Promise<void> {
    await this.command('sndcode', digits)
  }

  /** That it has heard the tone, in one of the files that it has written: each re-INVITE begins another. */
  async expectHeard(tone: string): Promise<void> {
    const folder = join(this.folder, 'heard')
    await eventually(
      () =>
        readdirSync(folder).some(
          (name) => name.endsWith('-dec.wav') && holdsTone(readWav(join(folder, name)), tone),
        ),
      { what: `baresip has recorded ${tone}` },
    )
  }

  /** The digits that it is sent from now on. */
  async digitsHeard(scene: Scene): Promise<() => string> {
    const socket = connect(this.controlPort, '127.0.0.1')
    scene.onEnd(() => void socket.destroy())
    await once(socket, 'connect')
    let events = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      events += text
    })
    return () =>
      [...events.matchAll(/"CALL_DTMF_START"[^}]*"param":"(.)"/g)].map(([, digit]) => digit).join('')
  }

  private async command(command: string, params = ''): Promise<void> {
    const text = JSON.stringify({ command, params })
    await new Promise<void>((resolve, reject) => {
      const socket = connect(this.controlPort, '127.0.0.1')
      socket.on('error', reject)
      socket.once('data', () => {
        socket.destroy()
        resolve()
      })
      socket.write(`${Buffer.byteLength(text)}:${text},`)
    })
  }
}

const modules = [
  ...['g711', 'g722', 'opus', 'l16', 'aufile', 'aubridge', 'sndfile'],
  ...['stun', 'turn', 'ice', 'srtp', 'dtls_srtp'],
]
const telephoneHz = 8_000

/** Its recordings lie below its working folder: longer paths it cuts off. */
function configuration(
  port: number,
  controlPort: number,
  { play, rtcpMux, certificate, sampleRateHz = telephoneHz }: BaresipOptions,
): string {
  return `poll_method epoll
sip_listen ${peerHost}:${port}
${certificate ? `sip_certificate ${certificate}\n` : ''}call_local_timeout 120
call_max_calls 1
audio_source aufile,${play}
audio_player aubridge,nobody
audio_alert aubridge,nobody-either
ausrc_srate ${sampleRateHz}
auplay_srate ${sampleRateHz}
ausrc_channels 1
auplay_channels 1
rtp_ports 26000-26098
rtcp_mux ${rtcpMux ? 'yes' : 'no'}
jitter_buffer_delay 1-5
module_path /usr/lib/baresip/modules
${modules.map((name) => `module ${name}.so`).join('\n')}
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:${controlPort}
snd_path baresip/heard
menu_bell no
ringback_disabled yes
statmode_default off
`
}
