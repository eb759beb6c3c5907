// floe serve: a loopback registrar, proxy and STUN server, for demos and tests.
import type { Command } from 'commander'
import { nodeRuntime, startServer, UsageError } from '../index.ts'
import { exitCodeOfError, exitCodes } from './exit-codes.ts'
import { type OutputFlags, outputFlags } from './flags.ts'
import { Interrupt } from './interrupt.ts'
import { Output } from './output.ts'
import { addressesOf, onPort } from './text.ts'

interface Flags extends OutputFlags {
  bind: string
  port: string
  stunPort: string
  user?: string[]
}

export function addServe(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('serve')
    .description('run a registrar, proxy and STUN server for demos and tests, until Ctrl-C')
    .option('--bind <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'SIP port, UDP and TCP', '5060')
    .option('--stun-port <port>', 'STUN port', '3478')
    .option(
      '--user <name:password>',
      'let only these users in; repeat for several',
      (value: string, before: string[] = []) => [...before, value],
    )
  outputFlags(command).action(async (flags: Flags) => {
    const output = new Output(flags)
    const interrupt = new Interrupt()
    try {
      const users = flags.user === undefined ? undefined : Object.fromEntries(flags.user.map(parseUser))
      const server = await startServer({
        runtime: nodeRuntime,
        listen: onPort(flags.bind, port(flags.port)),
        stun: { address: flags.bind, port: port(flags.stunPort) },
        ...(users && { users }),
      })
      const { sip, stun } = addressesOf(server)
      output.event({ type: 'serving', sip, stun })
      output.line(`SIP registrar and proxy at ${sip} (UDP, TCP), STUN at ${stun}`)
      output.line(users ? `users: ${Object.keys(users).join(', ')}` : 'anybody may register')
      output.setStatus('serving; Ctrl-C ends')
      await interrupt.wait()
      output.clear()
      server.stop()
      finish(exitCodes.interrupted)
    } catch (error) {
      output.clear()
      output.error(error instanceof Error ? error.message : String(error))
      finish(exitCodeOfError(error))
    }
  })
}

function port(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 65_535)
    throw new UsageError(`"${text}" is not a port: write 0 to 65535`)
  return value
}

function parseUser(text: string): [string, string] {
  const colon = text.indexOf(':')
  // The text may hold a password: never repeat it.
  if (colon < 1) throw new UsageError('--user does not name a user and a password: write name:password')
  return [text.slice(0, colon), text.slice(colon + 1)]
}
