// Which TURN servers an agent asks, from which of its sockets.
import { expect, it } from 'vitest'
import { IceAgent } from '../../../src/ice/agent.ts'
import type { TurnServer, TurnTransport } from '../../../src/turn/server.ts'
import { at, seededRandom } from './network.ts'

const server = (transport: TurnTransport, port: number): TurnServer => ({
  address: at('192.0.2.10', port),
  transport,
  host: 'turn.example',
  username: 'alice',
  password: 'wonder',
})

/** What is asked from each of three sockets, in the order of the sockets. */
function asked(turnServers: TurnServer[]): string[][] {
  const agent = new IceAgent({ controlling: true, random: seededRandom(1), stunServers: [], turnServers })
  agent.addStream(1)
  const addresses = ['10.0.0.1', '10.0.1.1', '10.0.2.1']
  for (const address of addresses) agent.addSocket(0, { stream: 0, component: 1, base: at(address, 4_000) })
  const sent = new Map(addresses.map((address): [string, string[]] => [address, []]))
  for (let d = agent.pollTransmit(); d; d = agent.pollTransmit())
    sent.get(d.local.address)!.push(`${d.over ?? 'udp'} ${d.remote.port}`)
  return [...sent.values()]
}

it('the second socket asks the best server and the one that gets through most, TLS, the third none', () => {
  const servers = [server('tls', 443), server('udp', 3_478), server('tcp', 3_478)]
  expect(asked(servers)).toEqual([
    ['udp 3478', 'turn-tcp 3478', 'turn-tls 443'],
    ['udp 3478', 'turn-tls 443'],
    [],
  ])
})

it('of six servers the first socket asks the three best ones and the last', () => {
  const servers = [1, 2, 3, 4, 5].map((port) => server('udp', port))
  expect(asked([...servers, server('tls', 443)])).toEqual([
    ['udp 1', 'udp 2', 'udp 3', 'turn-tls 443'],
    ['udp 1', 'turn-tls 443'],
    [],
  ])
})
