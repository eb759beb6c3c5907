// Who is measured: floe, the npm package `sip`, baresip and SIPp itself, as the one that is called and as the one that calls.
// What is missing is skipped; `test/interop/install` brings it.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BenchProgram, freeUdpPort, installed, serveWith, wait } from './processes.mjs'
import { callsSipp, sippAt, sippStartMs } from './sip-load.mjs'

const peers = process.env.FLOE_PEERS ?? fileURLToPath(new URL('../../.peers', import.meta.url))
const npmSip = join(peers, 'sip/node_modules/sip')
const baresipModules = '/usr/lib/baresip/modules'
const baresipStartMs = 2_000

const served = (child, port, stop = child.stop) => ({ pid: child.pid, port, stop })
const program = async (file, args, options) => {
  const child = await BenchProgram.start(file, args, undefined, options)
  return { ...served(child, child.ready.port, () => child.stop()), ask: (message) => child.ask(message) }
}
/** So that what is left is what is kept. */
const collecting = { execArgv: ['--expose-gc'] }

/** Each: starts whoever answers; { pid, port, stop, ask? }. `guess`: the rate at which its climb begins. */
export const called = {
  floe: { guess: 2_000, start: () => program('sip-uas.mjs', [], collecting) },
  'npm sip': {
    guess: 1_500,
    there: () => existsSync(npmSip),
    start: async () => program('sip-npm-uas.mjs', [npmSip, await freeUdpPort()], collecting),
  },
  baresip: {
    guess: 500,
    there: () => installed('baresip') && existsSync(baresipModules),
    async start(folder) {
      const port = await freeUdpPort()
      mkdirSync(folder, { recursive: true })
      const modules = ['module g711.so', 'module_app account.so', 'module_app menu.so']
      const settings = ['poll_method epoll', `sip_listen 127.0.0.1:${port}`, 'call_max_calls 0']
      const silent = ['audio_source nosrc,', 'audio_player noplay,', 'rtp_ports 20000-59998']
      writeFileSync(
        join(folder, 'config'),
        [...settings, ...silent, `module_path ${baresipModules}`, ...modules, ''].join('\n'),
      )
      const account = `<sip:bench@127.0.0.1:${port}>;regint=0;answermode=auto;audio_codecs=PCMU\n`
      writeFileSync(join(folder, 'accounts'), account)
      const child = serveWith('baresip', ['-f', folder])
      await wait(baresipStartMs)
      return served(child, port)
    },
  },
  SIPp: {
    guess: 6_000,
    async start() {
      const port = await freeUdpPort()
      const child = serveWith('sipp', ['-sn', 'uas', ...sippAt(port)])
      await wait(sippStartMs)
      return served(child, port)
    },
  },
}

/** Each: starts whoever calls; { step(rate, seconds), stop }. SIPp's own calls to itself are measured above. */
export const calling = {
  floe: { guess: 2_000, start: () => caller('sip-uac.mjs', []) },
  'npm sip': {
    guess: 700,
    there: () => existsSync(npmSip),
    start: async () => caller('sip-npm-uac.mjs', [npmSip, await freeUdpPort()]),
  },
}

async function caller(file, args) {
  const child = await BenchProgram.start(file, args)
  return { step: (rate, seconds) => callsSipp(child, rate, seconds), stop: () => child.stop() }
}
