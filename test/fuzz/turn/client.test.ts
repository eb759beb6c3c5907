// A live TURN client under fire: damaged, replayed and invented messages and ChannelData, from the server's address and from others.
// It never throws, never sends more than it was made to, hands up nothing of peers that were not permitted; and where the attacker
// cannot see its requests, the relay is there afterwards. FUZZ_RUNS sets the number of datagrams, FUZZ_SEED the seed.
import { expect, test } from 'vitest'
import type { Random } from '../../../src/runtime/runtime.ts'
import { decode, MessageWriter, type StunMessage } from '../../../src/stun/message.ts'
import { attribute, method, turnAttribute } from '../../../src/stun/numbers.ts'
import { writeChannelData } from '../../../src/turn/channel-data.ts'
import { seededRandom } from '../../unit/ice/network.ts'
import { peer, relayed, TurnBench } from '../../unit/turn/bench.ts'
import { mutate, randomDatagram } from '../stun/mutate.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 20_000)
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_127)
const perSession = 500
const stranger = { address: '198.51.100.66', port: 3478 }
const data = Uint8Array.of(0x80, 0, 1, 2, 3)

/** What a server may say about a request; its own transaction where the attacker has seen none. */
function answers(bench: TurnBench, request: StunMessage): Uint8Array[] {
  const codes = [300, 400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 500, 508]
  return [
    bench.allocation(request),
    bench.success(request, (writer) => writer.uint32(turnAttribute.lifetime, 0)),
    bench.challenge(request),
    bench.challenge(request, 438, 'obMatJos2AAADx', (writer) =>
      writer.octets(attribute.passwordAlgorithms, Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0)),
    ),
    ...codes.map((code) =>
      bench.unsealedError(request, code, (writer) => writer.address(attribute.alternateServer, stranger)),
    ),
  ]
}

const indication = new MessageWriter('indication', method.data, new Uint8Array(12))
  .xorAddress(turnAttribute.xorPeerAddress, peer)
  .octets(turnAttribute.data, data)
  .finish()

/** The server as it should be: answers every request of the client. */
function serve(bench: TurnBench): number {
  let sent = 0
  for (const { data: bytes } of bench.sent()) {
    sent++
    const request = decode(bytes)
    if (typeof request === 'string' || request.class !== 'request') continue
    if (request.method === method.refresh)
      bench.receive(bench.success(request, (writer) => writer.uint32(turnAttribute.lifetime, 600)))
    else bench.receive(bench.success(request))
  }
  return sent
}

function session(random: Random, seesRequests: boolean): void {
  const bench = new TurnBench().allocated()
  bench.client.send(0, data, peer)
  serve(bench)
  const unseen = {
    ...(decode(indication) as StunMessage),
    method: method.refresh,
    transactionId: random.bytes(12),
  }
  const corpus = [...answers(bench, unseen), indication, writeChannelData(0x4000, data, false)]
  for (let shot = 0; shot < perSession; shot++) {
    if (random.integer(10) === 0) bench.client.send(bench.now, data, { ...peer, port: 1 + random.integer(3) })
    const requests = seesRequests ? bench.messages().filter((m) => m.class === 'request') : []
    const target = requests[random.integer(Math.max(1, requests.length))]
    const known = target ? answers(bench, target) : corpus
    const sound = known[random.integer(known.length)]!
    const kind = random.integer(4)
    const bytes = kind === 0 ? randomDatagram(random) : kind === 1 ? sound.slice() : mutate(sound, random)
    bench.events.length = 0
    bench.receive(bytes, random.integer(8) === 0 ? stranger : undefined)
    for (const event of bench.events) if (event.type === 'data') expect(event.from.address).toBe(peer.address)
    const sent = serve(bench)
    expect(sent).toBeLessThanOrEqual(seesRequests ? 3 : 2)
    bench.advance(random.integer(2_000))
    serve(bench)
  }
  if (seesRequests) return
  bench.events.length = 0
  bench.client.send(bench.now, data, peer)
  serve(bench)
  bench.receive(writeChannelData(0x4000, data, false))
  expect(bench.events).toMatchObject([{ type: 'data', from: peer, relayed }])
}

test(`${runs} hostile datagrams, seed ${seed}`, { timeout: 30_000 + runs }, () => {
  for (let n = 0; n * perSession < runs; n++) {
    try {
      session(seededRandom(seed + n), (seed + n) % 2 === 1)
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed + n} FUZZ_RUNS=1 fails`, { cause: error })
    }
  }
})
