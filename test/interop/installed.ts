// What this machine has of the things the rows need; `install` beside this file puts them there.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

export type Need =
  | 'asterisk'
  | 'asterisk 16'
  | 'kamailio'
  | 'coturn'
  | 'sipp'
  | 'python'
  | 'node 22'
  | 'node 24'
  | 'libnice agent'
  | 'pion agent'
  | 'pion dtls'
  | 'aioice'
  | 'node-datachannel'
  | 'werift'
  | 'chromium'
  | 'baresip'
  | 'tmux'
  | 'linphone'
  | 'rtpengine'
  | 'openssl'
  | 'ffmpeg'
  | 'opusinfo'
  | 'gstreamer'
  | 'tshark'
  /** nft rules and loopback addresses of our own: the private network namespace that `namespace` makes. */
  | 'namespace'

export const repository = resolve(import.meta.dirname, '../..')
/** Git-ignored: the unpacked Asterisk, and the folders of the last run. */
export const interopFolder = process.env['FLOE_PEERS'] ?? join(repository, '.peers')
export const asteriskTrees = { 22: join(interopFolder, 'asterisk'), 16: join(interopFolder, 'asterisk-16') }

/** True inside the namespace that `namespace` makes. */
export const inNamespace = process.env['FLOE_NAMESPACE'] === '1'

const present: Record<Need, () => string | undefined> = {
  asterisk: () => installedFile('Asterisk', 'asterisk/usr/sbin/asterisk'),
  'asterisk 16': () => installedFile('Asterisk 16', 'asterisk-16/usr/sbin/asterisk'),
  kamailio: () => program('kamailio'),
  coturn: () => program('turnserver'),
  sipp: () => program('sipp'),
  python: () => program('python3'),
  openssl: () => program('openssl'),
  ffmpeg: () => program('ffmpeg'),
  opusinfo: () => program('opusinfo'),
  gstreamer: () => program('gst-launch-1.0'),
  tshark: () => program('tshark'),
  'node 22': () => (nodePath(22) ? undefined : 'Node 22 is not installed (test/interop/install)'),
  'node 24': () => (nodePath(24) ? undefined : 'Node 24 is not installed (test/interop/install)'),
  'libnice agent': () => installedFile('libnice', 'ice/libnice'),
  'pion agent': () => installedFile('pion', 'ice/pion'),
  'pion dtls': () => installedFile("pion's DTLS", 'dtls/pion'),
  aioice: () =>
    existsSync('/usr/lib/python3/dist-packages/aioice')
      ? undefined
      : 'aioice is not installed (test/interop/install)',
  'node-datachannel': () =>
    installedFile('node-datachannel', 'node-datachannel/node_modules/node-datachannel'),
  werift: () => installedFile('werift', 'werift/node_modules/werift'),
  chromium: () => program('chromium'),
  baresip: () => program('baresip'),
  tmux: () => program('tmux'),
  linphone: () => program('linphonec'),
  rtpengine: () => program('rtpengine'),
  namespace: () =>
    !inNamespace
      ? 'there is no network namespace of our own here'
      : (program('nft') ?? program('ip') ?? nftWorks()),
}

/** The program of another release of Node, where `install` has put it. */
export function nodePath(release: 22 | 24): string | undefined {
  const modules = join(interopFolder, `node-${release}`, 'node_modules')
  const platform = `node-${process.platform}-${process.arch}`
  return [join(modules, platform), join(modules, 'node/node_modules', platform)]
    .map((folder) => join(folder, 'bin/node'))
    .find(executable)
}

/** Why the needs are not met, in words for the table; undefined when they are. */
export function missing(needs: readonly Need[]): string | undefined {
  const reasons = needs.map((need) => present[need]()).filter((reason) => reason !== undefined)
  return reasons.length > 0 ? [...new Set(reasons)].join('; ') : undefined
}

/** The full path of a program, with the sbin folders that a plain user's PATH leaves out. */
export function programPath(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, name)).find(executable)
}

function program(name: string): string | undefined {
  return programPath(name) === undefined ? `${name} is not installed (test/interop/install)` : undefined
}

function installedFile(name: string, path: string): string | undefined {
  return existsSync(join(interopFolder, path)) ? undefined : `${name} is not installed (test/interop/install)`
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

let nftAnswer: { reason: string | undefined } | undefined
function nftWorks(): string | undefined {
  nftAnswer ??= { reason: nftProbe() }
  return nftAnswer.reason
}

function nftProbe(): string | undefined {
  try {
    execFileSync(programPath('nft') ?? 'nft', ['list', 'ruleset'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'nft is not permitted here'
  }
}
