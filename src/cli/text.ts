// Addresses as several verbs name and print them.
import { formatAddress, type ListeningPoint, type Phone, type RunningServer } from '../index.ts'

/** "udp 0.0.0.0:40312, tcp 0.0.0.0:40312". */
export const describeAddresses = (phone: Phone): string =>
  phone.addresses.map((point) => `${point.protocol} ${formatAddress(point)}`).join(', ')

export const onPort = (address: string, port: number): ListeningPoint[] => [
  { protocol: 'udp', address, port },
  { protocol: 'tcp', address, port },
]

export const anyPort = (address: string): ListeningPoint[] => onPort(address, 0)

/** Where a server is reached, as "127.0.0.1:5060". */
export function addressesOf({ sip, stun }: RunningServer): { sip: string; stun: string } {
  const [first] = sip
  if (!first || !stun) throw new Error('a server that listens nowhere')
  return { sip: formatAddress(first), stun: formatAddress(stun) }
}
