// floe serve: a loopback registrar, proxy and STUN server, for demos and tests.
import type { Command } from 'commander'
import { formatAddress, type ListeningPoint, nodeRuntime, startServer, UsageError } from '../index.ts'
import { exitCodeOfError, exitCodes } from './exit-codes.ts'
import { nextPort, type OutputFlags, outputFlags } from './flags.ts'
import { Interrupt } from './interrupt.ts'
import { Output } from './output.ts'
import { addressesOf, onPort } from './text.ts'
import { certificateFlags, type TlsFlags, tlsSettings } from './tls-flags.ts'

interface Flags extends OutputFlags, TlsFlags {
  bind: string
  port: string
  stunPort: string
  ws?: string
  user?: string[]
}

export function addServe(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('serve')
    .description('run a registrar, proxy and STUN server for demos and tests, until Ctrl-C')
    .option('--bind <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'SIP port, UDP and TCP; with a certificate the next one is for TLS', '5060')
    .option('--ws <port>', 'port for SIP over WebSocket; with a certificate the next one is for wss')
    .option('--stun-port <port>', 'STUN port', '3478')
    .option(
      '--user <name:password>',
      'let only these users in; repeat for several',
      (value: string, before: string[] = []) => [...before, value],
    )
  outputFlags(certificateFlags(command)).action(async (flags: Flags) => {
    const output = new Output(flags)
    const interrupt = new Interrupt()
    try {
      const tls = tlsSettings(flags)
      const users = flags.user === undefined ? undefined : Object.fromEntries(flags.user.map(parseUser))
      const server = await startServer({
        runtime: nodeRuntime,
        listen: pointsOf(flags, tls !== undefined),
        ...(tls && { tls }),
        stun: { address: flags.bind, port: port(flags.stunPort) },
        ...(users && { users }),
      })
      const { sip, stun } = addressesOf(server)
      const others = server.sip.filter(({ protocol }) => protocol !== 'udp' && protocol !== 'tcp')
      const also = Object.fromEntries(others.map((point) => [point.protocol, formatAddress(point)]))
      output.event({ type: 'serving', sip, stun, ...also })
      output.line(`SIP registrar and proxy at ${sip} (UDP, TCP), STUN at ${stun}`)
      for (const [protocol, at] of Object.entries(also))
        output.line(`SIP over ${protocol === 'tls' ? 'TLS' : 'WebSocket'} at ${protocol}://${at}`)
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

function pointsOf({ bind: address, port: sip, ws }: Flags, withTls: boolean): ListeningPoint[] {
  const tls = withTls ? [{ protocol: 'tls' as const, address, port: nextPort(port(sip)) }] : []
  if (ws === undefined) return [...onPort(address, port(sip)), ...tls]
  const wss = withTls ? [{ protocol: 'wss' as const, address, port: nextPort(port(ws)) }] : []
  return [...onPort(address, port(sip)), ...tls, { protocol: 'ws', address, port: port(ws) }, ...wss]
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
