// The flags about TLS that several verbs share, and how they become options of the library: files are read here, so that one that is
// missing is told before anything is connected.
import type { Command } from 'commander'
import { nodeRuntime, type TlsSettings, UsageError } from '../index.ts'

export interface TlsFlags {
  tlsCa?: string
  tlsCert?: string
  tlsKey?: string
  tlsInsecure?: boolean
  /** True: the file that SSLKEYLOGFILE names. */
  tlsKeyLog?: string | true
}

export function certificateFlags(command: Command): Command {
  return command
    .option(
      '--tls-cert <file>',
      'our certificate with its chain, PEM: to listen over TLS, and for servers that ask',
    )
    .option('--tls-key <file>', 'its key, PEM, without a passphrase')
    .option(
      '--tls-key-log [file]',
      'append the secrets of TLS and DTLS to this file, or the one in SSLKEYLOGFILE, for Wireshark',
    )
}

export function tlsFlags(command: Command): Command {
  return certificateFlags(
    command
      .option('--tls-ca <file>', 'trust these authorities too, PEM')
      .option(
        '--tls-insecure',
        'take any certificate: whoever is on the way can then read and change the signalling',
      ),
  )
}

/** Node takes a file without certificates for one that trusts nobody, without a word. */
export function readAuthorities(path: string): string {
  const text = nodeRuntime.files.readText(path)
  if (!/^-----BEGIN (?:[A-Z0-9]+ )?CERTIFICATE-----/m.test(text))
    throw new UsageError(`${path} holds no certificate: --tls-ca takes those of authorities, as PEM`)
  return text
}

/** Undefined where no flag asks for anything. */
export function tlsSettings(flags: TlsFlags): TlsSettings | undefined {
  const { tlsCa, tlsCert, tlsKey, tlsInsecure, tlsKeyLog } = flags
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new UsageError(
      `${tlsCert === undefined ? '--tls-key' : '--tls-cert'} is half of a pair: give --tls-cert and --tls-key`,
    )
  const keyLogFile = tlsKeyLog === true ? process.env['SSLKEYLOGFILE'] : tlsKeyLog
  if (tlsKeyLog === true && !keyLogFile)
    throw new UsageError('--tls-key-log names no file and SSLKEYLOGFILE is not set: give one of them')
  const read = (path: string): string => nodeRuntime.files.readText(path)
  const settings: TlsSettings = {
    ...(tlsCa !== undefined && { ca: readAuthorities(tlsCa) }),
    ...(tlsCert !== undefined && { cert: read(tlsCert) }),
    ...(tlsKey !== undefined && { key: read(tlsKey) }),
    ...(tlsInsecure && { rejectUnauthorized: false }),
    ...(keyLogFile && { keyLogFile }),
  }
  return Object.keys(settings).length > 0 ? settings : undefined
}
