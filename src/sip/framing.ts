// Cutting a TCP stream into SIP messages (RFC 3261 18.3): by Content-Length in octets, CRLF keep-alives between messages
// (RFC 5626 3.5.1). Octets are copied once, and searched once however small the pieces are. Leaves out: judging a message.
import { parseNumber } from './grammar.ts'
import { maximumMessageBytes } from './message.ts'

export interface FramingHandler {
  /** The octets of one message; the handler's to keep. */
  onMessage(message: Uint8Array): void
  /** Double CRLF: the peer wants a CRLF back. */
  onPing(): void
  /** The single CRLF that was expected. */
  onPong?(): void
}

const LF = 0x0a
const CR = 0x0d
const initialBytes = 4_096

export class MessageFramer {
  private buffer = Buffer.allocUnsafe(initialBytes)
  private start = 0
  private end = 0
  /** Up to here no end of header was found. */
  private searched = 0
  /** Length of the message at `start` once its header is complete. */
  private expected: number | undefined
  private keepAliveOctets = 0
  private pongsExpected = 0

  constructor(private readonly handler: FramingHandler) {}

  /** Returns why the stream cannot be followed any further (close it then), or undefined. */
  push(chunk: Uint8Array): string | undefined {
    this.append(chunk)
    for (;;) {
      if (this.expected === undefined) {
        this.skipKeepAlives()
        const headEnd = this.findHeadEnd()
        if (headEnd < 0) {
          return this.end - this.start > maximumMessageBytes ? 'a header without end' : undefined
        }
        const bodyBytes = contentLength(this.buffer.toString('latin1', this.start, headEnd))
        if (bodyBytes === undefined || headEnd - this.start + bodyBytes > maximumMessageBytes) {
          // The header alone goes up, so that the message can be refused, but where the next one starts nobody knows.
          this.handler.onMessage(this.take(headEnd - this.start))
          return bodyBytes === undefined ? 'a Content-Length that is wrong' : 'a message too large'
        }
        this.expected = headEnd - this.start + bodyBytes
      }
      if (this.end - this.start < this.expected) return undefined
      const message = this.take(this.expected)
      this.expected = undefined
      this.handler.onMessage(message)
    }
  }

  /** A ping of ours has left: a single CRLF is its answer, and not half a ping. */
  expectPong(): void {
    this.pongsExpected = 1
  }

  /** True between messages: a connection that closes here loses nothing. */
  get idle(): boolean {
    return this.end === this.start
  }

  private append(chunk: Uint8Array): void {
    if (this.end + chunk.length > this.buffer.length) {
      const held = this.end - this.start
      // Growth by doubling keeps the copying linear.
      const size = 2 ** Math.ceil(Math.log2(held + chunk.length))
      const target = size > this.buffer.length ? Buffer.allocUnsafe(size) : this.buffer
      this.buffer.copy(target, 0, this.start, this.end)
      this.searched -= this.start
      this.buffer = target
      this.start = 0
      this.end = held
    }
    this.buffer.set(chunk, this.end)
    this.end += chunk.length
  }

  private take(length: number): Uint8Array {
    const message = Buffer.from(this.buffer.subarray(this.start, this.start + length))
    this.start += length
    this.searched = this.start
    if (this.start === this.end) this.start = this.end = this.searched = 0
    return message
  }

  private skipKeepAlives(): void {
    while (this.start < this.end) {
      const octet = this.buffer[this.start]
      if (octet !== CR && octet !== LF) break
      this.start++
      if (++this.keepAliveOctets === 4) {
        this.keepAliveOctets = 0
        this.handler.onPing()
      }
    }
    if (this.keepAliveOctets === 2 && this.pongsExpected > 0) {
      this.keepAliveOctets = 0
      this.pongsExpected = 0
      this.handler.onPong?.()
    }
    if (this.start < this.end) this.keepAliveOctets = 0
    this.searched = Math.max(this.searched, this.start)
  }

  /** The index after the empty line that ends the header, or -1; line ends may lack their CR. */
  private findHeadEnd(): number {
    const held = this.buffer.subarray(0, this.end)
    let i = held.indexOf(LF, this.searched)
    while (i >= 0) {
      if (held[i + 1] === LF) return i + 2
      if (held[i + 1] === CR && held[i + 2] === LF) return i + 3
      // The two octets behind this line feed may still be on their way.
      if (i + 2 >= this.end) {
        this.searched = i
        return -1
      }
      i = held.indexOf(LF, i + 1)
    }
    this.searched = this.end
    return -1
  }
}

/** The value of Content-Length, 0 where there is none, undefined where it is malformed or said twice in two ways. */
function contentLength(head: string): number | undefined {
  let length: number | undefined
  for (let at = head.indexOf('\n'); at >= 0; at = head.indexOf('\n', at + 1)) {
    const first = head.charCodeAt(at + 1) | 0x20
    if (first !== 0x63 && first !== 0x6c) continue
    const colon = head.indexOf(':', at)
    if (colon < 0) break
    const name = head
      .slice(at + 1, colon)
      .trim()
      .toLowerCase()
    if (name !== 'content-length' && name !== 'l') continue
    let lineEnd = head.indexOf('\n', colon)
    while (head[lineEnd + 1] === ' ' || head[lineEnd + 1] === '\t') {
      const next = head.indexOf('\n', lineEnd + 1)
      if (next < 0) break
      lineEnd = next
    }
    const value = parseNumber(head.slice(colon + 1, lineEnd).trim(), Number.MAX_SAFE_INTEGER)
    if (value === undefined || (length !== undefined && length !== value)) return undefined
    length = value
  }
  return length ?? 0
}
