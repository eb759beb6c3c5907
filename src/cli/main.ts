#!/usr/bin/env node
// The command line: one file per verb, every failure one sentence and a documented exit code.
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addAnswer } from './answer.ts'
import { addCall } from './call.ts'
import { addDemo } from './demo.ts'
import { addDoctor } from './doctor.ts'
import { addEcho } from './echo.ts'
import { exitCodeOfError, exitCodes } from './exit-codes.ts'
import { addMessage } from './message.ts'
import { withoutStolenOperands } from './optional-values.ts'
import { addPhone } from './phone.ts'
import { addRegister } from './register.ts'
import { addServe } from './serve.ts'
import { addSubscribe } from './subscribe.ts'
import { addTest } from './test.ts'
import { complain } from './text.ts'

const finish = (code: number): void => {
  process.exitCode = code
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = new Command('floe')
  .description('SIP calls with ICE-negotiated RTP from the command line')
  .version(version)
  .exitOverride()
  .configureOutput({ writeErr: complain })
  .showHelpAfterError('(floe --help shows the verbs, floe VERB --help its flags)')

for (const add of [
  addCall,
  addAnswer,
  addRegister,
  addMessage,
  addSubscribe,
  addPhone,
  addEcho,
  addServe,
  addDemo,
  addDoctor,
  addTest,
])
  add(program, finish)

// Whoever read the output has gone (a pipe into head), or the disk that takes it is full: as Ctrl-C, so that a call is hung up and
// not forgotten.
let isRead = true
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (!isRead) return
  isRead = false
  if (error.code !== 'EPIPE') {
    complain(`floe: the output cannot be written (${error.code}): give it a place that takes it\n`)
    process.once('exit', () => {
      process.exitCode = exitCodes.usage
    })
  }
  if (!process.emit('SIGINT')) process.exit(exitCodes.interrupted)
})
// There is nowhere left to complain.
process.stderr.on('error', () => undefined)

try {
  const [verb, ...words] = process.argv.slice(2)
  const command = program.commands.find((one) => one.name() === verb)
  const rest = command ? withoutStolenOperands(command, words) : words
  await program.parseAsync(verb === undefined ? [] : [verb, ...rest], { from: 'user' })
} catch (error) {
  if (error instanceof CommanderError) finish(error.exitCode === 0 ? exitCodes.ok : exitCodes.usage)
  else {
    complain(`floe: ${error instanceof Error ? error.message : error}\n`)
    finish(exitCodeOfError(error))
  }
}
