// SIPp with its built-in scenarios: `uac` calls and hangs up after a while; `uas`
// answers. Either sends RTP back as it came.
import type { Scene } from '../case.ts'
import { freePort, PeerProcess, peerHost, udpPortTaken } from './process.ts'

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
