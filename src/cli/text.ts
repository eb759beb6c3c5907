// Addresses as several verbs name and print them, and lines that fit the terminal.
import { stripVTControlCharacters } from 'node:util'
import { formatAddress, type ListeningPoint, type Phone, type RunningServer } from '../index.ts'

/** "udp 0.0.0.0:40312, tcp 0.0.0.0:40312". */
export const describeAddresses = (phone: Phone): string =>
  phone.addresses.map((point) => `${point.protocol} ${formatAddress(point)}`).join(', ')

export const onPort = (address: string, port: number): ListeningPoint[] => [
  { protocol: 'udp', address, port },
  { protocol: 'tcp', address, port },
]

export const anyPort = (address: string): ListeningPoint[] => onPort(address, 0)

/** Why a registration has failed; what nobody has answered has no number. */
export const describeFailure = (failure: { status: number; reason: string; unanswered?: true }): string =>
  failure.status > 0 && !failure.unanswered ? `${failure.status} ${failure.reason}` : failure.reason

/** What whoever wrote a name alone may have forgotten, where it could not be found. */
export const forgottenAccount = (target: string, account: string | undefined): string =>
  account === undefined && /^[^@:.]+$/.test(target)
    ? `; to call ${target} at the domain of your account name that: --as alice@pbx.example`
    : ''

/** Where a server is reached, as "127.0.0.1:5060". */
export function addressesOf({ sip, stun }: RunningServer): { sip: string; stun: string } {
  const [first] = sip
  if (!first || !stun) throw new Error('a server that listens nowhere')
  return { sip: formatAddress(first), stun: formatAddress(stun) }
}

/** Where a line goes on: below the text that follows times and labels. */
const hangingIndent = ' '.repeat(12)

/** Between two words; not where columns are set apart by more spaces, and not between a number and its unit. */
const gap = /(?<=\S)(?<!(?:^|\s)[\d.,]*\d) (?=\S)/

/** Breaks each line that is longer than the terminal. */
export function wrapped(text: string, columns: number, indent = hangingIndent): string {
  const width = (line: string): number => stripVTControlCharacters(line).length
  const lines: string[] = []
  for (const line of text.split('\n')) {
    let current = ''
    for (const word of line.split(gap)) {
      if (current === '') current = word
      else if (width(current) + 1 + width(word) <= columns) current += ` ${word}`
      else {
        lines.push(current)
        current = indent + word
      }
    }
    lines.push(current)
  }
  return lines.join('\n')
}

/** What goes wrong, as it fits the terminal; whole where there is none. */
export function complain(text: string): void {
  const { columns } = process.stderr
  process.stderr.write(columns ? wrapped(text, columns, '  ') : text)
}
