// floe call URI
import type { Command } from 'commander'
import { NetworkError, type PrivacyLevel } from '../index.ts'
import {
  callOptions,
  checkSounds,
  type MediaFlags,
  mediaFlags,
  type OutputFlags,
  outputFlags,
  type PhoneFlags,
  parseDuration,
  phoneFlags,
  phoneOptions,
  wholeNumber,
  withTransport,
} from './flags.ts'
import { Output } from './output.ts'
import { runCall } from './run-call.ts'
import { forgottenAccount } from './text.ts'
import { type TransferFlags, transferFlags } from './transfers.ts'
import { withPhone } from './with-phone.ts'

interface Flags extends PhoneFlags, MediaFlags, TransferFlags, OutputFlags {
  ringFor?: number
  register?: boolean
  lateOffer?: boolean
  redirects?: number
  privacy?: PrivacyLevel[]
}

export function addCall(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('call <target>')
    .description('dial a SIP URI, stream a file, and tell what was heard')
    .option('--ring-for <time>', 'give up ringing after this long', parseDuration)
    .option('--register', 'register first (a call needs only the password)')
    .option('--redirects <number>', 'follow at most so many redirections (0: none)', wholeNumber(0, 50))
    .option(
      '--privacy <what>',
      'hide who calls: id, header, session, user, critical, or none; several with commas',
      (text) => text.split(',').map((level) => level.trim()),
    )
    .option('--late-offer', 'send the INVITE without an offer')
  outputFlags(transferFlags(mediaFlags(phoneFlags(command)))).action(async (target: string, flags: Flags) => {
    const output = new Output(flags)
    const options = { ...phoneOptions(flags), register: flags.register === true }
    await checkSounds(flags)
    // With an account it is the way to its server that --transport names.
    const uri = options.account === undefined ? withTransport(target, flags.transport) : target
    finish(
      await withPhone(options, output, async (phone, interrupt) => {
        output.setStatus(`calling ${target}`)
        const dialling = phone.call(uri, {
          ...callOptions(flags),
          ...(flags.ringFor !== undefined && { ringTimeoutMs: flags.ringFor }),
          ...(flags.redirects !== undefined && { redirects: flags.redirects }),
          ...(flags.privacy && { privacy: flags.privacy }),
          ...(flags.lateOffer && { lateOffer: true }),
        })
        const call = await dialling.catch((error) => {
          const hint = forgottenAccount(target, options.account)
          if (!(error instanceof NetworkError) || hint === '') throw error
          throw new NetworkError(`${error.message}${hint}`, error.address, { cause: error })
        })
        return runCall(call, flags, output, interrupt)
      }),
    )
  })
}
