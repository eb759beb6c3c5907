// A bot that talks until the caller does: its audio is a stream that is written and cleared, the caller's one that is read.
//   PORT=5070 node samples/interruptible.mjs
import { readFile } from 'node:fs/promises'
import { Phone } from 'floe'

const port = Number(process.env.PORT ?? 5070)
const phone = await Phone.start({ listen: [{ protocol: 'udp', address: '127.0.0.1', port }] })
/** 16-bit PCM, 16 kHz: what follows the header of the file. */
const speech = (await readFile('media/music-16k.wav')).subarray(44)
const loud = 1_000

phone.onCall = async (call) => {
  await call.answer()
  const spoken = call.audio.writable()
  const writer = spoken.getWriter()
  const talking = (async () => {
    for (let at = 0; ; at = (at + 3_200) % speech.length) await writer.write(speech.subarray(at, at + 3_200))
  })().catch(() => {}) // it ends with the call, or when it is interrupted

  for await (const heard of call.audio.readable()) {
    const samples = new Int16Array(heard.buffer, heard.byteOffset, heard.byteLength / 2)
    if (!samples.some((sample) => Math.abs(sample) > loud)) continue
    spoken.clear()
    await writer.abort()
    console.log(`${call.remote} speaks: interrupted`)
    break
  }
  await talking
  await call.ended
}

console.log(`waiting at sip:bot@127.0.0.1:${port}`)
process.once('SIGTERM', () => phone.stop())
process.once('SIGINT', () => phone.stop())
