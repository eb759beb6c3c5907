// A verb's frame: the phone it needs, one sentence for whatever goes wrong, and a phone that is stopped in any case.
import { Phone, type PhoneOptions } from '../index.ts'
import { exitCodeOfError, exitCodes } from './exit-codes.ts'
import { Interrupt } from './interrupt.ts'
import type { Output } from './output.ts'

export async function withPhone(
  options: PhoneOptions,
  output: Output,
  use: (phone: Phone, interrupt: Interrupt) => Promise<number>,
): Promise<number> {
  const interrupt = new Interrupt()
  let phone: Phone | undefined
  try {
    if (options.account && options.register !== false) {
      output.event({ type: 'registering', account: options.account })
      output.setStatus(`registering ${options.account}`)
    }
    const giveUp = new AbortController()
    interrupt.onInterrupt(() => giveUp.abort())
    phone = await Phone.start({ ...options, signal: giveUp.signal })
    return await use(phone, interrupt)
  } catch (error) {
    output.clear()
    if (interrupt.happened) return exitCodes.interrupted
    output.error(error instanceof Error ? error.message : String(error))
    return exitCodeOfError(error)
  } finally {
    output.clear()
    await phone?.stop()
  }
}
