// SIPp with its built-in scenarios (`uac` calls and hangs up after a while; `uas` answers) or with a ladder of a row's own.
// Each sends RTP back as it came.
import { createSocket } from 'node:dgram'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Scene } from '../case.ts'
import { eventually, freePort, PeerProcess, peerHost, udpPortTaken } from './process.ts'
import { goMethod, type Step, scenarioXml } from './sipp-scenario.ts'

export interface SippCalls {
  /** Successful calls in all. */
  calls: number
  /** New calls each second. */
  rate?: number
  /** How long each call lasts. */
  pauseMs?: number
}

/** Calls `uri` with the `uac` scenario; await its `exitCode()`, 0 when every call succeeded. */
export async function sippCaller(
  scene: Scene,
  target: string,
  { calls, rate = 10, pauseMs = 1_000 }: SippCalls,
): Promise<PeerProcess> {
  const port = await freePort()
  return await PeerProcess.start(scene, {
    name: 'sipp-uac',
    program: 'sipp',
    args: [
      target,
      '-sn',
      'uac',
      '-rtp_echo',
      '-m',
      String(calls),
      '-r',
      String(rate),
      '-d',
      String(pauseMs),
      ...common(port, await freePort()),
    ],
  })
}

/** Answers calls with the `uas` scenario and echoes their RTP, for as long as the row runs. */
export async function sippAnswerer(scene: Scene): Promise<{ process: PeerProcess; address: string }> {
  const port = await freePort()
  const process = await PeerProcess.start(scene, {
    name: 'sipp-uas',
    program: 'sipp',
    args: ['-sn', 'uas', '-rtp_echo', ...common(port, await freePort())],
    ready: () => udpPortTaken(port),
  })
  return { process, address: `${peerHost}:${port}` }
}

const common = (port: number, mediaPort: number) => [
  ...['-i', peerHost, '-p', String(port), '-mi', peerHost, '-mp', String(mediaPort)],
  ...['-nostdin', '-trace_err', '-trace_msg', '-timeout', '60', '-timeout_error'],
]

export interface LadderOptions {
  /** Names its files. Default "sipp". */
  name?: string
  transport?: 'udp' | 'tcp'
  /** How many calls go up the same ladder, one after the other. Default 1. */
  calls?: number
  /** The user part of who is called. Default "service". */
  service?: string
  /** The two SIPps of a third-party controller meet at this address. */
  twin?: string
  /** It gives up after this long. Default 60 s. */
  waitMs?: number
}

/** A SIPp on a ladder (`sipp-scenario.ts`), whose XML stays in the row's folder. */
export class Sipp {
  private constructor(
    private readonly process: PeerProcess,
    private readonly files: { errors: string; messages: string },
    readonly port: number,
  ) {}

  /** Waits for calls. */
  static async called(scene: Scene, steps: readonly Step[], options: LadderOptions = {}): Promise<Sipp> {
    return await Sipp.start(scene, 'called', [], steps, options)
  }

  /** Calls at once. @param target host:port */
  static async calls(
    scene: Scene,
    target: string,
    steps: readonly Step[],
    options: LadderOptions = {},
  ): Promise<Sipp> {
    return await Sipp.start(scene, 'caller', [target], steps, options)
  }

  private static async start(
    scene: Scene,
    role: 'caller' | 'called',
    target: readonly string[],
    steps: readonly Step[],
    options: LadderOptions,
  ): Promise<Sipp> {
    const { name = 'sipp', transport = 'udp', calls = 1, service, twin, waitMs = 60_000 } = options
    const port = await freePort()
    const file = (extension: string) => join(scene.folder, `${name}.${extension}`)
    writeFileSync(file('xml'), scenarioXml(role, steps))
    const files = { errors: file('errors'), messages: file('messages') }
    const process = await PeerProcess.start(scene, {
      name,
      program: 'sipp',
      args: [
        ...target,
        ...['-sf', file('xml'), '-m', String(calls), '-l', '1', '-rtp_echo', '-nostdin'],
        ...['-i', peerHost, '-p', String(port), '-mi', peerHost, '-mp', String(await freePort())],
        ...['-trace_err', '-error_file', files.errors, '-trace_msg', '-message_file', files.messages],
        ...['-timeout', String(waitMs / 1_000), '-timeout_error', '-t', transport === 'udp' ? 'u1' : 't1'],
        ...(service === undefined ? [] : ['-s', service]),
        ...(twin === undefined ? [] : ['-3pcc', twin]),
      ],
      ...(role === 'called' && transport === 'udp' && { ready: () => udpPortTaken(port) }),
    })
    scene.log(files.errors)
    scene.log(files.messages)
    return new Sipp(process, files, port)
  }

  get address(): string {
    return `${peerHost}:${this.port}`
  }

  uri(user = 'service'): string {
    return `sip:${user}@${this.address}`
  }

  /** Lets the ladder of the call go on from `untilTold`. It must have got there: what it waits for before must have been sent. */
  async go(callId: string): Promise<void> {
    const socket = createSocket('udp4')
    const lines = [
      `${goMethod} sip:on SIP/2.0`,
      ...['Via: SIP/2.0/UDP row;branch=z9hG4bKgo', 'From: <sip:row>;tag=1', 'To: <sip:sipp>'],
      ...[`Call-ID: ${callId}`, `CSeq: 1 ${goMethod}`, 'Content-Length: 0', '', ''],
    ]
    await new Promise((resolve) => socket.send(lines.join('\r\n'), this.port, peerHost, resolve))
    socket.close()
  }

  /** What a third party says in Replaces to take its place in the call (RFC 3891). It must have called, and been answered. */
  get replaces(): string {
    const answer =
      /^SIP\/2\.0 200 [\s\S]*?\r?\n\r?\n/m.exec(readFileSync(this.files.messages, 'utf8'))?.[0] ?? ''
    const value = (pattern: RegExp) => pattern.exec(answer)?.[1]
    const [callId, to, from] = [/^Call-ID: *(\S+)/m, /^To:.*;tag=([^;\s]+)/m, /^From:.*;tag=([^;\s]+)/m].map(
      value,
    )
    return `${callId};to-tag=${to};from-tag=${from}`
  }

  /** What the far end has said of itself, which SIPp writes down in its own time. */
  async descriptionOfOther(): Promise<string> {
    return await eventually(
      () => {
        const text = existsSync(this.files.messages) ? readFileSync(this.files.messages, 'utf8') : ''
        const message = text.split(/^-{20,}.*$/m).find((m) => /message received[\s\S]*^v=0/m.test(m))
        return message?.slice(message.indexOf('\nv=0') + 1)
      },
      { what: 'SIPp has got a description' },
    )
  }

  /** Has it sent, or got, a message that holds this? */
  hasSeen(text: string): boolean {
    return existsSync(this.files.messages) && readFileSync(this.files.messages, 'utf8').includes(text)
  }

  /** Waits until it has gone up the whole ladder. */
  async finished(): Promise<void> {
    const code = await this.process.exitCode()
    if (code === 0) return
    throw new Error(`SIPp ended with ${code}: ${firstLines(this.files.errors)}`)
  }
}

function firstLines(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, 1_500)
  } catch {
    return 'it wrote no error'
  }
}
