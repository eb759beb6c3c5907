// What leaves SRTP and DTLS where somebody asked for it: media in the clear and keys into a capture file, keys into a key log.
import type { Files } from '../runtime/runtime.ts'
import type { Capture } from '../trace/capture.ts'
import type { SecureMediaOptions } from './secure-media.ts'

/** @param warn is told once why a key log cannot be written */
export function toldSecrets(
  capture: Capture | undefined,
  keyLogFile: string | undefined,
  files: Files,
  warn: (message: string) => void,
): Pick<SecureMediaOptions, 'inTheClear' | 'onSecret'> {
  let isWritable = keyLogFile !== undefined
  const log = (line: Uint8Array): void => {
    if (!isWritable) return
    try {
      files.appendSecret(keyLogFile!, Buffer.from(line).toString('latin1'))
    } catch (error) {
      isWritable = false
      warn(`the keys are not logged: ${error instanceof Error ? error.message : error}`)
    }
  }
  return {
    ...(capture && { inTheClear: capture.inTheClear }),
    ...((capture || keyLogFile !== undefined) && {
      onSecret: (line: Uint8Array) => {
        capture?.secret(line)
        log(line)
      },
    }),
  }
}
