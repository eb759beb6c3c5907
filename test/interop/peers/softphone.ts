// The softphone of samples/browser in Chromium, on a host of its own one cable away, and what serves it: the sample's own program.
import { execFileSync } from 'node:child_process'
import { appendFileSync, closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Scene } from '../case.ts'
import { repository } from '../installed.ts'
import { authorityFile, makeCertificate } from './certificate.ts'
import { type Browser, openBrowser } from './devtools.mjs'
import { eventually, freePort, PeerProcess, tcpPortTaken } from './process.ts'

/** The two ends of the cable. */
const cable = { floe: '10.99.8.1', browser: '10.99.8.2' }
const browserHost = 'browser'

/** In silence no frequency has a share. */
const anyHz = 1_000
/** A browser starts in a second, on a busy machine in many. */
const patienceMs = 30_000

export type State =
  | 'connected'
  | 'registered'
  | 'calling'
  | 'somebody calls'
  | 'in a call'
  | 'the call is over'

export interface Softphone {
  /** Of this host, on the cable. */
  readonly address: string
  /** Of floe's SIP server over WSS. */
  readonly server: string
  /** PEM: the authority that its certificate is of, and the certificate. */
  readonly files: { readonly ca: string; readonly cert: string; readonly key: string }
  /** Loads the page anew, and starts its user agent. */
  start(options: { server: string; user: string; register?: boolean }): Promise<void>
  /** What page.mjs calls `softphone`. */
  do(verb: string, ...args: unknown[]): Promise<unknown>
  until(state: State): Promise<void>
  hears(hz: number): Promise<void>
  hearsSilence(): Promise<void>
}

export async function startSoftphone(scene: Scene): Promise<Softphone> {
  layCable(scene)
  await makeCertificate(scene, [`IP:${cable.floe}`])
  const file = (name: string): string => join(scene.folder, name)
  const files = { ca: authorityFile(scene), cert: file('server.pem'), key: file('server.key') }
  const port = await freePort() // the next one is SIP's
  await PeerProcess.start(scene, {
    name: 'serve',
    program: process.execPath,
    args: [join(repository, 'samples/browser/serve.mjs')],
    env: { ADDRESS: cable.floe, PORT: String(port), TLS_CERT: files.cert, TLS_KEY: files.key },
    ready: () => tcpPortTaken(port) && tcpPortTaken(port + 1),
    readyWithinMs: patienceMs,
  })
  const log = openSync(file('chromium.log'), 'a')
  scene.onEnd(() => closeSync(log))
  const browser = await openBrowser({
    profile: file('profile'),
    // Nobody clicks here, and the authority is nobody's.
    extraFlags: ['--ignore-certificate-errors', '--autoplay-policy=no-user-gesture-required'],
    before: ['ip', 'netns', 'exec', browserHost],
    stderr: log,
    onWrong: (message) => appendFileSync(log, `the page: ${message}\n`),
  })
  scene.onEnd(() => browser.close())

  const act = (verb: string, ...args: unknown[]) =>
    browser.evaluate(`softphone.${verb}(...${JSON.stringify(args)})`)
  const until = async (state: State): Promise<void> => {
    await eventually(async () => (await act('state')) === state, {
      what: `the page says "${state}"`,
      withinMs: patienceMs,
      everyMs: 100,
    })
  }
  const share = async (hz: number): Promise<number> => (await act('shareOf', hz)) as number
  return {
    address: cable.floe,
    server: `wss://${cable.floe}:${port + 1}`,
    files,
    start: async (options) => {
      await load(browser, `https://${cable.floe}:${port}/`)
      await act('start', options)
      await until(options.register === false ? 'connected' : 'registered')
    },
    do: act,
    until,
    hears: async (hz) => {
      await eventually(async () => (await share(hz)) > 0.8, {
        what: `the page hears ${hz} Hz`,
        withinMs: patienceMs,
        everyMs: 100,
      })
    },
    hearsSilence: async () => {
      await eventually(async () => (await share(anyHz)) === 0, {
        what: 'the page hears nothing',
        withinMs: patienceMs,
        everyMs: 100,
      })
    },
  }
}

/** Chromium drops what it is loading where it believes that the network has changed: it is asked again, as people do. */
async function load(browser: Browser, url: string, tries = 3): Promise<void> {
  await browser.navigate(url)
  const isThere = async () => (await browser.evaluate(`'softphone' in globalThis`)) as boolean
  try {
    await eventually(isThere, { what: `${url} is there`, withinMs: 20_000, everyMs: 50 })
  } catch (error) {
    const files = await browser.evaluate(`performance.getEntriesByType('resource').length`)
    if (tries === 1) throw new Error(`${url} has ${files} of its files`, { cause: error })
    await load(browser, url, tries - 1)
  }
}

function layCable(scene: Scene): void {
  const run = (command: string): void => void execFileSync('ip', command.split(' '))
  scene.onEnd(() => run(`netns delete ${browserHost}`))
  run(`netns add ${browserHost}`)
  run(`link add to-browser type veth peer name eth0 netns ${browserHost}`)
  run(`address add ${cable.floe}/24 dev to-browser`)
  run('link set to-browser up')
  run(`-n ${browserHost} address add ${cable.browser}/24 dev eth0`)
  // Or its link-local address comes a second later, and the network has changed.
  run(
    `netns exec ${browserHost} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1`,
  )
  run(`-n ${browserHost} link set lo up`)
  run(`-n ${browserHost} link set eth0 up`)
  run(`-n ${browserHost} route add default via ${cable.floe}`) // Chromium tells the address that leads out
}
