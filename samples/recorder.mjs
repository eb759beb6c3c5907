// An answering machine: says something, beeps, and records both directions of every call into a stereo file of its own.
//   PORT=5070 FOLDER=. node samples/recorder.mjs
import { join } from 'node:path'
import { Phone } from 'floe'

const port = Number(process.env.PORT ?? 5070)
const folder = process.env.FOLDER ?? '.'
const phone = await Phone.start({ listen: [{ protocol: 'udp', address: '127.0.0.1', port }] })
let calls = 0

phone.onCall = async (call) => {
  const file = join(folder, `call-${++calls}.wav`)
  await call.answer({ recordBoth: file })
  try {
    await call.play('media/reply-8k.wav') // resolves when the last sample has been sent
    await call.play('dtmf:#')
  } catch {
    // The caller has hung up.
  }
  const report = await call.ended
  console.log(`${report.remote}: ${file}`)
}

console.log(`waiting at sip:recorder@127.0.0.1:${port}`)
process.once('SIGINT', () => phone.stop())
process.once('SIGTERM', () => phone.stop())
