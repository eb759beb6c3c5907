// Answers INVITE with 180 and 200 (no media) until the caller hangs up: for use beside `sipp -sn uac`. Prints one JSON line.
//
//   npx rolldown test/bench/sip-uas.ts --platform node --file build/sip-uas.mjs && node build/sip-uas.mjs PORT SECONDS
//   sipp -sn uac 127.0.0.1:PORT -i 127.0.0.1 -r 400 -m 8000 -d 0 -nostdin
import { nodeRuntime } from '../../src/runtime/node.ts'
import { UserAgent } from '../../src/sip/user-agent.ts'

const port = Number(process.argv[2] ?? 5060)
const seconds = Number(process.argv[3] ?? 30)
const answer = {
  contentType: 'application/sdp',
  content:
    'v=0\r\no=floe 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n',
}

let calls = 0
let hungUp = 0
const failures: Record<string, number> = {}

const agent = await UserAgent.start({
  runtime: nodeRuntime,
  listen: [{ protocol: 'udp', address: '127.0.0.1', port }],
})
const before = process.cpuUsage()
agent.onInvite = (session) => {
  calls++
  session.handler = {
    onEnded(end) {
      if (end.by === 'remote' && end.status === 200) hungUp++
      else failures[`${end.status} ${end.reason}`] = (failures[`${end.status} ${end.reason}`] ?? 0) + 1
    },
  }
  session.progress(180)
  session.accept(answer)
}

setTimeout(async () => {
  const { user, system } = process.cpuUsage(before)
  const cpuMs = (user + system) / 1000
  const rssMb = Math.round(process.memoryUsage().rss / 2 ** 20)
  await agent.stop({ deadlineMs: 500 })
  const cpuMsPerCall = Number((cpuMs / Math.max(1, calls)).toFixed(3))
  console.log(JSON.stringify({ role: 'uas', calls, hungUp, failures, cpuMsPerCall, rssMb }))
}, seconds * 1000)
