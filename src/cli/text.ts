// Small texts that several verbs print.
import type { Phone } from '../index.ts'

/** "udp 0.0.0.0:40312, tcp 0.0.0.0:41999". */
export const describeAddresses = (phone: Phone): string =>
  phone.addresses
    .map(
      ({ protocol, address, port }) =>
        `${protocol} ${address.includes(':') ? `[${address}]` : address}:${port}`,
    )
    .join(', ')
