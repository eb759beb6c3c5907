// The exit codes of every verb. Stable: scripts depend on them, and the README's table is checked against this one.
import {
  CallFailed,
  EncryptionFailed,
  IceFailed,
  NetworkError,
  RegistrationFailed,
  RequestFailed,
  TimeoutError,
  UsageError,
} from '../index.ts'

export const exitCodes = {
  ok: 0,
  assertion: 1,
  usage: 2,
  transport: 10,
  authentication: 11,
  rejected: 12,
  timeout: 13,
  ice: 20,
  encryption: 21,
  audio: 22,
  interrupted: 130,
} as const

const authenticationStatuses = new Set([401, 403, 407])
const timeoutStatuses = new Set([408, 480, 487])

/** The exit code for an error that ended a verb before there was a report. */
export function exitCodeOfError(error: unknown): number {
  if (error instanceof UsageError) return exitCodes.usage
  if (error instanceof NetworkError) return exitCodes.transport
  if (error instanceof RegistrationFailed || error instanceof CallFailed || error instanceof RequestFailed) {
    if (authenticationStatuses.has(error.status)) return exitCodes.authentication
    if (error instanceof RegistrationFailed && (error.status === 0 || error.status === 503))
      return exitCodes.transport
    return timeoutStatuses.has(error.status) ? exitCodes.timeout : exitCodes.rejected
  }
  if (error instanceof TimeoutError) return exitCodes.timeout
  if (error instanceof IceFailed) return exitCodes.ice
  if (error instanceof EncryptionFailed) return exitCodes.encryption
  return exitCodes.assertion
}
