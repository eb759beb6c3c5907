// Both ends of an SRTP stream, with a key that they know.
import { SrtpReceiver, SrtpSender } from '../../dist/srtp/context.js'
import { suiteByName } from '../../dist/srtp/suite.js'

/** @param name of the suite
 *  @returns {{ sender: SrtpSender, receiver: SrtpReceiver }} */
export function srtpEnds(name) {
  const suite = suiteByName(name)
  const master = {
    suite,
    key: new Uint8Array(suite.keyBytes).fill(7),
    salt: new Uint8Array(suite.saltBytes).fill(9),
  }
  return { sender: new SrtpSender(master), receiver: new SrtpReceiver(master) }
}
