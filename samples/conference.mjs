// A conference: every caller hears all the others. Above ten callers it is busy.
//   PORT=5070 node samples/conference.mjs
import { Conference, Phone } from 'floe'

const port = Number(process.env.PORT ?? 5070)
const phone = await Phone.start({
  listen: [{ protocol: 'udp', address: '127.0.0.1', port }],
  maximumCalls: 10,
})
const conference = new Conference()

phone.onCall = async (call) => {
  const seat = conference.join()
  call.addSink(seat) // what this caller says
  call.play(seat).catch(() => {}) // what the others say, until the call ends
  await call.answer()
  console.log(`${call.remote} joins, ${conference.size} in the conference`)
  await call.ended
  seat.close()
  console.log(`${call.remote} leaves, ${conference.size} in the conference`)
}

console.log(`conference at sip:conference@127.0.0.1:${port}`)
process.once('SIGINT', () => phone.stop())
process.once('SIGTERM', () => phone.stop())
