// A throw-away Asterisk out of the tree that `install` unpacked: it runs through the tree's own loader, without chroot or
// root, on a configuration written here. Every user NNNN has the password pwNNNN; the dialplan is `extensions` below.
import { execFile } from 'node:child_process'
import {
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
import { asteriskTree } from '../installed.ts'
import { eventually, freePort, PeerProcess, peerHost } from './process.ts'

/** Users and what their endpoint does; all offer PCMU and PCMA, over UDP and TCP. */
export const endpoints = {
  '1000': { what: 'no ICE', options: [] },
  '1001': { what: 'ICE', options: ['ice_support=yes'] },
  '1002': { what: 'ICE, to be dialled by others', options: ['ice_support=yes'] },
  '1004': { what: 'ICE and rtcp-mux', options: ['ice_support=yes', 'rtcp_mux=yes'] },
  '1011': { what: 'no ICE, DTMF in INFO', options: ['dtmf_mode=info'] },
} as const
export type User = keyof typeof endpoints

const extensions = (folder: string) => `
exten => echo,1,Answer()
 same => n,Echo()
exten => prompt,1,Answer()
 same => n,Wait(0.3)
 same => n,Playback(${folder}/prompt)
 same => n,Hangup()
exten => milliwatt,1,Answer()
 same => n,Milliwatt()
exten => record,1,Answer()
 same => n,MixMonitor(${folder}/mixed.wav,r(${folder}/recorded.wav))
 same => n,Milliwatt()
exten => read-dtmf,1,Answer()
 same => n,Read(DIGITS,,4,,1,10)
 same => n,Log(NOTICE,read digits=\${DIGITS})
 same => n,Playback(${folder}/prompt)
 same => n,Hangup()
exten => send-dtmf,1,Answer()
 same => n,Wait(0.5)
 same => n,SendDTMF(1234*#,200,120)
 same => n,Playback(${folder}/prompt)
 same => n,Hangup()
exten => busy,1,Busy(10)
exten => congestion,1,Congestion(10)
exten => ringing,1,Ringing()
 same => n,Wait(60)
exten => early-media,1,Progress()
 same => n,Playtones(440)
 same => n,Wait(2)
 same => n,Answer()
 same => n,Echo()
; the caller's side of a call that Asterisk makes: plays the prompt and keeps what it hears
exten => play-and-record,1,Answer()
 same => n,MixMonitor(${folder}/mixed.wav,r(${folder}/recorded.wav))
 same => n,Wait(0.3)
 same => n,Playback(${folder}/prompt)
 same => n,Wait(1)
 same => n,Hangup()
exten => _1XXX,1,Dial(PJSIP/\${EXTEN},30)
`

export interface AsteriskOptions {
  /** A WAV file of 8 kHz, 16 bit, mono for the prompt. */
  prompt?: string
}

export class Asterisk {
  private constructor(
    private readonly process: PeerProcess,
    private readonly folder: string,
    /** The SIP port, UDP and TCP. */
    readonly port: number,
  ) {}

  static async start(scene: Scene, options: AsteriskOptions = {}): Promise<Asterisk> {
    const folder = join(scene.folder, 'asterisk')
    // Of a short name: the path of a control socket may have 107 characters.
    const controlFolder = mkdtempSync(join(tmpdir(), 'floe-asterisk-'))
    scene.onEnd(() => rmSync(controlFolder, { recursive: true }))
    const port = await freePort()
    writeConfiguration({ folder, controlFolder, port, ...options })
    scene.log(join(folder, 'log/full.log'))
    const [loader = '', ...args] = commandLine(folder)
    const process = await PeerProcess.start(scene, {
      name: 'asterisk',
      program: loader,
      args: [...args, '-f', '-n', '-q'],
      ready: async () => (await consoleCommand(folder, 'core waitfullybooted')).includes('fully booted'),
    })
    const asterisk = new Asterisk(process, folder, port)
    // A port in use and a module that fails are no more than lines in its log.
    const wrong = asterisk.logText().match(/^.*\bERROR\b.*$/m)
    if (wrong) throw new Error(`Asterisk did not start cleanly: ${wrong[0]}`)
    return asterisk
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
    return await consoleCommand(this.folder, command)
  }

  /** Everything it logged, SIP messages included. */
  logText(): string {
    return readFileSync(join(this.folder, 'log/full.log'), 'utf8')
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

  /** What the `record` and `play-and-record` extensions heard. */
  get recording(): string {
    return join(this.folder, 'recorded.wav')
  }

  async kill(): Promise<void> {
    await this.process.kill()
  }
}

const libraryFolder = () => {
  const lib = join(asteriskTree, 'usr/lib')
  const triplet = readdirSync(lib).find((name) => name.endsWith('-linux-gnu'))
  if (triplet === undefined) throw new Error(`no libraries in ${lib}; run test/interop/install`)
  return join(lib, triplet)
}

function commandLine(folder: string): string[] {
  const libraries = libraryFolder()
  const loader = [join(asteriskTree, 'usr/lib64'), join(asteriskTree, 'usr/lib'), libraries]
    .flatMap((place) => readdirSync(place).map((name) => join(place, name)))
    .find((path) => /\/ld-linux[^/]*\.so\.\d+$/.test(path))
  if (loader === undefined) throw new Error(`no loader in ${asteriskTree}; run test/interop/install`)
  const path = `${libraries}:${join(asteriskTree, 'usr/lib')}`
  const asterisk = join(asteriskTree, 'usr/sbin/asterisk')
  return [loader, '--library-path', path, asterisk, '-C', join(folder, 'etc/asterisk.conf')]
}

async function consoleCommand(folder: string, command: string): Promise<string> {
  const [loader = '', ...args] = commandLine(folder)
  try {
    return (await promisify(execFile)(loader, [...args, '-rx', command], { timeout: 10_000 })).stdout
  } catch (error) {
    return String((error as { stdout?: string }).stdout ?? '')
  }
}

interface Place extends AsteriskOptions {
  folder: string
  controlFolder: string
  port: number
}

function writeConfiguration({ folder, controlFolder, port, prompt }: Place): void {
  for (const name of ['etc', 'log', 'spool', 'db', 'data']) mkdirSync(join(folder, name), { recursive: true })
  symlinkSync(join(asteriskTree, 'usr/share/asterisk/documentation'), join(folder, 'data/documentation'))
  const modules = readFileSync(new URL('asterisk-modules.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n')
  const files: Record<string, string> = {
    'asterisk.conf': `[directories]
astetcdir => ${folder}/etc
astmoddir => ${libraryFolder()}/asterisk/modules
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
    'pjsip.conf': pjsip(port),
    'extensions.conf': `[general]\nstatic=yes\nwriteprotect=yes\n[default]${extensions(folder)}`,
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
  ]) {
    files[`${name}.conf`] = ''
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'etc', name), text)
  if (prompt) symlinkSync(prompt, join(folder, 'prompt.wav'))
}

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

function pjsip(port: number): string {
  const users = Object.entries(endpoints).map(
    ([user, { options }]) => `[${user}](endpoint)
auth=${user}
aors=${user}
${options.join('\n')}
[${user}](auth)
username=${user}
password=pw${user}
[${user}](aor)
`,
  )
  return `[global]
type=global
debug=yes
endpoint_identifier_order=username,ip,anonymous
[system]
type=system
disable_tcp_switch=yes
[udp]
type=transport
protocol=udp
bind=${peerHost}:${port}
[tcp]
type=transport
protocol=tcp
bind=${peerHost}:${port}
[endpoint](!)
type=endpoint
context=default
disallow=all
allow=ulaw,alaw
direct_media=no
rtp_symmetric=yes
force_rport=yes
rewrite_contact=yes
dtmf_mode=rfc4733
[auth](!)
type=auth
auth_type=userpass
[aor](!)
type=aor
max_contacts=5
minimum_expiration=10
; no password: for SIPp's scenarios
[sipp](endpoint)
${users.join('')}`
}
