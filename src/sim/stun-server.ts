// A STUN server (RFC 8489, Binding without authentication) on a simulated host, over UDP.
import type { TransportAddress } from '../runtime/address.ts'
import type { Network } from '../runtime/runtime.ts'
import { answerBinding } from '../stun/binding-responder.ts'

/** Resolves to the function that stops the server. */
export async function serveStun(network: Network, bind: TransportAddress): Promise<() => void> {
  const socket = await network.openUdp(bind)
  socket.onDatagram = (data, from) => {
    const response = answerBinding(data, from)
    if (response) socket.send(response, from)
  }
  return () => socket.close()
}
