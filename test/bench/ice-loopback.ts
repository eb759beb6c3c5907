// Two ICE agents in one process over loopback UDP: milliseconds from "both descriptions known" to the first valid pair and
// to the nominated one, and STUN packets until then. Prints one JSON line: medians, and the first (cold) run by itself.
//
//   npx rolldown test/bench/ice-loopback.ts --platform node --file build/ice-loopback.mjs && node build/ice-loopback.mjs [RUNS]
import { IceAgent, type IceEvent } from '../../src/ice/agent.ts'
import { CoreDriver } from '../../src/runtime/core.ts'
import { nodeRuntime } from '../../src/runtime/node.ts'
import type { UdpSocket } from '../../src/runtime/runtime.ts'

const { clock, network, random } = nodeRuntime
const runs = Number(process.argv[2] ?? 300)

interface End {
  agent: IceAgent
  driver: CoreDriver<IceEvent>
  socket: UdpSocket
  firstAt?: number
  selectedAt?: number
}

async function open(
  controlling: boolean,
  counter: { packets: number },
  onSelected: () => void,
): Promise<End> {
  const agent = new IceAgent({ controlling, random, stunServers: [] })
  agent.addStream(1)
  const socket = await network.openUdp({ address: '127.0.0.1', port: 0 })
  const transmit = ({ data, remote }: { data: Uint8Array; remote: { address: string; port: number } }) => {
    counter.packets++
    socket.send(data, remote)
  }
  const driver = new CoreDriver<IceEvent>(agent, clock, transmit, (event) => {
    if (event.type === 'valid') end.firstAt = clock.now()
    if (event.type !== 'selected') return
    end.selectedAt = clock.now()
    onSelected()
  })
  const end: End = { agent, driver, socket }
  socket.onDatagram = (data, remote) =>
    driver.drive((now) => agent.handleDatagram(now, { data, local: socket.local, remote }))
  driver.drive((now) => {
    agent.addSocket(now, { stream: 0, component: 1, base: socket.local })
    agent.closeGathering(now)
  })
  return end
}

async function session(): Promise<{ firstMs: number; nominatedMs: number; packets: number }> {
  const counter = { packets: 0 }
  let selected = 0
  let done = () => {}
  const both = new Promise<void>((resolve) => {
    done = resolve
  })
  const onSelected = () => {
    if (++selected === 2) done()
  }
  const a = await open(true, counter, onSelected)
  const b = await open(false, counter, onSelected)
  const start = clock.now()
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const candidates = other.agent.localCandidates(0)
    const description = { ...other.agent.parameters, lite: false, options: [], candidates }
    one.driver.drive((now) => one.agent.setRemote(now, 0, description))
  }
  await both
  for (const { driver, socket } of [a, b]) {
    driver.stop()
    socket.close()
  }
  return { firstMs: a.firstAt! - start, nominatedMs: a.selectedAt! - start, packets: counter.packets }
}

const results: { firstMs: number; nominatedMs: number; packets: number }[] = []
for (let run = 0; run < runs; run++) results.push(await session())
const median = (values: number[]) => values.sort((x, y) => x - y)[values.length >> 1]
console.log(
  JSON.stringify({
    runs,
    cold: results[0],
    median: {
      firstMs: median(results.map(({ firstMs }) => firstMs)),
      nominatedMs: median(results.map(({ nominatedMs }) => nominatedMs)),
      packets: median(results.map(({ packets }) => packets)),
    },
  }),
)
