// Addresses that mean nothing on the other side of a router (RFC 6890): private, shared, link-local, loopback, unique local.

export const isPrivate = (address: string): boolean => {
  if (address.includes(':')) return /^(?:f[cd]|fe[89ab]|::1?$)/i.test(address)
  const [a = 0, b = 0] = address.split('.').map(Number)
  return (
    a === 10 ||
    a === 127 ||
    a === 0 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b < 128)
  )
}
