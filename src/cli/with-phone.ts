// A verb's frame: the phones it needs, one sentence for whatever goes wrong, and phones that are stopped in any case.
import { Phone, type PhoneOptions } from '../index.ts'
import { exitCodeOfError, exitCodes } from './exit-codes.ts'
import { Interrupt } from './interrupt.ts'
import type { Output } from './output.ts'

export const withPhone = (
  options: PhoneOptions,
  output: Output,
  use: (phone: Phone, interrupt: Interrupt) => Promise<number>,
): Promise<number> => withPhones([options], output, ([phone], interrupt) => use(phone!, interrupt))

/** @param use gets the phones in the order of their options */
export async function withPhones(
  options: readonly PhoneOptions[],
  output: Output,
  use: (phones: Phone[], interrupt: Interrupt) => Promise<number>,
): Promise<number> {
  const interrupt = new Interrupt()
  const phones: Phone[] = []
  try {
    for (const { account, register } of options) {
      if (!account || register === false) continue
      output.event({ type: 'registering', account })
      output.setStatus(`registering ${account}`)
    }
    if (options.some(({ tls }) => tls?.rejectUnauthorized === false))
      output.warn('certificates are not verified: whoever is on the way can read and change the signalling')
    const giveUp = new AbortController()
    interrupt.onInterrupt(() => giveUp.abort())
    const starts = options.map(async (each, i) => {
      phones[i] = await Phone.start({ ...each, signal: giveUp.signal })
    })
    // Nobody is left behind: whoever starts after another has failed is stopped as well.
    const failed = (await Promise.allSettled(starts)).find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
    return await use(phones, interrupt)
  } catch (error) {
    output.clear()
    if (interrupt.happened) return exitCodes.interrupted
    output.error(error instanceof Error ? error.message : String(error))
    return exitCodeOfError(error)
  } finally {
    output.clear()
    await Promise.all(phones.map((phone) => phone?.stop()))
  }
}
