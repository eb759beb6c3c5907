// A bot that talks until the caller does, then listens, and goes on where it was interrupted: its audio is a stream that is
// written and cleared.
//   PORT=5070 node samples/interruptible.mjs
import { readFile } from 'node:fs/promises'
import { Phone } from 'floe'

const port = Number(process.env.PORT ?? 5070)
const phone = await Phone.start({ listen: [{ protocol: 'udp', address: '127.0.0.1', port }] })
/** 16-bit PCM, 16 kHz: what follows the header of the file. */
const speech = (await readFile('media/music-16k.wav')).subarray(44)
const octetsPerMs = 32
const piece = 100 * octetsPerMs

phone.onCall = async (call) => {
  await call.answer()
  const spoken = call.audio.writable()
  const writer = spoken.getWriter()
  let at = 0
  let silence = () => {}
  call.audio.onVoice = (speaks) => {
    if (!speaks) return silence()
    const unsentMs = spoken.clear()
    at -= unsentMs * octetsPerMs // to be said again
    console.log(`${call.remote} speaks: interrupted, ${Math.round(unsentMs)} ms were not heard`)
  }
  try {
    for (; at < speech.length; at += piece) {
      if (call.audio.voice) await new Promise((resolve) => (silence = resolve))
      await writer.write(speech.subarray(at, at + piece)) // waits where much lies ahead
    }
    await writer.close() // all is sent
    await call.hangUp()
  } catch (error) {
    console.log(`${call.remote}: ${error.message}`) // the caller has hung up
  }
}

console.log(`waiting at sip:bot@127.0.0.1:${port}`)
process.once('SIGTERM', () => phone.stop())
process.once('SIGINT', () => phone.stop())
