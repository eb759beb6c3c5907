// What users say about TLS, and what becomes of it at either end of a connection.
import { UsageError } from '../errors.ts'
import type { TlsOptions, TlsServerOptions } from '../runtime/runtime.ts'
import { certificateCovers } from './domain-certificate.ts'

/** Names as Node has them. */
export interface TlsSettings {
  /** Authorities to trust beside the system's, PEM. */
  ca?: string
  /** Our certificate with its chain, and its key without a passphrase, PEM: needed to listen, shown to servers that ask. */
  cert?: string
  key?: string
  /** False: any certificate will do, and whoever is on the way can read and change what is said. Default true. */
  rejectUnauthorized?: boolean
  /** Ask whoever connects to us for a certificate of an authority in `ca`, and refuse those without. Default false. */
  requestCert?: boolean
  /** The name that a server's certificate must bear, where not the domain of its URI. */
  serverName?: string
  /** The secrets of TLS and DTLS are appended to this file, for Wireshark. Who reads it can read the connections. */
  keyLogFile?: string
}

/** Towards a server of that domain. */
export function clientTls(settings: TlsSettings, domain: string): TlsOptions {
  const { ca, cert, key, rejectUnauthorized: verify = true, keyLogFile } = settings
  const serverName = settings.serverName ?? domain
  return {
    serverName,
    verify,
    accepts: (names) => certificateCovers(names, serverName),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(keyLogFile !== undefined && { keyLogFile }),
  }
}

/** Towards whoever connects. Throws UsageError. */
export function serverTls(settings: TlsSettings): TlsServerOptions {
  const { ca, cert, key, requestCert = false, keyLogFile } = settings
  if (cert === undefined || key === undefined)
    throw new UsageError('listening over TLS needs a certificate and its key: give both')
  if (requestCert && ca === undefined)
    throw new UsageError('asking callers for a certificate needs an authority to check it with: give tls.ca')
  return {
    cert,
    key,
    ...(requestCert && ca !== undefined && { clientCa: ca }),
    ...(keyLogFile !== undefined && { keyLogFile }),
  }
}
