// Messages out of a stream: RFC 4571 for ICE over TCP, and what tells its own length on the way to a TURN server (RFC 8656 12.5).
import { describe, expect, it } from 'vitest'
import { MessageWriter } from '../../../src/stun/message.ts'
import { attribute } from '../../../src/stun/numbers.ts'
import { writeChannelData } from '../../../src/turn/channel-data.ts'
import { Deframer, type Framing, rfc4571Framing, turnFraming } from '../../../src/wire/framing.ts'

const binding = new MessageWriter('request', 1, new Uint8Array(12)).text(attribute.software, 'floe').finish()
const rtp = Uint8Array.of(0x80, 0, 1, 2, 3)
const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]))

function deframe(framing: Framing, chunks: Uint8Array[]): { messages: Uint8Array[]; problem?: string } {
  const messages: Uint8Array[] = []
  const deframer = new Deframer(framing, (data) => messages.push(data.slice()))
  for (const chunk of chunks) {
    const problem = deframer.push(chunk)
    if (problem !== undefined) return { messages, problem }
  }
  return { messages }
}

describe.each<[string, Framing, Uint8Array[]]>([
  ['RFC 4571', rfc4571Framing, [binding, rtp, binding]],
  ['TURN', turnFraming, [binding, writeChannelData(0x4001, rtp, true), binding]],
])('%s', (_name, framing, messages) => {
  const stream = join(...messages.map((message) => framing.wrap(message)))

  it('gives the same messages, in pieces of whatever size', () => {
    for (let size = 1; size <= stream.length; size++) {
      const chunks: Uint8Array[] = []
      for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size))
      expect(deframe(framing, chunks), `pieces of ${size}`).toEqual({ messages })
    }
  })

  it.each([
    ['HTTP', new TextEncoder().encode('HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n')],
    ['TLS', Uint8Array.of(0x15, 3, 1, 0, 2, 2, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
  ])('ends where the other side speaks %s', (_what, bytes) => {
    const { messages: none, problem } = deframe(framing, [bytes, new Uint8Array(70_000)])
    expect(none).toEqual([])
    expect(problem).toMatch(/neither STUN nor ChannelData|something else than STUN/)
  })
})

it('an empty RFC 4571 frame is no message, and a first frame must be STUN', () => {
  expect(deframe(rfc4571Framing, [rfc4571Framing.wrap(binding), Uint8Array.of(0, 0)])).toEqual({
    messages: [binding],
  })
  expect(deframe(rfc4571Framing, [rfc4571Framing.wrap(rtp)]).problem).toBe('something else than STUN')
})

it('padding of ChannelData is not handed on as the next message', () => {
  const one = writeChannelData(0x4001, Uint8Array.of(1), true)
  const { messages } = deframe(turnFraming, [join(binding, one, one)])
  expect(messages).toEqual([binding, one, one])
})
