// Raw PCM (16 bits, little-endian, mono) instead of files: `--play -` takes it from standard input, `--record -` gives it to standard
// output, in real time. Input that comes late is silence, input that comes early waits; what the reader of the output does not take
// in time is left out.
import { once } from 'node:events'
import type { Call } from '../index.ts'
import { isPiped, type MediaFlags } from './flags.ts'

/** Begins to pipe; resolves when the last sample of the input has been sent, undefined where none is piped. */
export function pipeSound(call: Call, { play, record, pcmRate }: MediaFlags): Promise<void> | undefined {
  const options = pcmRate === undefined ? {} : { sampleRateHz: pcmRate }
  if (isPiped(record)) void give(call, options)
  return isPiped(play) ? take(call, options) : undefined
}

async function take(call: Call, options: { sampleRateHz?: number }): Promise<void> {
  const writer = call.audio.writable(options).getWriter()
  const over = () => void process.stdin.destroy()
  void call.ended.then(over)
  for await (const octets of process.stdin) await writer.write(octets)
  await writer.close()
}

async function give(call: Call, options: { sampleRateHz?: number }): Promise<void> {
  // Whoever reads slowly holds up the loop, not the call.
  for await (const octets of call.audio.readable(options))
    if (!process.stdout.write(octets)) await Promise.race([once(process.stdout, 'drain'), call.ended])
}
