// Every error that floe throws or rejects with. `code` is stable and machine-readable; `message` is one sentence
// that says what failed, where, and what to do. What a peer sends never throws across `handleDatagram`.

export type ErrorCode =
  | 'USAGE'
  | 'REMOTE'
  | 'CALL_FAILED'
  | 'REGISTRATION_FAILED'
  | 'REQUEST_FAILED'
  | 'NETWORK'
  | 'TIMEOUT'
  | 'ICE_FAILED'
  | 'ENCRYPTION_FAILED'
  | 'INVARIANT'

export abstract class FloeError extends Error {
  abstract readonly code: ErrorCode
  override get name(): string {
    return this.constructor.name
  }
}

/** The caller asked for something that cannot be: a bad option, URI, file or scenario. */
export class UsageError extends FloeError {
  readonly code = 'USAGE'
}

/** The peer broke a protocol. */
export class RemoteError extends FloeError {
  readonly code = 'REMOTE'
  /** @param section the RFC section that was broken, e.g. "RFC 3264 6.1"
   *  @param statusHint the SIP status that answers such a request, where there is one */
  constructor(
    message: string,
    readonly section: string,
    readonly statusHint?: number,
  ) {
    super(message)
  }
}

/** A call that was refused or ended before it did what was asked. */
export class CallFailed extends FloeError {
  readonly code = 'CALL_FAILED'
  /** @param status the SIP status that ended the call (RFC 3261 21), 0 where no response was involved */
  constructor(
    message: string,
    readonly status: number,
    readonly reason: string,
  ) {
    super(message)
  }
}

/** A REGISTER that was refused. */
export class RegistrationFailed extends FloeError {
  readonly code = 'REGISTRATION_FAILED'
  constructor(
    message: string,
    readonly status: number,
    readonly reason: string,
  ) {
    super(message)
  }
}

/** A MESSAGE or SUBSCRIBE that was refused. */
export class RequestFailed extends FloeError {
  readonly code = 'REQUEST_FAILED'
  constructor(
    message: string,
    readonly status: number,
    readonly reason: string,
  ) {
    super(message)
  }
}

/** The operating system or the network refused: address in use, unreachable, name not found. */
export class NetworkError extends FloeError {
  readonly code = 'NETWORK'
  constructor(
    message: string,
    readonly address: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

export class TimeoutError extends FloeError {
  readonly code = 'TIMEOUT'
  constructor(
    message: string,
    readonly afterMs: number,
  ) {
    super(message)
  }
}

/** There are no keys for SRTP that both ends can trust (RFC 5764). */
export class EncryptionFailed extends FloeError {
  readonly code = 'ENCRYPTION_FAILED'
}

/** No candidate pair works (RFC 8445 8.1.2). */
export class IceFailed extends FloeError {
  readonly code = 'ICE_FAILED'
  /** @param pairsTried one line a pair: "host 10.0.0.1:4000 -> srflx 192.0.2.7:4002: no response" */
  constructor(
    message: string,
    readonly pairsTried: readonly string[],
  ) {
    super(message)
  }
}

/** A bug in floe. */
export class InvariantError extends FloeError {
  readonly code = 'INVARIANT'
}
