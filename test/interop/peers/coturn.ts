// A throw-away coturn as STUN server. It stands on the second address of the namespace, away from the phones.
import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import type { Scene } from '../case.ts'
import { inNamespace } from '../installed.ts'
import { freePort, PeerProcess } from './process.ts'

const stunHost = inNamespace ? '10.99.0.2' : '127.0.0.1'

export class Coturn {
  private constructor(
    private readonly process: PeerProcess,
    readonly host: string,
    readonly port: number,
  ) {}

  static async start(scene: Scene): Promise<Coturn> {
    const port = await freePort()
    const process = await PeerProcess.start(scene, {
      name: 'coturn',
      program: 'turnserver',
      args: coturnArguments({ hosts: [stunHost], port, database: join(scene.folder, 'turn.sqlite') }),
      ready: () => answersStun(stunHost, port),
    })
    return new Coturn(process, stunHost, port)
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  /** Keeps its port and answers nothing any more. */
  freeze(): void {
    this.process.signal('SIGSTOP')
  }
}

/** Also for rows that start coturn in a namespace of their own; with two hosts it answers RFC 5780 tests. */
function coturnArguments(place: { hosts: readonly string[]; port: number; database: string }): string[] {
  return [
    ...[
      '-n',
      '--no-cli',
      '-v',
      '--log-file=stdout',
      '--simple-log',
      '--no-tls',
      '--no-dtls',
      '--pidfile=/dev/null',
    ],
    `--userdb=${place.database}`,
    ...place.hosts.flatMap((host) => ['-L', host]),
    ...['-E', place.hosts[0] ?? '', '-p', String(place.port), '--min-port=28000', '--max-port=28199'],
    ...['-a', '-u', 'user:pass', '-r', 'floe.test', '--allow-loopback-peers', '--relay-threads=1'],
  ]
}

/** Sends one Binding request (RFC 8489 6) typed in by hand and waits 100 ms for its success response. */
async function answersStun(host: string, port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false))
      socket.once('message', (answer) => resolve(answer.readUInt16BE(0) === 0x0101))
      socket.send(Buffer.from('000100002112a442666c6f652d696e7465726f70', 'hex'), port, host)
      setTimeout(() => resolve(false), 100)
    })
  } finally {
    socket.close()
  }
}
