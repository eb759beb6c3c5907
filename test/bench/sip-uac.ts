// Places calls at a steady rate (INVITE, ACK, BYE at once, no media): for use beside `sipp -sn uas`. Prints one JSON line.
//
//   sipp -sn uas -i 127.0.0.1 -p PORT -nostdin
//   npx rolldown test/bench/sip-uac.ts --platform node --file build/sip-uac.mjs && node build/sip-uac.mjs PORT RATE SECONDS
import { nodeRuntime } from '../../src/runtime/node.ts'
import { UserAgent } from '../../src/sip/user-agent.ts'

const target = `sip:service@127.0.0.1:${process.argv[2] ?? 5060}`
const callsPerSecond = Number(process.argv[3] ?? 100)
const seconds = Number(process.argv[4] ?? 10)
const offer = {
  contentType: 'application/sdp',
  content:
    'v=0\r\no=floe 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n',
}

const agent = await UserAgent.start({
  runtime: nodeRuntime,
  listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
})
let placed = 0
let answered = 0
let open = 0
const setUpMs: number[] = []
const failures: Record<string, number> = {}

function place(): void {
  placed++
  open++
  const startedAt = performance.now()
  const session = agent.invite(
    target,
    {
      onAccepted(_, acknowledge) {
        acknowledge()
        answered++
        setUpMs.push(performance.now() - startedAt)
        session.hangUp()
      },
      onEnded(end) {
        open--
        if (end.by !== 'local')
          failures[`${end.status} ${end.reason}`] = (failures[`${end.status} ${end.reason}`] ?? 0) + 1
      },
    },
    { offer },
  )
}

const before = process.cpuUsage()
const startedAt = performance.now()
const total = callsPerSecond * seconds
const pace = setInterval(() => {
  const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1000) * callsPerSecond))
  while (placed < due) place()
  if (placed < total) return
  clearInterval(pace)
  setTimeout(finish, 2_000)
}, 5)

async function finish(): Promise<void> {
  const { user, system } = process.cpuUsage(before)
  const cpuMsPerCall = Number(((user + system) / 1000 / placed).toFixed(3))
  setUpMs.sort((a, b) => a - b)
  const share = (part: number): number => Number((setUpMs[Math.floor(setUpMs.length * part)] ?? 0).toFixed(1))
  const rssMb = Math.round(process.memoryUsage().rss / 2 ** 20)
  const result = { role: 'uac', callsPerSecond, placed, answered, open, failures, cpuMsPerCall, rssMb }
  await agent.stop({ deadlineMs: 1_000 })
  console.log(JSON.stringify({ ...result, setUpMs: { p50: share(0.5), p99: share(0.99) } }))
}
