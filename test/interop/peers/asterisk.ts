// A throw-away Asterisk out of the tree that `install` unpacked: it runs through the tree's own loader, without chroot or
// root, on a configuration written here. Every user NNNN has the password pwNNNN.
import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scene } from '../case.ts'
import { asteriskTrees } from '../installed.ts'
import { writeTone } from '../sounds.ts'
import { dialplan } from './asterisk-dialplan.ts'
import { http, pjsip } from './asterisk-pjsip.ts'
import { authorityFile, makeCertificate } from './certificate.ts'
import { eventually, freePort, PeerProcess, peerHost } from './process.ts'

/** Users that are always there and what their endpoint does; all offer PCMU and PCMA, over UDP and TCP. */
export const endpoints = {
  '1000': { what: 'no ICE', options: [] },
  '1001': { what: 'ICE', options: ['ice_support=yes'] },
  '1002': { what: 'ICE, to be dialled by others', options: ['ice_support=yes'] },
  '1004': { what: 'ICE and rtcp-mux', options: ['ice_support=yes', 'rtcp_mux=yes'] },
  '1011': { what: 'no ICE, DTMF in INFO', options: ['dtmf_mode=info'] },
} as const
/** One of `endpoints`, or of the row's own. */
export type User = keyof typeof endpoints | `1${number}`

export interface AsteriskOptions {
  /** Default 22. */
  release?: keyof typeof asteriskTrees
  /** A WAV file of 8 kHz, 16 bit, mono for the prompt. */
  prompt?: string
  /** The same for music on hold. */
  music?: string
  /** Users beside `endpoints`: options of pjsip.conf, as `asterisk-pjsip.ts` takes them. */
  users?: Readonly<Record<string, readonly string[]>>
  /** Over TLS, WS and WSS as well, with a certificate of `authority`. */
  secure?: true
}

/** Where else it listens. */
interface SecurePorts {
  readonly tls: number
  readonly ws: number
  readonly wss: number
}

export class Asterisk {
  private constructor(
    private readonly scene: Scene,
    private process: PeerProcess,
    private readonly place: Instance,
    /** The SIP port, UDP and TCP. */
    readonly port: number,
    private readonly secure: SecurePorts | undefined,
  ) {}

  static async start(scene: Scene, options: AsteriskOptions = {}): Promise<Asterisk> {
    const folder = join(scene.folder, 'asterisk')
    // Of a short name: the path of a control socket may have 107 characters.
    const controlFolder = mkdtempSync(join(tmpdir(), 'floe-asterisk-'))
    scene.onEnd(() => rmSync(controlFolder, { recursive: true }))
    const port = await freePort()
    const secure = options.secure && { tls: await freePort(), ws: await freePort(), wss: await freePort() }
    if (secure) await makeCertificate(scene, [`IP:${peerHost}`, 'DNS:localhost'])
    const { release = 22 } = options
    writeConfiguration({ release, folder, controlFolder, port, options, ...(secure && { secure }) }, scene)
    scene.log(join(folder, 'log/full.log'))
    const place = { release, folder }
    return new Asterisk(scene, await startProcess(scene, place), place, port, secure)
  }

  /** The server over a transport: "sip:10.99.0.1:5061;transport=tls". */
  server(transport: 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'): string {
    const port = transport === 'udp' || transport === 'tcp' ? this.port : this.secure![transport]
    return `sip:${peerHost}:${port};transport=${transport}`
  }

  /** The authority of its certificate, a PEM file. */
  get authority(): string {
    return authorityFile(this.scene)
  }

  /** host:port of SIP. */
  get address(): string {
    return `${peerHost}:${this.port}`
  }

  uri(extension: string): string {
    return `sip:${extension}@${this.address}`
  }

  /** An account as the command line takes it. */
  account(user: User, password = `pw${user}`): string {
    return `${user}:${password}@${this.address}`
  }

  /** Runs a command of Asterisk's console and returns what it prints. */
  async console(command: string): Promise<string> {
    return await consoleCommand(this.place, command)
  }

  /** Everything it logged, SIP messages included. */
  logText(): string {
    return readFileSync(join(this.place.folder, 'log/full.log'), 'utf8')
  }

