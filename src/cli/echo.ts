// floe echo: answer every call and send back what it says.
import type { Command } from 'commander'
import { EchoLine } from '../index.ts'
import { type CallerFlags, callerFlags, callerOptions } from './caller-flags.ts'
import { exitCodes } from './exit-codes.ts'
import {
  type OutputFlags,
  outputFlags,
  type PhoneFlags,
  parseDuration,
  phoneFlags,
  phoneOptions,
} from './flags.ts'
import { Output } from './output.ts'
import { describeAddresses } from './text.ts'
import { withPhone } from './with-phone.ts'

interface Flags extends PhoneFlags, CallerFlags, OutputFlags {
  delay?: number
}

/** Long enough to be told from one's own voice, short enough for a conversation with oneself. */
const defaultDelayMs = 200

export function addEcho(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('echo')
    .description('answer every call and send its audio back, until Ctrl-C')
    .option('--delay <time>', 'send back this much later', parseDuration)
  outputFlags(callerFlags(phoneFlags(command))).action(async (flags: Flags) => {
    const output = new Output(flags)
    const options = { ...phoneOptions(flags), ...callerOptions(flags) }
    finish(
      await withPhone(options, output, async (phone, interrupt) => {
        let open = 0
        const status = () =>
          output.setStatus(`echo at ${options.account ?? describeAddresses(phone)} · ${open} calls`)
        phone.onCall = (call) => {
          open++
          status()
          output.follow(call)
          output.line(`${call.remote} calls`)
          const echo = new EchoLine(flags.delay ?? defaultDelayMs)
          call.addSink(echo)
          void call.ended.then((report) => {
            open--
            output.report(report)
            status()
          })
          // A call that fails here ends, and its report says why.
          call
            .answer()
            .then(() => call.play(echo))
            .catch(() => undefined)
        }
        output.event({ type: 'listening', addresses: phone.addresses })
        status()
        await interrupt.wait()
        return exitCodes.interrupted
      }),
    )
  })
}
