// What a call has proved whose ends have heard each other, for the tables codec × peer and security × peer: read from its facts.
import type { Call } from '../../../src/index.ts'
import type { Proof } from '../case.ts'

type Told = Pick<Proof, 'peer' | 'by'>

/** Its codec, and how it was encrypted. */
export function proofsOf(call: Call, told: Told): Proof[] {
  const { codec } = call.report()
  const keyed = call.trace.facts.findLast((fact) => fact.layer === 'srtp' && fact.type === 'keyed')
  return [
    ...(codec ? [codecProof(codec.name, told)] : []),
    ...(keyed?.layer === 'srtp' && keyed.type === 'keyed'
      ? [
          securityProof(
            keyed.by === 'sdes' ? `SDES: ${keyed.suite}` : `DTLS-SRTP: floe is the ${keyed.role}`,
            told,
          ),
        ]
      : []),
  ]
}

const codecProof = (row: string, told: Told): Proof => ({ table: 'codec', row, ...told })
export const securityProof = (row: string, told: Told): Proof => ({ table: 'security', row, ...told })

/** Digits have arrived as events (RFC 4733). */
export const digitsProof = (told: Told): Proof => codecProof('telephone-event', told)
