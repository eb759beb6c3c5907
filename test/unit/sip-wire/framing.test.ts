import { describe, expect, test } from 'vitest'
import { MessageFramer } from '../../../src/sip/framing.ts'
import { SourceLimiter } from '../../../src/sip/limits.ts'
import { inviteText, requestText } from './messages.ts'

function framer() {
  const seen: string[] = []
  const machine = new MessageFramer({
    onMessage: (message) => seen.push(Buffer.from(message).toString()),
    onPing: () => seen.push('ping'),
  })
  return { seen, push: (text: string | Buffer) => machine.push(Buffer.from(text)), machine }
}

describe('framing', () => {
  test('messages in one piece, in pieces of one octet, and several in a piece', () => {
    const texts = [inviteText(), requestText(), inviteText({ callId: 'é' })]
    const stream = Buffer.from(texts.join(''))
    for (const size of [1, 2, 3, 100, stream.length]) {
      const { seen, push, machine } = framer()
      for (let i = 0; i < stream.length; i += size) expect(push(stream.subarray(i, i + size))).toBeUndefined()
      expect(seen).toEqual(texts)
      expect(machine.idle).toBe(true)
    }
  })
  test('the length is in octets, its header in any form', () => {
    const { seen, push } = framer()
    const text = 'A b SIP/2.0\r\nX: l: 9\r\nL\t:\r\n 6\r\n\r\néé\r\n'
    push(text + text)
    expect(seen).toEqual([text, text])
  })
  test('CRLF CRLF between messages is a ping, split or not; a single CRLF is nothing', () => {
    const { seen, push } = framer()
    push('\r\n\r')
    push('\n')
    push(`\r\n${requestText()}`)
    push('\r\n\r\n\r\n\r\n')
    expect(seen).toEqual(['ping', requestText(), 'ping', 'ping'])
  })
  test('no Content-Length: no body', () => {
    const { seen, push } = framer()
    push('A b SIP/2.0\r\n\r\nC d SIP/2.0\r\n\r\n')
    expect(seen).toEqual(['A b SIP/2.0\r\n\r\n', 'C d SIP/2.0\r\n\r\n'])
  })
  test.each(['-1', 'x', '5\r\nl: 6', '999999999999999999999999'])(
    'Content-Length %j ends the stream; the header still goes up',
    (length) => {
      const { seen, push } = framer()
      const head = `A b SIP/2.0\r\nContent-Length: ${length}\r\n\r\n`
      expect(push(`${head}rest`)).toMatch(/Content-Length/)
      expect(seen).toEqual([head])
    },
  )
  test('a header without end, or a message too large, ends the stream', () => {
    const endless = framer()
    let broken: string | undefined
    let pushed = 0
    while (broken === undefined && pushed < 200_000) {
      broken = endless.push(Buffer.alloc(1_000, 0x61))
      pushed += 1_000
    }
    expect(broken).toMatch(/without end/)
    expect(pushed).toBeLessThan(70_000)
    expect(framer().push('A b SIP/2.0\r\nl: 65536\r\n\r\n')).toMatch(/too large/)
  })
  test('a large message in single octets', () => {
    const text = requestText({ method: 'MESSAGE', body: 'x'.repeat(60_000) })
    const bytes = Buffer.from(text)
    const { seen, machine } = framer()
    for (let i = 0; i < bytes.length; i++) machine.push(bytes.subarray(i, i + 1))
    expect(seen).toEqual([text])
  })
})

test('a source has its burst, then its rate; another is not touched; the table is bounded', () => {
  const limiter = new SourceLimiter({ messagesPerSecond: 10, burst: 3 })
  const admitted = (now: number, address: string) => limiter.admits(now, address)
  expect([1, 2, 3, 4].map(() => admitted(0, 'a'))).toEqual([true, true, true, false])
  expect(admitted(0, 'b')).toBe(true)
  expect(admitted(50, 'a')).toBe(false)
  expect(admitted(150, 'a')).toBe(true)
  for (let i = 0; i < 10_000; i++) admitted(150, `x${i}`)
  expect(admitted(150, 'a')).toBe(true)
})
