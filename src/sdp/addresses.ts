// Address literals as they stand in c=, a=candidate and a=rtcp: checked, and brought to the one spelling that sockets use.

const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/
const hostName =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/i
/** The canonical text of an IPv4-mapped address: ::ffff:c000:201. */
const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

/** The canonical literal (IPv6 compressed and lower case, IPv4-mapped unmapped), or undefined where it is none. */
export const canonicalAddress = (text: string): string | undefined => {
  if (ipv4.test(text)) return text
  if (!text.includes(':') || text.length > 45 || !/^[0-9a-f:.]+$/i.test(text)) return undefined
  const url = `http://[${text}]/`
  if (!URL.canParse(url)) return undefined
  const address = new URL(url).hostname.slice(1, -1)
  const halves = mapped.exec(address)
  if (!halves) return address
  const word = (Number.parseInt(halves[1]!, 16) << 16) | Number.parseInt(halves[2]!, 16)
  return [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff).join('.')
}

/** A name such as an mDNS candidate's: kept as it is, for others to resolve. */
export const isHostName = (text: string): boolean => hostName.test(text) && /[a-z]/i.test(text)

export const isUnspecified = (address: string): boolean => address === '0.0.0.0' || address === '::'

export const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1'

export const isPort = (port: unknown): port is number =>
  typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65535
