// A STUN server's whole knowledge (RFC 8489 6.3, Binding without authentication): request octets and their source in,
// response octets out. `floe serve` and the simulator put a socket around it.
import type { TransportAddress } from '../runtime/address.ts'
import { unknownRequiredAttributes } from './attributes.ts'
import { decode, MessageWriter } from './message.ts'
import { attribute, errorCode, method } from './numbers.ts'

/** Returns undefined for what is no Binding request: that is dropped in silence. */
export function answerBinding(request: Uint8Array, source: TransportAddress): Uint8Array | undefined {
  const message = decode(request)
  if (typeof message === 'string' || message.class !== 'request' || message.method !== method.binding) {
    return undefined
  }
  const unknown = unknownRequiredAttributes(message)
  const response = new MessageWriter(
    unknown.length > 0 ? 'error' : 'success',
    method.binding,
    message.transactionId,
  )
  if (unknown.length > 0) response.errorCode(errorCode.unknownAttribute).unknownAttributes(unknown)
  else response.xorAddress(attribute.xorMappedAddress, source)
  if (message.attributes.has(attribute.fingerprint)) response.fingerprint()
  return response.finish()
}