  /** Waits until the log matches. */
  async logged(pattern: RegExp, withinMs = 10_000): Promise<RegExpMatchArray> {
    const what = `a line in Asterisk's log that matches ${pattern}`
    return await eventually(() => this.logText().match(pattern) ?? undefined, { what, withinMs })
  }

  /** Has it a registered contact for the user? */
  async hasContact(user: User): Promise<boolean> {
    return (await this.console('pjsip show contacts')).includes(`${user}/sip:`)
  }

  /** The number of channels, 0 when no call is left. */
  async channels(): Promise<number> {
    return Number(
      /(\d+) active channel/.exec(await this.console('core show channels count'))?.[1] ?? Number.NaN,
    )
  }

  /** Calls a registered user and connects it to an extension of the dialplan. */
  async originate(user: User, extension: string): Promise<void> {
    await this.console(`channel originate PJSIP/${user} extension ${extension}@default`)
  }

  /** Somebody has spoken to the mailbox of a user of the row's own. */
  leaveMessage(user: User): void {
    const inbox = join(this.place.folder, 'spool/voicemail/default', user, 'INBOX')
    mkdirSync(inbox, { recursive: true })
    writeTone(join(inbox, 'msg0000.wav'), 'tone:440', 500)
    writeFileSync(join(inbox, 'msg0000.txt'), `[message]\norigmailbox=${user}\nduration=1\n`)
  }

  /** What the `record` and `play-and-record` extensions heard. */
  get recording(): string {
    return join(this.place.folder, 'recorded.wav')
  }

  /** As a crash ends it. */
  async kill(): Promise<void> {
    await this.process.kill()
  }

  /** Comes back after `kill`, at the same ports; it remembers contacts, and no call. */
  async restart(): Promise<void> {
    this.process = await startProcess(this.scene, this.place)
  }
}

/** What tells one from another. */
type Instance = Pick<Place, 'folder' | 'release'>

async function startProcess(scene: Scene, instance: Instance): Promise<PeerProcess> {
  const [loader = '', ...args] = commandLine(instance)
  const process = await PeerProcess.start(scene, {
    name: 'asterisk',
    program: loader,
    args: [...args, '-f', '-n', '-q'],
    ready: async () => (await consoleCommand(instance, 'core waitfullybooted')).includes('fully booted'),
    readyWithinMs: 30_000,
  })
  // A port in use and a module that fails are no more than lines in its log.
  const wrong = readFileSync(join(instance.folder, 'log/full.log'), 'utf8').match(/^.*\bERROR\b.*$/m)
  if (wrong) throw new Error(`Asterisk did not start cleanly: ${wrong[0]}`)
  return process
}

const libraryFolder = (tree: string) => {
  const lib = join(tree, 'usr/lib')
  const triplet = readdirSync(lib).find((name) => name.endsWith('-linux-gnu'))
  if (triplet === undefined) throw new Error(`no libraries in ${lib}; run test/interop/install`)
  return join(lib, triplet)
}

/** Debian 11 keeps them beside the folder of its architecture. */
const moduleFolder = (tree: string): string =>
  [libraryFolder(tree), join(tree, 'usr/lib')]
    .map((folder) => join(folder, 'asterisk/modules'))
    .find((folder) => existsSync(folder)) ?? ''

function commandLine({ release, folder }: Instance): string[] {
  const tree = asteriskTrees[release]
  const libraries = libraryFolder(tree)
  const loader = [join(tree, 'usr/lib64'), join(tree, 'usr/lib'), libraries]
    .flatMap((place) => readdirSync(place).map((name) => join(place, name)))
    .find((path) => /\/ld-linux[^/]*\.so\.\d+$/.test(path) && existsSync(path)) // a link may lead out of the tree
  if (loader === undefined) throw new Error(`no loader in ${tree}; run test/interop/install`)
  const path = `${libraries}:${join(tree, 'usr/lib')}`
  const asterisk = join(tree, 'usr/sbin/asterisk')
  return [loader, '--library-path', path, asterisk, '-C', join(folder, 'etc/asterisk.conf')]
}

async function consoleCommand(instance: Instance, command: string): Promise<string> {
  const [loader = '', ...args] = commandLine(instance)
  try {
    return (await promisify(execFile)(loader, [...args, '-rx', command], { timeout: 10_000 })).stdout
  } catch (error) {
    return String((error as { stdout?: string }).stdout ?? '')
  }
}

