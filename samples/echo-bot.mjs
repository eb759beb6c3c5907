// A bot that answers every call and says back what it hears, 300 ms later.
//   PORT=5070 node samples/echo-bot.mjs
import { EchoLine, Phone } from 'floe'

const port = Number(process.env.PORT ?? 5070)
const phone = await Phone.start({
  listen: [
    { protocol: 'udp', address: '127.0.0.1', port },
    { protocol: 'tcp', address: '127.0.0.1', port },
  ],
})

phone.onCall = async (call) => {
  const echo = new EchoLine(300)
  call.addSink(echo)
  await call.answer()
  call.play(echo).catch(() => {}) // ends with the call
  const report = await call.ended
  console.log(`${report.remote}: ${report.verdict.ok ? 'fine' : report.verdict.cause}`)
}

console.log(`echo bot at ${phone.addresses.map((a) => `${a.protocol} ${a.address}:${a.port}`).join(', ')}`)
process.once('SIGINT', () => phone.stop())
process.once('SIGTERM', () => phone.stop())
