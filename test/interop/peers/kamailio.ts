// A throw-away Kamailio: registrar and record-routing proxy that asks for digest authentication on REGISTER and INVITE.
// Users 2001 to 2039 have the password pwNNNN. It routes calls between its registered users and nowhere else.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scene } from '../case.ts'
import { programPath } from '../installed.ts'
import { authorityFile, makeCertificate } from './certificate.ts'
import { type KamailioPlace, kamailioConfiguration } from './kamailio-configuration.ts'
import { freePort, PeerProcess, peerHost } from './process.ts'

export interface KamailioOptions
  extends Pick<KamailioPlace, 'rtpengine' | 'algorithm' | 'edgeOf' | 'flows' | 'gruu' | 'domain'> {
  /** Over TLS, WS and WSS as well, with a certificate of `authority`. */
  secure?: true
  /** Names its files. */
  name?: string
}

type Transport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'

export class Kamailio {
  static async start(scene: Scene, options: KamailioOptions = {}): Promise<Kamailio> {
    const { secure: wanted, name = 'kamailio', ...features } = options
    const port = await freePort()
    const secure = wanted && {
      ...{ tls: await freePort(), ws: await freePort(), wss: await freePort() },
      ...{ certificate: join(scene.folder, 'server.pem'), key: join(scene.folder, 'server.key') },
    }
    if (secure) await makeCertificate(scene, [`IP:${peerHost}`, 'DNS:localhost'])
    // A folder of a short name: the control socket's path may have 107 characters.
    const folder = mkdtempSync(join(tmpdir(), 'floe-kamailio-'))
    const configuration = join(scene.folder, `${name}.cfg`)
    const place = { host: peerHost, port, controlSocket: join(folder, 'control') }
    writeFileSync(configuration, kamailioConfiguration({ ...place, ...features, ...(secure && { secure }) }))
    scene.onEnd(() => rmSync(folder, { recursive: true, force: true }))
    const start = () =>
      PeerProcess.start(scene, {
        name,
        program: 'kamailio',
        args: ['-f', configuration, '-DD', '-E', '-m', '32', '-M', '4', '-Y', folder, '-w', scene.folder],
        ready: async () => (await rpc(folder, 'core.uptime')) !== undefined,
        readyWithinMs: 30_000,
      })
    return new Kamailio(scene, start, await start(), folder, port, secure)
  }

  readonly host = peerHost

  private constructor(
    private readonly scene: Scene,
    private readonly startAgain: () => Promise<PeerProcess>,
    private process: PeerProcess,
    private readonly folder: string,
    readonly port: number,
    private readonly secure: { tls: number; ws: number; wss: number } | undefined,
  ) {}

  /** The server over a transport: "sip:10.99.0.1:5061;transport=tls". */
  server(transport: Transport): string {
    return `sip:${this.host}:${this.portOf(transport)};transport=${transport}`
  }

  portOf(transport: Transport): number {
    return transport === 'udp' || transport === 'tcp' ? this.port : this.secure![transport]
  }

  /** The authority of its certificate, a PEM file. */
  get authority(): string {
    return authorityFile(this.scene)
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  uri(user: string): string {
    return `sip:${user}@${this.address}`
  }

  /** An account as the command line takes it. */
  account(user: string): string {
    return `${user}:pw${user}@${this.address}`
  }

  /** Has it a contact for the user? */
  async hasContact(user: string): Promise<boolean> {
    return ((await rpc(this.folder, 'ul.dump')) ?? '').includes(`AoR: ${user}`)
  }

  /** Puts a contact into its location table that nobody has registered. */
  async addContact(user: string, uri: string): Promise<void> {
    // "s:" says that what looks like a number is text.
    const fields = ['600', '1.0', 's:0', '0', '0', '4294967295']
    const added = await rpc(this.folder, 'ul.add', 'location', `s:${user}`, uri, ...fields)
    if (added === undefined || added.includes('error'))
      throw new Error(`Kamailio takes no contact ${uri} for ${user}`)
  }

  /** What it has of a user's contacts. */
  async contacts(user: string): Promise<string> {
    return (await rpc(this.folder, 'ul.lookup', 'location', `s:${user}`)) ?? ''
  }

  /** As a crash ends it. */
  async kill(): Promise<void> {
    await this.process.kill()
  }

  /** Comes back after `kill`, at the same ports, and has forgotten everything. */
  async restart(): Promise<void> {
    this.process = await this.startAgain()
  }

  logText(): string {
    return this.process.logText()
  }
}

async function rpc(folder: string, ...command: string[]): Promise<string | undefined> {
  try {
    const program = programPath('kamcmd') ?? 'kamcmd'
    return (
      await promisify(execFile)(program, ['-s', `unix:${join(folder, 'control')}`, ...command], {
        timeout: 5_000,
      })
    ).stdout
  } catch {
    return undefined
  }
}
