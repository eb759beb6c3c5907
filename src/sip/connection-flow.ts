// What every flow over a connection has, whatever carries its messages: a peer that may have shown a certificate, a time of last
// use, and an end.
import type { Millis, TlsPeer } from '../runtime/runtime.ts'
import type { Flow } from './flow.ts'

/** A peer that has begun a message, or connected and not yet sent one, has so long to finish it. Most take one round trip; what
 *  takes longer holds a connection for nothing. */
export const messageTimeoutMs: Millis = 30_000

export interface ConnectionFlow extends Flow {
  readonly lastUsed: Millis
  /** Absent: no TLS. */
  readonly tls?: TlsPeer | undefined
  /** The other end has opened it. */
  readonly incoming: boolean
  close(): void
  /** Nothing that was sent and has not left arrives any more. */
  abort(): void
}

export interface ConnectionHandler {
  onMessage(data: Uint8Array, flow: ConnectionFlow): void
  /** What comes cannot be followed; the flow closes itself. */
  onBroken(reason: string, flow: ConnectionFlow): void
  onClosed(flow: ConnectionFlow, error?: Error): void
}

/** How a connection came about. */
export interface ConnectionOrigin {
  readonly sentBy: Flow['sentBy']
  readonly incoming: boolean
  readonly serverName?: string | undefined
}
