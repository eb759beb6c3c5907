// What `floe call` and `floe answer` share: one answered call from its first ring to its report and exit code.
import { type Call, type CallReport, exitCodeOfReport, TimeoutError } from '../index.ts'
import { exitCodes } from './exit-codes.ts'
import { callOptions, type MediaFlags } from './flags.ts'
import type { Interrupt } from './interrupt.ts'
import type { Output } from './output.ts'
import { pause } from './pause.ts'
import { pipeSound } from './piped-sound.ts'
import { FollowedTransfers, handOver, type TransferFlags } from './transfers.ts'

/** How long `--hear` and `--expect-dtmf` wait where no --for bounds them. */
const defaultAssertionMs = 20_000
const statusMs = 250

/** Runs an answered or ringing call to its end and shows it. Returns the exit code. */
export async function runCall(
  call: Call,
  flags: MediaFlags & TransferFlags,
  output: Output,
  interrupt: Interrupt,
  options = callOptions(flags),
): Promise<number> {
  const followed = flags.followTransfers ? new FollowedTransfers(call, options) : undefined
  interrupt.onInterrupt(() => void call.hangUp({ text: 'interrupted' }))
  output.follow(call)
  const ticker = setInterval(() => output.setStatus(statusLine(call)), statusMs).unref()
  output.setStatus(statusLine(call))
  const failures: string[] = []
  try {
    const piped = pipeSound(call, flags)
    // What becomes of it is asked for later.
    piped?.catch(() => undefined)
    await call.answered
    await perform(call, flags, failures, piped)
    if (flags.transfer !== undefined && call.state === 'answered') {
      const failure = await handOver(call, flags.transfer, output)
      if (failure !== undefined) failures.push(failure)
    }
  } catch (error) {
    // Why a call failed stands in its report; here only that it did.
    if (call.state !== 'ended') throw error
  } finally {
    clearInterval(ticker)
  }
  const report = await call.hangUp()
  if (followed?.next && !interrupt.happened) {
    // What was asked for is asked of the call that it became.
    output.report(report)
    return runCall(followed.next, flags, output, interrupt, followed.nextOptions)
  }
  return conclude(report, failures, output, interrupt)
}

/** Everything the flags ask for, from the answer until it is time to hang up or the call is over. */
async function perform(
  call: Call,
  flags: MediaFlags & TransferFlags,
  failures: string[],
  piped: Promise<void> | undefined,
): Promise<void> {
  const limitMs = flags.for ?? defaultAssertionMs
  const over = flags.for === undefined ? undefined : pause(flags.for, call)
  const connected = call.connected.then(() => true)
  if (!(await (over ? Promise.race([connected, over.then(() => false)]) : connected))) return

  const sent = [
    ...(flags.dtmf === undefined
      ? []
      : [call.sendDtmf(flags.dtmf, flags.dtmfBy === undefined ? {} : { by: flags.dtmfBy })]),
    ...(piped ? [piped] : flags.play === undefined || flags.loop ? [] : [call.played]),
  ]
  const expected = [
    ...(flags.hear ?? []).map((what) => call.waitToHear(what, limitMs)),
    ...(flags.expectDtmf === undefined ? [] : [call.waitForDtmf(flags.expectDtmf, limitMs)]),
  ]
  const sending = Promise.allSettled(sent)
  const listening = Promise.allSettled(expected)
  if (over) await over
  else if (sent.length + expected.length > 0 || flags.transfer !== undefined) await sending
  else await call.ended
  for (const outcome of await listening) {
    if (outcome.status === 'fulfilled') continue
    if (!(outcome.reason instanceof TimeoutError)) throw outcome.reason
    failures.push(outcome.reason.message)
  }
  if (over || call.state === 'ended') return
  for (const outcome of await sending) if (outcome.status === 'rejected') throw outcome.reason
}

function conclude(report: CallReport, failures: string[], output: Output, interrupt: Interrupt): number {
  output.report(report)
  for (const failure of failures) output.error(failure)
  if (interrupt.happened) return exitCodes.interrupted
  if (failures.length > 0) return exitCodes.assertion
  return exitCodeOfReport(report)
}

function statusLine(call: Call): string {
  const report = call.report()
  const parts: string[] = [call.state === 'ended' ? 'ended' : call.state, call.remote]
  const pair = report.selected[0]
  if (pair) parts.push(`ICE ${pair.local.type}→${pair.remote.type}`)
  const received = report.statistics?.received
  if (received && received.packets > 0 && received.levelDbfs !== null) {
    parts.push(
      `${report.codec?.name ?? ''} rx ${Math.round(received.levelDbfs)} dB`,
      `loss ${received.lossPercent.toFixed(1)} %`,
    )
  }
  return parts.filter(Boolean).join(' · ')
}
