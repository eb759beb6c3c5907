// floe message TARGET TEXT: send one text message and say how it went.
import { text as readAll } from 'node:stream/consumers'
import type { Command } from 'commander'
import { UsageError } from '../index.ts'
import { exitCodes } from './exit-codes.ts'
import {
  type OutputFlags,
  outputForm,
  type PhoneFlags,
  phoneFlags,
  phoneOptions,
  withTransport,
} from './flags.ts'
import { Output } from './output.ts'
import { withPhone } from './with-phone.ts'

interface Flags extends PhoneFlags, OutputFlags {
  contentType?: string
}

export function addMessage(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('message <target> <text>')
    .description('send a text message; "-" reads the text from standard input')
    .option('--content-type <type>', 'what the text is, if not text/plain')
  outputForm(phoneFlags(command)).action(async (target: string, given: string, flags: Flags) => {
    const output = new Output(flags)
    const options = { ...phoneOptions(flags), register: false }
    const text = given === '-' ? (await readAll(process.stdin)).replace(/\r?\n$/, '') : given
    if (text === '')
      throw new UsageError('there is no text to send: give it as the last word, or - and standard input')
    const uri = options.account === undefined ? withTransport(target, flags.transport) : target
    finish(
      await withPhone(options, output, async (phone, interrupt) => {
        output.setStatus(`sending to ${target}`)
        const sent = await Promise.race([
          phone.message(uri, text, flags.contentType === undefined ? {} : { contentType: flags.contentType }),
          interrupt.wait(),
        ])
        if (!sent) return exitCodes.interrupted
        output.event({ type: 'sent', target, status: sent.status })
        output.line(
          sent.status === 202
            ? `${target} will get it: a server keeps it for delivery (202)`
            : `${target} has it`,
        )
        return exitCodes.ok
      }),
    )
  })
}
