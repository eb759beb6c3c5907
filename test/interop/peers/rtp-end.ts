// An end of RTP that knows nothing of SIP: ffmpeg or GStreamer, told on its command line where it hears and speaks to and what is
// spoken. It says a tone, and leaves what it hears as bare samples. Who calls for it puts `sdpOf` it into the call (SIPp does, in the
// rows). Both hear on one socket and speak from another; media comes from where it goes to (RFC 4961), so one port stands for both.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Scene } from '../case.ts'
import { holdsTone } from '../sounds.ts'
import { eventually, freePort, PeerProcess, peerHost } from './process.ts'
import type { Body } from './sipp-scenario.ts'

export type RtpProgram = 'ffmpeg' | 'GStreamer'
export type RtpCodec = keyof typeof formats

/** Payload types of the peer's own choice, which floe heeds; clock as in SDP; how each program calls it. */
const formats = {
  PCMU: { payloadType: 0, clock: '8000', rateHz: 8_000, ffmpeg: 'pcm_mulaw', gstreamer: ['mulaw', 'pcmu'] },
  PCMA: { payloadType: 8, clock: '8000', rateHz: 8_000, ffmpeg: 'pcm_alaw', gstreamer: ['alaw', 'pcma'] },
  G722: { payloadType: 9, clock: '8000', rateHz: 16_000, ffmpeg: 'g722', gstreamer: ['g722', 'g722'] },
  opus: {
    payloadType: 121,
    clock: '48000/2',
    rateHz: 48_000,
    ffmpeg: 'libopus',
    gstreamer: ['opus', 'opus'],
  },
} as const

export const payloadTypeOf = (codec: RtpCodec): number => formats[codec].payloadType

/** Keys as SDP writes them, in base64. */
export interface RtpKeys {
  readonly suite: string
  readonly own: string
}

export interface RtpEndOptions {
  readonly codec: RtpCodec
  /** Where it listens. */
  readonly port: number
  readonly keys?: RtpKeys
}

/** What it is told of floe when the call stands. */
interface Told {
  readonly port: number
  readonly payloadType: number
  readonly ssrc: number
  readonly key?: string
}

/** What stands for it in a call. */
export function sdpOf({ codec, port, keys }: RtpEndOptions): Body {
  const { payloadType, clock } = formats[codec]
  return {
    type: 'application/sdp',
    text: [
      ...['v=0', `o=end 1 1 IN IP4 ${peerHost}`, 's=-', `c=IN IP4 ${peerHost}`, 't=0 0'],
      `m=audio ${port} ${keys ? 'RTP/SAVP' : 'RTP/AVP'} ${payloadType}`,
      `a=rtpmap:${payloadType} ${codec}/${clock}`,
      ...(keys ? [`a=crypto:1 ${keys.suite} inline:${keys.own}`] : []),
    ].join('\n'),
  }
}

/** Reads floe's description of the call. */
export function toldBy(description: string, codec: RtpCodec, ssrc: number): Told {
  const value = (pattern: RegExp) => pattern.exec(description)?.[1]
  const key = value(/^a=crypto:1 \S+ inline:([^\s|]+)/m)
  return {
    port: Number(value(/^m=audio (\d+) /m)),
    // A static type needs no rtpmap.
    payloadType: Number(value(new RegExp(`^a=rtpmap:(\\d+) ${codec}/`, 'im')) ?? formats[codec].payloadType),
    ssrc,
    ...(key && { key }),
  }
}

const says = 'tone:1850'
const saysHz = 1_850
const hearWithinMs = 20_000
/** Enough for a second without a break. */
const latelySeconds = 3

export class RtpEnd {
  /** What is heard from it. */
  readonly says = says

  private constructor(
    private readonly path: string,
    private readonly sampleRateHz: number,
  ) {}

  static async start(scene: Scene, program: RtpProgram, options: RtpEndOptions, floe: Told): Promise<RtpEnd> {
    const path = join(scene.folder, 'heard.raw')
    const ports = await standForBoth(scene, options.port, floe.port)
    await (program === 'ffmpeg' ? startFfmpeg : startGstreamer)(scene, {
      ...options,
      ...floe,
      ...ports,
      path,
    })
    return new RtpEnd(path, formats[options.codec].rateHz)
  }

  /** Its file is read while it grows. */
  async hears(tone: string): Promise<void> {
    const { sampleRateHz } = this
    const lately = (): Int16Array => {
      const octets = existsSync(this.path) ? readFileSync(this.path) : Buffer.alloc(0)
      const samples = new Int16Array(Math.floor(octets.length / 2))
      for (const index of samples.keys()) samples[index] = octets.readInt16LE(2 * index)
      return samples.subarray(-latelySeconds * sampleRateHz)
    }
    await eventually(() => holdsTone({ samples: lately(), sampleRateHz }, tone), {
      ...{ what: `the RTP end hears ${tone}`, withinMs: hearWithinMs, everyMs: 200 },
    })
  }
}

/** The port that the call knows, for a program that hears on one and speaks to another. */
async function standForBoth(scene: Scene, port: number, floePort: number): Promise<Ports> {
  const socket = createSocket('udp4')
  scene.onEnd(() => void socket.close())
  const hears = await freePort()
  socket.on('message', (packet, from) =>
    socket.send(packet, from.port === floePort ? hears : floePort, peerHost),
  )
  socket.bind(port, peerHost)
  await once(socket, 'listening')
  return { hears, speaksTo: port }
}

interface Ports {
  readonly hears: number
  readonly speaksTo: number
}

interface Job extends Ports, RtpEndOptions {
  /** What floe wants to get. */
  readonly payloadType: number
  readonly ssrc: number
  readonly key?: string
  readonly path: string
}

