// TLS by Node (RFC 8446, RFC 5246; nothing older): on a connection that is open, or for all that a listener accepts. Whatever
// prevents it is told in one sentence with its remedy. Leaves out: resumption across listeners, new certificates while it runs.
import { constants } from 'node:crypto'
import { appendFile } from 'node:fs'
import { createServer as createTcpServer, isIP } from 'node:net'
import {
  checkServerIdentity,
  createServer,
  type PeerCertificate,
  rootCertificates,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls'
import { NetworkError, UsageError } from '../errors.ts'
import { formatAddress, plainAddress } from './address.ts'
import { errnoOf } from './node-addresses.ts'
import {
  CONNECT_TIMEOUT_MS,
  listenWith,
  NodeTcpConnection,
  type NodeTcpListener,
  socketOf,
} from './node-tcp.ts'
import type { CertificateNames, Network, TlsOptions, TlsPeer, TlsServerOptions } from './runtime.ts'

/** RFC 8996: TLS 1.0 and 1.1 must not be used. */
const minVersion = 'TLSv1.2'
/** Handshakes that one listener has under way; each costs time and memory before anything is known of the client. */
const MAXIMUM_HANDSHAKES = 256

export const startTls: Network['startTls'] = (connection, options) =>
  new Promise((resolve, reject) => {
    const { serverName, ca, verify = true, cert, key, accepts, timeoutMs } = options
    const at = `${serverName} (${formatAddress(connection.remote)})`
    const limitMs = timeoutMs ?? CONNECT_TIMEOUT_MS
    let secured: TLSSocket | undefined
    const refuse = (message: string, cause?: unknown): void => {
      clearTimeout(timer)
      secured?.destroy()
      connection.close()
      reject(new NetworkError(message, at, { cause }))
    }
    const timer = setTimeout(
      () => refuse(`TLS with ${at} was not set up within ${limitMs} ms: check that the port speaks TLS`),
      limitMs,
    )
    const failed = (error: unknown): void => refuse(handshakeProblem(at, error, secured), error)
    try {
      secured = tlsConnect({
        socket: socketOf(connection),
        minVersion,
        ...(isIP(serverName) ? {} : { servername: serverName }),
        // Judged below, where the certificate can still be looked at; nothing has been written until then.
        rejectUnauthorized: false,
        checkServerIdentity: (_name, certificate) => identityProblem(serverName, certificate, accepts),
        ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
      })
    } catch (error) {
      failed(error)
      return
    }
    secured.disableRenegotiation()
    if (asksForKeys(options)) secured.on('keylog', (line) => tellKey(options, line))
    secured.once('error', failed)
    secured.once('secureConnect', () => {
      if (verify && !secured?.authorized) {
        failed({ code: String(secured?.authorizationError) })
        return
      }
      clearTimeout(timer)
      secured?.off('error', failed)
      resolve(
        new NodeTcpConnection(
          secured!,
          peerOf(secured!),
          (error) => new NetworkError(handshakeProblem(at, error), at, { cause: error }),
          connection,
        ),
      )
    })
  })

export const listenTls: Network['listenTls'] = async (bind, options) => {
  const { cert, key, clientCa, beneath, timeoutMs = CONNECT_TIMEOUT_MS } = options
  let handshakes = 0
  const terminator = (accept: (socket: TLSSocket) => void): ReturnType<typeof createServer> => {
    const server = ((): ReturnType<typeof createServer> => {
      try {
        return createServer({
          cert,
          key,
          minVersion,
          secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
          handshakeTimeout: timeoutMs,
          ...(clientCa !== undefined && { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
        })
      } catch (error) {
        throw new UsageError(credentialProblem(error))
      }
    })()
    server.on('connection', (socket) => {
      if (++handshakes > MAXIMUM_HANDSHAKES) socket.destroy()
    })
    server.on('secureConnection', (socket) => {
      handshakes--
      accept(socket)
    })
    // Scanners and clients that do not trust us: their affair.
    server.on('tlsClientError', (_error, socket) => {
      handshakes--
      socket.destroy()
    })
    if (asksForKeys(options)) server.on('keylog', (line) => tellKey(options, line))
    return server
  }
  const whole = terminator((socket) => listener.accept(socket, peerOf(socket)))
  const front = beneath && createTcpServer()
  const listener: NodeTcpListener = await listenWith(front ?? whole, bind)
  // A server for each connection knows whose it is.
  front?.on('connection', (accepted) => {
    const under = beneath!(new NodeTcpConnection(accepted))
    const server = terminator((socket) => listener.accept(socket, peerOf(socket), under))
    server.emit('connection', socketOf(under))
  })
  return listener
}

const asksForKeys = ({ keyLogFile, onSecret }: TlsOptions | TlsServerOptions): boolean =>
  keyLogFile !== undefined || onSecret !== undefined

/** In order, and never in the way of the connection: a log that cannot be written is none. */
function tellKey({ keyLogFile, onSecret }: TlsOptions | TlsServerOptions, line: Buffer): void {
  onSecret?.(line)
  if (keyLogFile !== undefined) appendFile(keyLogFile, line, { mode: 0o600 }, () => undefined)
}

// ---- who the peer is ---------------------------------------------------------------------------------------------------

const peerOf = (socket: TLSSocket): TlsPeer => {
  const certificate = socket.getPeerCertificate() as PeerCertificate | undefined
  const names = certificate?.subject ? namesOf(certificate) : undefined
  return { verified: socket.authorized, ...(names && { names }) }
}

/** Node writes "DNS:a.example, URI:sip:a.example, IP Address:192.0.2.1", with JSON strings for values that hold odd characters. */
function namesOf({ subject, subjectaltname = '' }: PeerCertificate): CertificateNames {
  const uris: string[] = []
  const dnsNames: string[] = []
  const addresses: string[] = []
  for (const [, kind, quoted, plain = ''] of subjectaltname.matchAll(
    /(?:^|, )([A-Za-z ]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))/g,
  )) {
    const value = quoted === undefined ? plain : unquoted(quoted)
    if (kind === 'URI') uris.push(value)
    else if (kind === 'DNS') dnsNames.push(value.toLowerCase())
    else if (kind === 'IP Address') addresses.push(plainAddress(shortest(value)))
  }
  const commonName = [subject.CN].flat()[0]
  return { uris, dnsNames, addresses, ...(commonName !== undefined && { commonName }) }
}

const unquoted = (text: string): string => {
  try {
    return String(JSON.parse(text))
  } catch {
    return text
  }
}

/** OpenSSL writes IPv6 addresses in full; a URL writes them as everybody else. */
const shortest = (address: string): string =>
  address.includes(':') && isIP(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address

function identityProblem(
  serverName: string,
  certificate: PeerCertificate,
  accepts: ((names: CertificateNames) => boolean) | undefined,
): Error | undefined {
  if (!accepts) return checkServerIdentity(serverName, certificate)
  if (accepts(namesOf(certificate))) return undefined
  return Object.assign(new Error('wrong name'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
}

// ---- sentences ---------------------------------------------------------------------------------------------------------

/** Where the library and the command line take them. */
const trustIt = 'if it is the right one, trust its authority (tls.ca, --tls-ca)'
const showOurs = '(tls.cert and tls.key, --tls-cert and --tls-key)'

/** Why TLS with `at` failed, and what to do. */
function handshakeProblem(at: string, error: unknown, socket?: TLSSocket): string {
  const code = errnoOf(error)
  const shown = socket?.getPeerCertificate() as PeerCertificate | undefined
  const ofCertificate = certificateProblem(code, shown?.subject && shown)
  if (ofCertificate !== undefined) return `the certificate of ${at} ${ofCertificate}`
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNEXPECTED_MESSAGE|RECORD/.test(code))
    return `${at} does not speak TLS on that port: check the port, or choose a transport without TLS`
  if (/UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION|VERSION_TOO_LOW/.test(code))
    return `${at} speaks no TLS 1.2 or newer: update it, or choose another transport`
  if (/CERTIFICATE_REQUIRED/.test(code))
    return `${at} asks for a client certificate: give one and its key ${showOurs}`
  if (/ALERT_(BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_)/.test(code))
    return `${at} does not accept our certificate (${code}): give one of an authority that it trusts ${showOurs}`
  if (/HANDSHAKE_FAILURE|NO_SHARED_CIPHER|NO_CIPHERS|INSUFFICIENT_SECURITY/.test(code))
    return `${at} refused the TLS handshake: it knows none of our ciphers, or asks for a client certificate`
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return `${at} closed the connection during TLS: check that the port speaks TLS`
  if (/PEM|KEY_VALUES_MISMATCH|ASN1|BAD_DECRYPT|OSSL/.test(code)) return credentialProblem(error)
  return `TLS with ${at} failed (${code}): check that the port speaks TLS`
}

function certificateProblem(code: string, certificate: PeerCertificate | undefined): string | undefined {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return `expired${certificate?.valid_to ? ` on ${certificate.valid_to}` : ''}: have it renewed, or check the clock of this machine`
    case 'CERT_NOT_YET_VALID':
      return `is not valid before ${certificate?.valid_from ?? 'later'}: check the clock of this machine`
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `is for ${certificate ? namesText(namesOf(certificate)) : 'another name'}: use that name, or have it issued for the one used`
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return 'is signed by itself and by no authority: if it is the right one, trust it (tls.ca, --tls-ca)'
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return `is from an authority that is not trusted here${certificate?.issuer?.CN ? ` ("${certificate.issuer.CN}")` : ''}: ${trustIt}`
  }
  return /^(CERT_|ERR_TLS_CERT|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|.*SIGNATURE|.*ISSUER)/.test(code)
    ? `is not accepted (${code}): have it issued anew, or ${trustIt}`
    : undefined
}

const namesText = ({ uris, dnsNames, addresses, commonName }: CertificateNames): string =>
  [...uris, ...dnsNames, ...addresses].join(', ') || (commonName ?? 'nobody')

const credentialProblem = (error: unknown): string => {
  const code = errnoOf(error)
  return /KEY_VALUES_MISMATCH/.test(code)
    ? 'the TLS key does not belong to the certificate: give the two that were made together'
    : `the TLS certificate or its key cannot be read (${code}): give both as PEM, the key without a passphrase`
}
