// A media path without ICE, alone with a silent peer.
import { expect, test } from 'vitest'
import { MediaPath } from '../../../src/phone/media-path.ts'
import { simulate } from '../../../src/sim/simulate.ts'
import { isStun } from '../../../src/stun/message.ts'

test.each([
  ['nothing, an indication every 15 s holds the NAT’s mapping (RFC 6263)', false, 4],
  ['RTP, that is enough', true, 0],
])('while we send %s', async (_what, speaking, expected) => {
  const world = simulate(1)
  const { clock, random } = world.host('here', world.internet.at('203.0.113.1'))
  const network = world.hosts[0]!
  const path = await MediaPath.open({
    clock,
    random,
    network,
    addresses: ['203.0.113.1'],
    components: 2,
    connections: {},
    record: () => undefined,
  })
  let indications = 0
  world.onPacket = (_fate, { data, destination }) => {
    if (isStun(data) && destination.port === 4_000) indications++
  }
  path.usePlain({ rtp: { address: '203.0.113.2', port: 4_000 }, rtcpMux: false })
  for (let second = 0; second < 61; second++) {
    if (speaking) path.sendRtp(new Uint8Array(172).fill(0x80))
    path.sendRtcp(new Uint8Array(28).fill(0x80))
    await clock.advance(1_000)
  }
  expect(indications).toBe(expected)
  path.close()
  expect(world.open).toEqual([])
  expect(clock.pendingTimers).toBe(0)
})
