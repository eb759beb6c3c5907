// Flow tokens (after RFC 5626 5.2): the far end of a flow, sealed with a key of this process, so that a URI or a Via of ours
// carries it to the peer and back and nothing has to be remembered. Hidden from nobody, but made by nobody else: whoever
// writes another address into it is not believed. Leaves out: life beyond a restart.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Random } from '../runtime/runtime.ts'
import { parseHostPort } from '../sip/grammar.ts'

const keyLengthBytes = 32
/** RFC 5626 5.2 suggests 80 bits of HMAC. */
const sealLengthBytes = 10

export class FlowTokens {
  private readonly key: Uint8Array

  constructor(random: Random) {
    this.key = random.bytes(keyLengthBytes)
  }

  /** @param context what the token stands beside and is worth nothing without: our own end of the flow */
  seal(remote: TransportAddress, context: string): string {
    const text = Buffer.from(formatAddress(remote), 'latin1')
    return Buffer.concat([this.sealOf(text, context), text]).toString('base64url')
  }

  /** Undefined where we have not made it, or made it for something else. */
  open(token: string, context: string): TransportAddress | undefined {
    const bytes = Buffer.from(token, 'base64url')
    const text = bytes.subarray(sealLengthBytes)
    const seal = bytes.subarray(0, sealLengthBytes)
    if (text.length === 0 || !timingSafeEqual(seal, this.sealOf(text, context))) return undefined
    const known = parseHostPort(text.toString('latin1'), 0)
    return known?.port === undefined ? undefined : { address: known.host, port: known.port }
  }

  private sealOf(text: Uint8Array, context: string): Buffer {
    const hash = createHmac('sha256', this.key).update(context).update('\0').update(text)
    return hash.digest().subarray(0, sealLengthBytes)
  }
}
