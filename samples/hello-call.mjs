// Dials a SIP URI, plays a file, records the answer and prints the report.
//   node samples/hello-call.mjs sip:bob@pbx.example media/hello-8k.wav
import { Phone } from 'floe'

const [target = 'sip:echo@127.0.0.1:5060', file = 'media/hello-8k.wav'] = process.argv.slice(2)

const phone = await Phone.start({
  account: process.env.FLOE_ACCOUNT, // sip:alice@pbx.example; without it the call is anonymous
  password: process.env.FLOE_PASSWORD,
  register: false,
})
try {
  const call = await phone.call(target, { play: file, record: process.env.RECORD_TO })
  await call.played // rejects with CallFailed, IceFailed or TimeoutError
  const report = await call.hangUp()
  const { codec, selected, timings, verdict } = report
  console.log(JSON.stringify({ codec: codec?.name, pair: selected[0]?.text, timings, verdict }, null, 2))
  process.exitCode = verdict.ok ? 0 : 1
} finally {
  await phone.stop()
}
