// The headers and the body that requests and responses share (RFC 3261 7.3): in order, by canonical name, parsed when asked
// for and kept; and what must be sound in every message before anyone looks at it (RFC 3261 8.1.1, 20).
import { parseNumber, splitList } from './grammar.ts'
import {
  type Challenge,
  type ContentType,
  type CSeq,
  type NameAddr,
  parseChallenges,
  parseContentType,
  parseCSeq,
  parseNameAddr,
  parseVia,
  type Via,
} from './header-values.ts'

export interface HeaderField {
  /** Canonical ("Via" for "v" and "VIA"); an unknown name as it was written. */
  readonly name: string
  /** Unfolded and trimmed. A Via field holds exactly one Via; other lists stay as they were written. */
  readonly value: string
}

interface MandatoryValues {
  topVia: Via
  from: NameAddr
  to: NameAddr
  cseq: CSeq
}

export abstract class MessageFields {
  private mandatory: MandatoryValues | undefined

  constructor(
    public headers: HeaderField[],
    public body: Uint8Array,
  ) {}

  /** The first value of a header by its canonical name. */
  get(name: string): string | undefined {
    for (const header of this.headers) if (header.name === name) return header.value
    return undefined
  }

  /** Every line of a header, as written. */
  lines(name: string): string[] {
    const lines: string[] = []
    for (const header of this.headers) if (header.name === name) lines.push(header.value)
    return lines
  }

  /** Every item of a comma-separated header over all its lines; lines with an open quote or bracket are left out. */
  list(name: string): string[] {
    return this.lines(name).flatMap((line) => splitList(line) ?? [])
  }

  /** Option tags and the like, in lower case: Supported, Require, Allow (compare upper-cased methods with `list`). */
  hasToken(name: string, token: string): boolean {
    return this.list(name).some((item) => item.toLowerCase() === token)
  }

  /** Contact, Route, Record-Route, Path ...: items that are no name-addr ("*") are left out. */
  nameAddrs(name: string): NameAddr[] {
    return this.list(name).flatMap((item) => parseNameAddr(item) ?? [])
  }

  /** A header that holds a decimal number, such as Expires; undefined where it is absent or malformed. */
  number(name: string, maximum = 2 ** 32 - 1): number | undefined {
    const value = this.get(name)
    return value === undefined ? undefined : parseNumber(value, maximum)
  }

  /** WWW-Authenticate, Proxy-Authenticate, Authorization ...: all lines, several challenges in one of them included. */
  challenges(name: string): Challenge[] {
    return this.lines(name).flatMap((line) => parseChallenges(line) ?? [])
  }

  /** Replaces all lines of a header by one, in the place of the first, or appends it. */
  set(name: string, value: string): void {
    const index = this.headers.findIndex((header) => header.name === name)
    if (index < 0) this.headers.push({ name, value })
    else {
      this.headers[index] = { name, value }
      this.headers = this.headers.filter((header, i) => i <= index || header.name !== name)
    }
    this.mandatory = undefined
  }

  /** Inserts a line above all others, as a proxy does with Via and Record-Route. */
  prepend(name: string, value: string): void {
    this.headers.unshift({ name, value })
    this.mandatory = undefined
  }

  /** Replaces the first line of a header; undefined removes it. Other lines of the same name stay. */
  replaceFirst(name: string, value: string | undefined): void {
    const index = this.headers.findIndex((header) => header.name === name)
    if (index >= 0) this.headers.splice(index, 1, ...(value === undefined ? [] : [{ name, value }]))
    this.mandatory = undefined
  }

  remove(name: string): void {
    this.headers = this.headers.filter((header) => header.name !== name)
    this.mandatory = undefined
  }

  get callId(): string {
    return this.get('Call-ID') ?? ''
  }
  get topVia(): Via {
    return this.mandatoryValues().topVia
  }
  get from(): NameAddr {
    return this.mandatoryValues().from
  }
  get to(): NameAddr {
    return this.mandatoryValues().to
  }
  get cseq(): CSeq {
    return this.mandatoryValues().cseq
  }
  get fromTag(): string {
    return this.from.params.get('tag') ?? ''
  }
  /** "" outside of a dialog. */
  get toTag(): string {
    return this.to.params.get('tag') ?? ''
  }
  /** Absent where there is no header; undefined too where it is malformed. */
  get contentType(): ContentType | undefined {
    const value = this.get('Content-Type')
    return value === undefined ? undefined : parseContentType(value)
  }
  /** The body as UTF-8 text. */
  get bodyText(): string {
    return Buffer.from(this.body.buffer, this.body.byteOffset, this.body.byteLength).toString('utf8')
  }

  /** What is wrong with the headers every message must have (RFC 3261 8.1.1, 20), or undefined. */
  flaw(): string | undefined {
    const found = this.readMandatory()
    if (typeof found === 'string') return found
    this.mandatory = found
    return undefined
  }

  private mandatoryValues(): MandatoryValues {
    if (!this.mandatory) {
      const flaw = this.flaw()
      if (flaw !== undefined) throw new TypeError(`SIP message has ${flaw}`)
    }
    return this.mandatory!
  }

  private readMandatory(): MandatoryValues | string {
    let via: string | undefined
    let from: string | undefined
    let to: string | undefined
    let cseq: string | undefined
    let callId: string | undefined
    let maxForwards: string | undefined
    for (const { name, value } of this.headers) {
      switch (name) {
        case 'Via':
          via ??= value
          break
        case 'From':
          if (from !== undefined) return 'two From headers'
          from = value
          break
        case 'To':
          if (to !== undefined) return 'two To headers'
          to = value
          break
        case 'CSeq':
          if (cseq !== undefined) return 'two CSeq headers'
          cseq = value
          break
        case 'Call-ID':
          if (callId !== undefined) return 'two Call-ID headers'
          callId = value
          break
        case 'Max-Forwards':
          if (maxForwards !== undefined) return 'two Max-Forwards headers'
          maxForwards = value
          if (parseNumber(value, 255) === undefined) return 'a bad Max-Forwards header'
          break
        case 'Contact':
          if (!isContact(value)) return 'a bad Contact header'
          break
      }
    }
    if (!callId) return 'no Call-ID header'
    const parsed = {
      topVia: via === undefined ? undefined : parseVia(via),
      from: from === undefined ? undefined : parseNameAddr(from),
      to: to === undefined ? undefined : parseNameAddr(to),
      cseq: cseq === undefined ? undefined : parseCSeq(cseq),
    }
    if (!parsed.topVia) return via === undefined ? 'no Via header' : 'a bad Via header'
    if (!parsed.from) return from === undefined ? 'no From header' : 'a bad From header'
    if (!parsed.to) return to === undefined ? 'no To header' : 'a bad To header'
    if (!parsed.cseq) return cseq === undefined ? 'no CSeq header' : 'a bad CSeq header'
    return parsed as MandatoryValues
  }
}

function isContact(line: string): boolean {
  if (line === '*') return true
  return splitList(line)?.every((item) => parseNameAddr(item) !== undefined) ?? false
}
