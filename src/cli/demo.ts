// floe demo: the main job on embedded defaults. A loopback server, two phones, one call through ICE, a different file in
// each direction; both recordings are compared with what was sent.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { type Hearing, hearFile, ladder, nodeRuntime, Phone, startServer, UsageError } from '../index.ts'
import { exitCodeOfError, exitCodes } from './exit-codes.ts'
import { type OutputFlags, outputFlags } from './flags.ts'
import { Interrupt } from './interrupt.ts'
import { Output } from './output.ts'
import { addressesOf, anyPort } from './text.ts'

const media = (name: string): string => fileURLToPath(new URL(`../../media/${name}`, import.meta.url))

interface Direction {
  from: string
  to: string
  file: string
  recording: string
  hearing: Hearing
}

export function addDemo(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('demo')
    .description('show a whole call on this machine: server, two phones, ICE, audio both ways')
    .option('--keep <folder>', 'keep the two recordings in this folder')
  outputFlags(command).action(async (flags: OutputFlags & { keep?: string }) => {
    const output = new Output(flags)
    const folder = flags.keep ?? mkdtempSync(join(tmpdir(), 'floe-demo-'))
    try {
      if (flags.keep !== undefined) makeFolder(flags.keep)
      finish(await demo(output, folder, flags.keep !== undefined))
    } catch (error) {
      output.clear()
      output.error(error instanceof Error ? error.message : String(error))
      finish(exitCodeOfError(error))
    } finally {
      output.clear()
      if (!flags.keep) rmSync(folder, { recursive: true, force: true })
    }
  })
}

async function demo(output: Output, folder: string, keep: boolean): Promise<number> {
  const interrupt = new Interrupt()
  const password = Buffer.from(nodeRuntime.random.bytes(9)).toString('base64url')
  const server = await startServer({
    runtime: nodeRuntime,
    listen: anyPort('127.0.0.1'),
    realm: 'floe',
    users: { alice: password, bob: password },
  })
  const phones: Phone[] = []
  try {
    const { sip, stun } = addressesOf(server)
    output.line(`server  registrar and proxy at ${sip}, STUN at ${stun}`)
    const start = async (name: string): Promise<Phone> => {
      const phone = await Phone.start({
        account: `sip:${name}@${sip}`,
        password,
        iceServers: [`stun:${stun}`],
      })
      phones.push(phone)
      output.line(`${name.padEnd(7)} registered as sip:${name}@${sip}`)
      return phone
    }
    const alice = await start('alice')
    const bob = await start('bob')
    const sent = { alice: media('hello-8k.wav'), bob: media('reply-8k.wav') }
    const recordings = { alice: join(folder, 'heard-by-alice.wav'), bob: join(folder, 'heard-by-bob.wav') }

    const bobsCall = bob.nextCall({ timeoutMs: 5_000 })
    const call = await alice.call('bob', { play: sent.alice, record: recordings.alice })
    interrupt.onInterrupt(() => void call.hangUp())
    output.follow(call)
    const answered = await bobsCall
    await answered.answer({ play: sent.bob, record: recordings.bob })
    await call.connected
    output.setStatus('alice plays hello-8k.wav, bob plays reply-8k.wav')
    await Promise.all([call.played, answered.played])
    // The last packets are still on their way through the reorder buffer.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const report = await call.hangUp()
    await answered.ended
    // The answers to BYE and REGISTER belong to what is shown.
    await Promise.all(phones.map((phone) => phone.stop()))
    output.clear()
    if (interrupt.happened) return exitCodes.interrupted

    const directions: Direction[] = [
      direction('alice', 'bob', sent.alice, recordings.bob),
      direction('bob', 'alice', sent.bob, recordings.alice),
    ]
    output.line()
    for (const line of ladder(call.trace.facts)) output.line(line)
    output.line()
    output.report(report)
    for (const { from, to, hearing } of directions)
      output.line(
        output.style(
          hearing.heard ? 'good' : 'bad',
          `${hearing.heard ? '✓' : '✗'} ${to} heard ${from}: ${hearing.detail}`,
        ),
      )
    output.line(
      keep
        ? `recordings: ${recordings.alice}, ${recordings.bob}`
        : 'the recordings are gone again; --keep FOLDER keeps them',
    )
    const heard = directions.every(({ hearing }) => hearing.heard)
    output.event({
      type: 'demo',
      heard,
      directions: directions.map(({ from, to, hearing }) => ({ from, to, ...hearing })),
    })
    return heard && report.verdict.ok ? exitCodes.ok : exitCodes.audio
  } catch (error) {
    if (interrupt.happened) return exitCodes.interrupted
    throw error
  } finally {
    for (const phone of phones) await phone.stop()
    server.stop()
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UsageError(`cannot make the folder ${path} (${code}): name one that can be written to`)
  }
}

function direction(from: string, to: string, file: string, recording: string): Direction {
  return { from, to, file, recording, hearing: hearFile(recording, file, nodeRuntime.files) }
}
