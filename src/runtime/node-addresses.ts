// Addresses as Node's sockets take them: zones of link-local IPv6 (RFC 4007) live here and nowhere else. And what the operating
// system says when an address cannot be had, in one sentence.
import { networkInterfaces } from 'node:os'
import { NetworkError } from '../errors.ts'
import { formatAddress, type TransportAddress } from './address.ts'

export const errnoOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown error'

const isLinkLocal = (address: string): boolean => /^fe[89ab]/i.test(address)

/** A link-local address of this machine with the zone that bind() demands. */
export const zonedAddress = (address: string): string => {
  if (!isLinkLocal(address)) return address
  for (const [name, entries] of Object.entries(networkInterfaces()))
    if (entries?.some((entry) => entry.address === address)) return `${address}%${name}`
  return address
}

export const bindError = (transport: 'UDP' | 'TCP', bind: TransportAddress, error: unknown): NetworkError => {
  const code = errnoOf(error)
  const at = formatAddress(bind)
  const sentences: Record<string, string> = {
    EADDRINUSE: `${transport} port ${bind.port} on ${bind.address} is in use by another program: stop it or choose another`,
    EADDRNOTAVAIL: `cannot bind ${transport} to ${at}: no interface of this machine has that address; choose another`,
    ERR_SOCKET_BAD_PORT: `cannot bind ${transport} to ${at}: ports run from 0 to 65535`,
    EACCES: `cannot bind ${transport} to ${at}: the system does not permit it; choose a port of 1024 or above`,
  }
  const message = sentences[code] ?? `cannot bind ${transport} to ${at} (${code}): choose another address`
  return new NetworkError(message, at, { cause: error })
}
