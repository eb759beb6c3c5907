// Transport addresses (RFC 8445 terminology: IP address and port), their text form and comparison.

export interface TransportAddress {
  /** IP literal without brackets or zone. IPv4-mapped IPv6 never appears here: sockets unmap it. */
  address: string
  port: number
}

export const addressFamily = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4)

export const sameAddress = (a: TransportAddress, b: TransportAddress): boolean =>
  a.port === b.port && a.address === b.address

/** "192.0.2.1:5060" or "[2001:db8::1]:5060"; also the key under which tables hold an address. */
export const formatAddress = (a: TransportAddress): string =>
  a.address.includes(':') ? `[${a.address}]:${a.port}` : `${a.address}:${a.port}`

/** Node's address as floe writes it: no zone, no IPv4-mapped IPv6 (RFC 4291 2.5.5.2). */
export const plainAddress = (address: string): string => {
  if (!address.includes(':')) return address
  const zone = address.indexOf('%')
  const bare = zone < 0 ? address : address.slice(0, zone)
  return bare.startsWith('::ffff:') && bare.includes('.') ? bare.slice('::ffff:'.length) : bare
}