// ---- ffmpeg: one to hear, one to speak -------------------------------------------------------------------------------------

async function startFfmpeg(scene: Scene, job: Job): Promise<void> {
  const { codec, keys, key, payloadType, hears, path } = job
  const { ffmpeg: encoder, rateHz, clock } = formats[codec]
  const description = join(scene.folder, 'hears.sdp')
  // The key there is the one that opens what comes.
  const opens = keys && key ? { keys: { ...keys, own: key } } : {}
  writeFileSync(description, `${sdpOf({ codec, port: hears, ...opens }).text}\n`)
  const quiet = ['-nostdin', '-hide_banner', '-loglevel', 'warning']
  await PeerProcess.start(scene, {
    name: 'ffmpeg-hears',
    program: 'ffmpeg',
    args: [
      ...[...quiet, '-protocol_whitelist', 'file,udp,rtp,srtp', '-analyzeduration', '0'],
      ...['-reorder_queue_size', '0', '-i', description],
      ...['-ac', '1', '-ar', String(rateHz), '-f', 's16le', '-flush_packets', '1', path],
    ],
  })
  const to = `${peerHost}:${job.speaksTo}${clock === '8000' ? `?pkt_size=${telephonePacketBytes}` : ''}`
  await PeerProcess.start(scene, {
    name: 'ffmpeg-says',
    program: 'ffmpeg',
    args: [
      ...[...quiet, '-re', '-f', 'lavfi', '-i', `sine=frequency=${saysHz}:sample_rate=${rateHz}`],
      ...['-ac', '1', '-c:a', encoder, '-f', 'rtp', '-payload_type', String(payloadType)],
      ...(keys
        ? ['-srtp_out_suite', keys.suite, '-srtp_out_params', keys.own, `srtp://${to}`]
        : [`rtp://${to}`]),
    ],
  })
}

/** 20 ms, and the header. */
const telephonePacketBytes = 160 + 12

// ---- GStreamer: both ways in one pipeline ----------------------------------------------------------------------------------

/** As its elements call the halves of a suite. */
const ciphers: Record<string, readonly [cipher: string, tag: string]> = {
  AES_CM_128_HMAC_SHA1_80: ['aes-128-icm', 'hmac-sha1-80'],
  AES_CM_128_HMAC_SHA1_32: ['aes-128-icm', 'hmac-sha1-32'],
  AES_256_CM_HMAC_SHA1_80: ['aes-256-icm', 'hmac-sha1-80'],
  AES_256_CM_HMAC_SHA1_32: ['aes-256-icm', 'hmac-sha1-32'],
  AEAD_AES_128_GCM: ['aes-128-gcm', 'null'],
  AEAD_AES_256_GCM: ['aes-256-gcm', 'null'],
}

async function startGstreamer(scene: Scene, job: Job): Promise<void> {
  const { codec, keys, key, hears, path } = job
  const { payloadType: expects, clock, rateHz, gstreamer } = formats[codec]
  const [coder, payload] = gstreamer
  const [cipher, tag] = ciphers[keys?.suite ?? ''] ?? []
  const rtcpTag = tag === 'null' ? tag : 'hmac-sha1-80'
  const hex = (key = ''): string => Buffer.from(key, 'base64').toString('hex')
  const media = `media=(string)audio,payload=(int)${expects},clock-rate=(int)${clock.split('/')[0]},encoding-name=(string)${codec.toUpperCase()}`
  const names = keys
    ? `application/x-srtp,${media},ssrc=(uint)${job.ssrc},srtp-key=(buffer)${hex(key)},srtp-cipher=(string)${cipher},srtp-auth=(string)${tag},srtcp-cipher=(string)${cipher},srtcp-auth=(string)${rtcpTag}`
    : `application/x-rtp,${media}`
  const encrypt = [
    ...['srtpenc', `key=${hex(keys?.own)}`, `rtp-cipher=${cipher}`, `rtp-auth=${tag}`],
    ...[`rtcp-cipher=${cipher}`, `rtcp-auth=${rtcpTag}`],
  ]
  const ptimeNs = 20_000_000
  const pipe = (...elements: (string | readonly string[])[]): string[] =>
    elements.flatMap((element, at) => [...(at > 0 ? ['!'] : []), ...[element].flat()])
  const bare = 'audio/x-raw,format=S16LE,channels=1'
  const coders =
    coder === 'g722'
      ? { encoder: 'avenc_g722', decoder: 'avdec_g722' }
      : { encoder: `${coder}enc`, decoder: `${coder}dec` }
  await PeerProcess.start(scene, {
    name: 'gstreamer',
    program: 'gst-launch-1.0',
    args: [
      '-q',
      ...pipe(
        ['udpsrc', `address=${peerHost}`, `port=${hears}`, `caps=${names}`],
        ...(keys ? ['srtpdec'] : []),
        ['rtpjitterbuffer', 'latency=50'],
        `rtp${payload}depay`,
        coders.decoder,
        'audioconvert',
        'audioresample',
        `${bare},rate=${rateHz}`,
        ['filesink', 'buffer-mode=unbuffered', 'sync=false', `location=${path}`],
      ),
      ...pipe(
        ['audiotestsrc', 'is-live=true', `freq=${saysHz}`, `samplesperbuffer=${rateHz / 50}`],
        `${bare},rate=${rateHz}`,
        coders.encoder,
        [
          ...[`rtp${payload}pay`, `pt=${job.payloadType}`],
          ...(payload === 'opus' ? [] : [`min-ptime=${ptimeNs}`, `max-ptime=${ptimeNs}`]),
        ],
        ...(keys ? [encrypt] : []),
        ['udpsink', `host=${peerHost}`, `port=${job.speaksTo}`, 'sync=false'],
      ),
    ],
  })
}
