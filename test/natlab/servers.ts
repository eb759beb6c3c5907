// The servers of the lab, each in its own namespace: Kamailio as registrar and proxy, coturn as STUN server.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scene } from '../interop/case.ts'
import { programPath } from '../interop/installed.ts'
import { coturnArguments } from '../interop/peers/coturn.ts'
import { kamailioConfiguration } from '../interop/peers/kamailio.ts'
import { PeerProcess, type ProcessOptions } from '../interop/peers/process.ts'
import { addresses, type Host, on } from './lab.ts'

const run = promisify(execFile)

/** A peer on a host of the lab. */
async function startOn(
  host: Host,
  scene: Scene,
  { program, args, ...options }: ProcessOptions,
): Promise<PeerProcess> {
  const [ip, ...before] = on(host)
  return await PeerProcess.start(scene, {
    ...options,
    program: ip!,
    args: [...before, programPath(program) ?? program, ...args],
  })
}

/** Runs a program on a host of the lab to its end, and gives what it printed. */
export async function outputOn(
  host: Host,
  program: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<string> {
  const [ip, ...before] = on(host)
  const { stdout } = await run(
    programPath(ip!) ?? ip!,
    [...before, programPath(program) ?? program, ...args],
    {
      timeout: timeoutMs,
    },
  )
  return stdout
}

/** Users 2001 to 2009 with the password pwNNNN, as test/interop/peers/kamailio.ts says. Gives "host:port". */
export async function startKamailio(scene: Scene): Promise<string> {
  const host = addresses.servers.kamailio[0]
  const port = 5060
  // A folder of a short name: the control socket's path may have 107 characters.
  const folder = mkdtempSync(join(tmpdir(), 'floe-kamailio-'))
  scene.onEnd(() => rmSync(folder, { recursive: true, force: true }))
  const controlSocket = join(folder, 'control')
  const configuration = join(scene.folder, 'kamailio.cfg')
  writeFileSync(configuration, kamailioConfiguration({ host, port, controlSocket }))
  await startOn('kamailio', scene, {
    name: 'kamailio',
    program: 'kamailio',
    args: ['-f', configuration, '-DD', '-E', '-m', '32', '-M', '4', '-Y', folder, '-w', scene.folder],
    ready: async () => {
      const kamcmd = programPath('kamcmd') ?? 'kamcmd'
      const asked = run(kamcmd, ['-s', `unix:${controlSocket}`, 'core.uptime'], { timeout: 2_000 })
      return await asked.then(
        () => true,
        () => false,
      )
    },
  })
  return `${host}:${port}`
}

/** Two addresses, so that it answers RFC 5780 tests. Gives "host:port". */
export async function startCoturn(scene: Scene): Promise<string> {
  const hosts = addresses.servers.coturn
  const port = 3478
  await startOn('coturn', scene, {
    name: 'coturn',
    program: 'turnserver',
    args: coturnArguments({ hosts, port, database: join(scene.folder, 'turn.sqlite') }),
    ready: async () => (await outputOn('coturn', 'ss', ['-lun'], 2_000)).includes(`${hosts[0]}:${port}`),
  })
  return `${hosts[0]}:${port}`
}
