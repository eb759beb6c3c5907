// The name servers that a user names instead of the system's.
import { UsageError } from '../errors.ts'
import type { TransportAddress } from '../runtime/address.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { canonicalIp } from '../stun/ip-address.ts'

/** RFC 1035 4.2. */
const dnsPort = 53

/** The same world with other name servers. Throws UsageError where one of them is no address. */
export const askingServers = (runtime: Runtime, servers: readonly string[]): Runtime => ({
  clock: runtime.clock,
  random: runtime.random,
  files: runtime.files,
  ...(runtime.machine !== undefined && { machine: runtime.machine }),
  network: runtime.network.withNameServers(servers.map(parseNameServer)),
})

/** "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353". */
function parseNameServer(text: string): TransportAddress {
  const match = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(text)
  const address = canonicalIp(match?.[1] ?? text)
  const port = Number(match?.[2] ?? dnsPort)
  if (address === undefined || port < 1 || port > 65_535)
    throw new UsageError(
      `"${text}" is no DNS server: give its address, such as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353`,
    )
  return { address, port }
}
