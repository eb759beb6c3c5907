// floe answer: register, wait for a call, answer it.
import type { Command } from 'commander'
import type { Peer } from '../index.ts'
import { type CallerFlags, callerFlags, callerOptions } from './caller-flags.ts'
import { exitCodes } from './exit-codes.ts'
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
} from './flags.ts'
import { Output } from './output.ts'
import { pause } from './pause.ts'
import { runCall } from './run-call.ts'
import { showMessages } from './show-messages.ts'
import { describeAddresses } from './text.ts'
import { type TransferFlags, transferFlags } from './transfers.ts'
import { withPhone } from './with-phone.ts'

interface AnswerPolicy {
  after?: number
  autoAnswer?: boolean
}

interface Flags extends AnswerPolicy, TransferFlags, PhoneFlags, CallerFlags, MediaFlags, OutputFlags {
  wait?: number
  reject?: number
}

export function addAnswer(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('answer')
    .description('register, wait for a call, answer it and tell what was heard')
    .option('--wait <time>', 'stop waiting for a call after this long', parseDuration)
    .option('--after <time>', 'ring this long before answering', parseDuration)
    .option(
      '--auto-answer',
      'answer calls that ask for it (Call-Info, Alert-Info, Answer-Mode) when they say; others ring, and are answered with --after alone',
    )
    .option(
      '--reject <status>',
      'refuse the call with this SIP status instead of answering',
      wholeNumber(300, 699),
    )
  outputFlags(transferFlags(mediaFlags(callerFlags(phoneFlags(command))))).action(async (flags: Flags) => {
    const output = new Output(flags)
    const options = { ...phoneOptions(flags), ...callerOptions(flags) }
    await checkSounds(flags)
    finish(
      await withPhone(options, output, async (phone, interrupt) => {
        showMessages(phone, output)
        output.event({ type: 'listening', addresses: phone.addresses })
        output.setStatus(
          `waiting for a call ${options.account ? `to ${options.account}` : `at ${describeAddresses(phone)}`}`,
        )
        const call = await Promise.race([
          phone.nextCall(flags.wait === undefined ? {} : { timeoutMs: flags.wait }),
          interrupt.wait(),
        ])
        if (!call) return exitCodes.interrupted
        if (flags.reject !== undefined) {
          call.reject(flags.reject)
          output.report(await call.ended)
          return exitCodes.ok
        }
        const answering = (async () => {
          const afterMs = answerAfterMs(flags, call.peer)
          await (afterMs === undefined ? call.ended : pause(afterMs, call))
          if (call.state !== 'ended') await call.answer(callOptions(flags))
        })()
        // Its failure is the call's, and stands in the report.
        answering.catch(() => undefined)
        return runCall(call, flags, output, interrupt)
      }),
    )
  })
}

/** Undefined: it rings until the caller gives up. */
export const answerAfterMs = ({ autoAnswer, after }: AnswerPolicy, peer: Peer): number | undefined =>
  autoAnswer ? (peer.autoAnswerAfterMs ?? after) : (after ?? 0)
