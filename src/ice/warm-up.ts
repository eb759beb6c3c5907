// Makes the first call as fast as the hundredth: runs a few sessions between two agents in memory, so that the STUN codec,
// the checks and the HMAC are compiled before a peer waits for them. Costs some 20 ms once, worth most of the first
// connection's time on a local network.
import type { Random } from '../runtime/runtime.ts'
import { IceAgent } from './agent.ts'

const sessions = 12

export function warmUpIce(random: Random): void {
  for (let i = 0; i < sessions; i++) runSession(random)
}

function runSession(random: Random): void {
  const open = (controlling: boolean, port: number) => {
    const agent = new IceAgent({ controlling, random, stunServers: [] })
    const base = { address: '127.0.0.1', port }
    agent.addSocket(0, { stream: agent.addStream(1), component: 1, base })
    return agent
  }
  const a = open(true, 1)
  const b = open(false, 2)
  const directions = [
    [a, b],
    [b, a],
  ] as const
  for (const [one, other] of directions) {
    const candidates = other.localCandidates(0)
    one.setRemote(0, 0, { ...other.parameters, lite: false, options: [], candidates })
  }
  for (let busy = true; busy; ) {
    busy = false
    for (const [one, other] of directions) {
      for (let d = one.pollTransmit(); d; d = one.pollTransmit()) {
        busy = true
        other.handleDatagram(0, { data: d.data, local: d.remote, remote: d.local })
      }
      while (one.pollEvent()) busy = true
    }
  }
}
