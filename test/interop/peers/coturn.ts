// A throw-away coturn as STUN and TURN server. It stands on the second address of the namespace, away from the phones.
import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import type { Scene } from '../case.ts'
import { inNamespace, programPath } from '../installed.ts'
import { makeCertificate } from './certificate.ts'
import { freePort, PeerProcess } from './process.ts'

const stunHost = inNamespace ? '10.99.0.2' : '127.0.0.1'

/** The user of the relay. */
export const relayUser = { username: 'user', password: 'wonder' } as const

export interface CoturnOptions {
  /** Names the log. */
  name?: string
  /** Further arguments. */
  args?: readonly string[]
  /** Time-limited credentials are made from it; there is no user then. */
  secret?: string
  /** TLS as well, with a certificate for its address alone, signed by the authority of `authorityFile`. */
  tls?: boolean
}

export class Coturn {
  private constructor(
    private readonly process: PeerProcess,
    readonly host: string,
    readonly port: number,
    readonly tlsPort: number,
  ) {}

  static async start(scene: Scene, options: CoturnOptions = {}): Promise<Coturn> {
    const { name = 'coturn', args = [], secret, tls = false } = options
    const port = await freePort()
    const tlsPort = await freePort()
    if (tls) await makeCertificate(scene, [`IP:${stunHost}`])
    const users = secret
      ? ['--use-auth-secret', `--static-auth-secret=${secret}`]
      : ['-a', '-u', `${relayUser.username}:${relayUser.password}`]
    const secured = [
      ...[`--tls-listening-port=${tlsPort}`, `--cert=${join(scene.folder, 'server.pem')}`],
      `--pkey=${join(scene.folder, 'server.key')}`,
    ]
    const process = await PeerProcess.start(scene, {
      name,
      program: 'turnserver',
      args: [
        ...['-n', '--no-cli', '-v', '--log-file=stdout', '--simple-log', '--pidfile=/dev/null', '--no-dtls'],
        `--userdb=${join(scene.folder, `${name}.sqlite`)}`,
        ...['-L', stunHost, '-E', stunHost, '-p', String(port), '--min-port=28000', '--max-port=28199'],
        ...['-r', 'floe.test', '--allow-loopback-peers', '--relay-threads=1'],
        ...users,
        ...(tls ? secured : ['--no-tls']),
        ...args,
      ],
      ready: () => answersStun(stunHost, port),
    })
    return new Coturn(process, stunHost, port, tlsPort)
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  /** Keeps its port and answers nothing any more. */
  freeze(): void {
    this.process.signal('SIGSTOP')
  }

  /** As a crash would. */
  async kill(): Promise<void> {
    await this.process.kill()
  }

  logText(): string {
    return this.process.logText()
  }
}

/** coturn's own client against a TURN server: sends ten messages through a relay to an echo and counts those that come back. */
export async function uclient(
  server: { host: string; port: number },
  args: readonly string[],
): Promise<{ code: number; text: string }> {
  const program = programPath('turnutils_uclient') ?? 'turnutils_uclient'
  const { host, port } = server
  return await new Promise((resolve) => {
    execFile(
      program,
      ['-v', '-n', '10', '-m', '1', ...args, '-p', String(port), host],
      { timeout: 20_000 },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? -1) : 0, text: stdout + stderr })
      },
    )
  })
}

/** The echo for it. Gives the words that name it. */
export async function startUclientPeer(scene: Scene, host: string): Promise<string[]> {
  const port = await freePort()
  await PeerProcess.start(scene, {
    name: 'turnutils-peer',
    program: 'turnutils_peer',
    args: ['-L', host, '-p', String(port)],
    ready: () => echoes(host, port),
  })
  return ['-e', host, '-r', String(port)]
}

/** Sends one Binding request (RFC 8489 6) typed in by hand and waits 100 ms for its success response. */
const answersStun = (host: string, port: number): Promise<boolean> =>
  answers(
    host,
    port,
    '000100002112a442666c6f652d696e7465726f70',
    (answer) => answer.readUInt16BE(0) === 0x0101,
  )

const echoes = (host: string, port: number): Promise<boolean> => answers(host, port, '00', () => true)

async function answers(
  host: string,
  port: number,
  question: string,
  isRight: (answer: Buffer) => boolean,
): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false))
      socket.once('message', (answer) => resolve(isRight(answer)))
      socket.send(Buffer.from(question, 'hex'), port, host)
      setTimeout(() => resolve(false), 100)
    })
  } finally {
    socket.close()
  }
}