interface Place {
  release: keyof typeof asteriskTrees
  folder: string
  controlFolder: string
  port: number
  secure?: SecurePorts
  options: AsteriskOptions
}

function writeConfiguration(place: Place, scene: Scene): void {
  const { release, folder, controlFolder, port, secure, options } = place
  const tree = asteriskTrees[release]
  const { prompt, music, users } = options
  const [certificate, key] = [join(scene.folder, 'server.pem'), join(scene.folder, 'server.key')]
  for (const name of ['etc', 'log', 'spool', 'db', 'data', 'data/keys', 'music'])
    mkdirSync(join(folder, name), { recursive: true })
  symlinkSync(join(tree, 'usr/share/asterisk/documentation'), join(folder, 'data/documentation'))
  const modules = readFileSync(new URL('asterisk-modules.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, since = '0']) => Number(since) <= release)
    .map(([module]) => module)
  const files: Record<string, string> = {
    'asterisk.conf': `[directories]
astetcdir => ${folder}/etc
astmoddir => ${moduleFolder(tree)}
astvarlibdir => ${folder}/data
astdbdir => ${folder}/db
astkeydir => ${folder}/data
astdatadir => ${folder}/data
astagidir => ${folder}/data
astspooldir => ${folder}/spool
astrundir => ${controlFolder}
astlogdir => ${folder}/log
[options]
verbose = 4
nocolor = yes
highpriority = no
`,
    'logger.conf': `[general]
dateformat=%H:%M:%S.%3q
[logfiles]
full.log => notice,warning,error,verbose,dtmf
`,
    'modules.conf': `[modules]
autoload=no
${modules.map((module) => `load=${module}.so`).join('\n')}
`,
    'rtp.conf': `[general]
rtpstart=27000
rtpend=27199
icesupport=yes
rtcpinterval=1000
${iceAddresses()}
`,
    'pjproject.conf': '[startup]\nlog_level=2\n',
    'pjsip.conf': pjsip({
      host: peerHost,
      port,
      ...(secure && { secure: { tls: secure.tls, certificate, key } }),
      users: {
        ...Object.fromEntries(Object.entries(endpoints).map(([user, { options }]) => [user, options])),
        ...users,
      },
    }),
    'http.conf': secure ? http({ host: peerHost, ws: secure.ws, wss: secure.wss, certificate, key }) : '',
    'extensions.conf': dialplan({ folder, address: `${peerHost}:${port}` }),
    'musiconhold.conf': `[default]\nmode=files\ndirectory=${folder}/music\n`,
    'voicemail.conf': `[general]\nformat=wav\npollmailboxes=yes\npollfreq=1\n[default]\n${mailboxes(users)}`,
  }
  for (const name of [
    'geolocation',
    'features',
    'ccss',
    'udptl',
    'cdr',
    'cel',
    'acl',
    'indications',
    'stasis',
    'websocket_client',
  ]) {
    files[`${name}.conf`] = ''
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'etc', name), text)
  if (prompt) symlinkSync(prompt, join(folder, 'prompt.wav'))
  if (music) symlinkSync(music, join(folder, 'music/music.wav'))
}

/** Every user of the row's own has one. */
const mailboxes = (users: AsteriskOptions['users'] = {}): string =>
  Object.keys(users)
    .map((user) => `${user} => ${user},${user}\n`)
    .join('')

/** Asterisk leaves 127.0.0.0/8 out of its candidates: it is given exactly one address to offer, mapped where it must be. */
function iceAddresses(): string {
  const others = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((address) => address.family === 'IPv4' && !address.address.startsWith('127.'))
    .map((address) => address.address)
  const offered = others.includes(peerHost) ? peerHost : others[0]
  const denied = others.filter((address) => address !== offered).map((address) => `${address}/32`)
  return [
    ...['fc00::/7', 'fe80::/10', '2000::/3', ...denied].map((network) => `ice_deny=${network}`),
    '[ice_host_candidates]',
    ...(offered === undefined || offered === peerHost ? [] : [`${offered} => ${peerHost}`]),
  ].join('\n')
}
