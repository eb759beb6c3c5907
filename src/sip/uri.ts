// SIP and SIPS URIs (RFC 3261 19.1) in parts, and every other scheme as an opaque text (tel, RFC 3966, goes that way too:
// routing on it is a question of policy, not of syntax). Escapes are kept as written: comparison decides about them.
import { formatParams, type Params, parseHostPort, parseParams } from './grammar.ts'

export interface SipUri {
  readonly kind: 'sip'
  readonly scheme: 'sip' | 'sips'
  /** As written, escapes included; undefined where the URI has no user part. */
  readonly user?: string
  readonly password?: string
  /** Lower case; IPv6 without brackets. */
  readonly host: string
  readonly port?: number
  readonly params: Params
  /** What follows "?", as written. */
  readonly headers?: string
}

export interface OtherUri {
  readonly kind: 'other'
  /** Lower case. */
  readonly scheme: string
  /** What follows the first colon. */
  readonly opaque: string
}

export type Uri = SipUri | OtherUri

/** Undefined where `text` is no URI. */
export function parseUri(text: string): Uri | undefined {
  const colon = text.indexOf(':')
  if (colon <= 0) return undefined
  const scheme = text.slice(0, colon).toLowerCase()
  if (scheme === 'sip' || scheme === 'sips') return parseSipUri(text, scheme, colon + 1)
  if (!isScheme(scheme) || colon + 1 === text.length || !isOpaque(text)) return undefined
  return { kind: 'other', scheme, opaque: text.slice(colon + 1) }
}

/** The URI where it is a SIP or SIPS URI. */
export function sipUri(text: string): SipUri | undefined {
  const uri = parseUri(text)
  return uri?.kind === 'sip' ? uri : undefined
}

function parseSipUri(text: string, scheme: 'sip' | 'sips', from: number): SipUri | undefined {
  const at = text.indexOf('@', from)
  let user: string | undefined
  let password: string | undefined
  if (at >= 0) {
    const colon = text.indexOf(':', from)
    const userEnd = colon >= 0 && colon < at ? colon : at
    user = text.slice(from, userEnd)
    if (user === '' || !isUserPart(user)) return undefined
    if (userEnd < at) {
      password = text.slice(userEnd + 1, at)
      if (!isUserPart(password)) return undefined
    }
  }
  const hostStart = at >= 0 ? at + 1 : from
  if (text[hostStart] === ' ') return undefined
  const hostPort = parseHostPort(text, hostStart)
  if (!hostPort) return undefined
  const question = text.indexOf('?', hostPort.end)
  const headers = question < 0 ? undefined : text.slice(question + 1)
  if (headers !== undefined && !isOpaque(headers)) return undefined
  const params = parseParams(question < 0 ? text : text.slice(0, question), hostPort.end)
  if (!params) return undefined
  return {
    kind: 'sip',
    scheme,
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    host: hostPort.host,
    ...(hostPort.port !== undefined && { port: hostPort.port }),
    params,
    ...(headers !== undefined && { headers }),
  }
}

function isScheme(scheme: string): boolean {
  for (let i = 0; i < scheme.length; i++) {
    const c = scheme.charCodeAt(i)
    const letter = c >= 0x61 && c <= 0x7a
    if (!letter && (i === 0 || !((c >= 0x30 && c <= 0x39) || c === 0x2b || c === 0x2d || c === 0x2e)))
      return false
  }
  return true
}

/** No white space, control character, quote or angle bracket. */
function isOpaque(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c <= 0x20 || c === 0x7f || c === 0x22 || c === 0x3c || c === 0x3e) return false
  }
  return true
}

/** As isOpaque, and every "%" starts an escape of two hexadecimal digits (RFC 3261 25.1). */
function isUserPart(text: string): boolean {
  if (!isOpaque(text)) return false
  for (let i = text.indexOf('%'); i >= 0; i = text.indexOf('%', i + 1)) {
    if (!Number.isInteger(Number(`0x${text.slice(i + 1, i + 3)}`)) || i + 3 > text.length) return false
  }
  return true
}

/** Our own parameter: where on its host a WebSocket is. */
const webSocketPathParam = 'ws-path'

/** The path of a SIP URI whose transport is a WebSocket; undefined where it does not say. */
export const webSocketPath = ({ params }: SipUri): string | undefined =>
  params.get(webSocketPathParam)?.replace(/%(3F|3D|26)/gi, decodeURIComponent)

/** A server as people write it, as a SIP URI: "pbx.example:5080", "sip:pbx.example;transport=tls", and as the phones of browsers have
 *  it, "wss://pbx.example:8089/ws". */
export function serverUri(text: string): string {
  const match = /^(wss?):\/\/([^/?#\s;]+)(\/[^\s;]*)?$/i.exec(text)
  if (!match) return /^sips?:/i.test(text) ? text : `sip:${text}`
  const [, scheme = '', host = '', path = '/'] = match
  return `sip:${host};transport=${scheme.toLowerCase()};${webSocketPathParam}=${path.replace(/[?=&]/g, encodeURIComponent)}`
}

export const formatHost = (host: string): string => (host.includes(':') ? `[${host}]` : host)

export function formatUri(uri: Uri): string {
  if (uri.kind === 'other') return `${uri.scheme}:${uri.opaque}`
  const password = uri.password === undefined ? '' : `:${uri.password}`
  const user = uri.user === undefined ? '' : `${uri.user}${password}@`
  const port = uri.port === undefined ? '' : `:${uri.port}`
  const headers = uri.headers === undefined ? '' : `?${uri.headers}`
  return `${uri.scheme}:${user}${formatHost(uri.host)}${port}${formatParams(uri.params)}${headers}`
}

/** The user part with its escapes resolved; an escape that is no UTF-8 stays as written. */
export function decodedUser(uri: SipUri): string | undefined {
  if (uri.user === undefined || !uri.user.includes('%')) return uri.user
  try {
    return decodeURIComponent(uri.user)
  } catch {
    return uri.user
  }
}
