// What is proved of two agents: each tells that it has a nominated pair, both mean the same one, and data flows on it both ways.
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { eventually } from '../peers/process.ts'
import type { Agent } from './agent.ts'

export interface SessionOptions {
  verb: 'start' | 'restart'
  trickle: boolean
  components: readonly number[]
}

/** Gives the ms from the moment when both hold the other's description until both have nominated. */
export async function connect(offerer: Agent, answerer: Agent, options: SessionOptions): Promise<number> {
  const { verb, trickle, components } = options
  offerer.begin(verb)
  const offer = await offerer.description(trickle)
  answerer.begin(verb)
  for (const line of offer) answerer.tell(line)
  const answer = await answerer.description(trickle)
  const start = performance.now()
  for (const line of answer) offerer.tell(line)
  if (trickle) {
    offerer.trickleTo(answerer)
    answerer.trickleTo(offerer)
  }
  for (const agent of [offerer, answerer])
    await agent.until(() => components.every((c) => agent.selected.has(c)), 'it has nominated')
  const times = [offerer, answerer].flatMap(({ selected }) => [...selected.values()].map(({ at }) => at))
  return Math.max(...times) - start
}

/** Aggressive nomination may change its mind a few times. What an end hides (a browser its own address
 *  behind a name, and a peer-reflexive one of the other end) is known by its port. */
export async function expectSamePair(a: Agent, b: Agent, components: readonly number[]): Promise<void> {
  const hides = ({ selected }: Agent): boolean =>
    [...selected.values()].some(({ local, remote }) => isHidden(local) || isHidden(remote))
  const text = (address: string): string =>
    hides(a) || hides(b) ? address.slice(address.lastIndexOf(':')) : address
  const pairs = (): string[][] =>
    [a, b].map(({ selected }, end) =>
      components.map((component) => {
        const { local, remote } = selected.get(component)!
        return (end === 0 ? [local, remote] : [remote, local]).map(text).join(' ')
      }),
    )
  await eventually(
    () => {
      const [one, other] = pairs()
      return one?.join() === other?.join()
    },
    { what: 'both mean the same pair', withinMs: 3_000 },
  ).catch(() => undefined)
  const [one, other] = pairs()
  expect(one, 'the pairs that the two ends have nominated').toEqual(other)
}

const isHidden = (address: string): boolean => /\.(local|invalid):\d+$/.test(address)

/** Each end gets what the other has sent, on every component. */
export async function expectData(a: Agent, b: Agent, components: readonly number[]): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    for (const component of components) {
      const data = packet(component).toString('hex')
      await to.until(() => {
        // Again and again: who has just nominated may not listen yet.
        from.tell('send', component, data)
        return to.received.some((r) => r.component === component && r.data === data)
      }, `data of ${from.name} on component ${component}`)
    }
  }
}

/** What floe takes for RTP (component 1) or RTCP, with something in it that nobody else sends. */
function packet(component: number): Buffer {
  const header = component === 1 ? [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1] : [0x80, 201, 0, 4, 0, 0, 0, 1]
  return Buffer.concat([Buffer.from(header), randomBytes(12)])
}

// ── DTLS: peers that send nothing else ──────────────────────────────────────────────────────────

const recordHeaderBytes = 13
const handshakeHeaderBytes = 12
const handshakeRecord = 22
const clientHello = 1
const helloVerifyRequest = 3

/** The peer asks to begin DTLS; floe's end answers with a cookie, and the peer asks again, with the cookie (RFC 6347 4.2.1): so
 *  what it sends arrives here, and what is sent from here arrives there. */
export async function expectDtls(floe: Agent, peer: Agent): Promise<void> {
  const cookie = randomBytes(16)
  const already = floe.received.length
  let answered = already
  await floe.until(() => {
    const records = floe.received.slice(already).map(({ data }) => Buffer.from(data, 'hex'))
    if (records.some((record) => record.includes(cookie))) return true
    const asked = records.at(-1)
    if (asked && floe.received.length > answered && isClientHello(asked)) {
      answered = floe.received.length
      floe.tell('send', 1, verifyRequest(asked, cookie).toString('hex'))
    }
    return undefined
  }, `the cookie comes back from ${peer.name}`)
}

const isClientHello = (record: Buffer): boolean =>
  record[0] === handshakeRecord && record[recordHeaderBytes] === clientHello

function verifyRequest(asked: Buffer, cookie: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from([0xfe, 0xff, cookie.length]), cookie])
  const handshake = Buffer.alloc(handshakeHeaderBytes)
  handshake[0] = helloVerifyRequest
  handshake.writeUIntBE(body.length, 1, 3)
  handshake.writeUIntBE(body.length, 9, 3) // one fragment, message_seq 0
  const record = Buffer.from([handshakeRecord, 0xfe, 0xff, ...asked.subarray(3, 11), 0, 0])
  record.writeUInt16BE(handshake.length + body.length, 11)
  return Buffer.concat([record, handshake, body])
}
