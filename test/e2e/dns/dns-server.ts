// A name server for tests, over UDP and TCP on one loopback port: a zone in a few lines, a record of what was asked, and the
// faults that name servers have.
import { createSocket, type Socket } from 'node:dgram'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { type Answer, decode, encode, type Packet, streamEncode, TRUNCATED_RESPONSE } from 'dns-packet'

/** By name, lower case. */
export type Zone = Record<string, ZoneRecord[]>
type ZoneRecord = Pick<Extract<Answer, { data: unknown }>, 'type' | 'data'> & { ttl?: number }

export const a = (address: string, ttl = 60): ZoneRecord => ({ type: 'A', data: address, ttl })
export const aaaa = (address: string, ttl = 60): ZoneRecord => ({ type: 'AAAA', data: address, ttl })
export const srv = (priority: number, weight: number, port: number, target: string): ZoneRecord => ({
  type: 'SRV',
  data: { priority, weight, port, target },
})
export const naptr = (order: number, services: string, replacement: string): ZoneRecord => ({
  type: 'NAPTR',
  data: { order, preference: 10, flags: 's', services, regexp: '', replacement },
})

/** RFC 1035 4.1.1, in the low four bits of the flags. */
const rcodes = { servfail: 2, nxdomain: 3 } as const
const authoritative = 0x0400

export class DnsServer {
  /** "NAPTR example.com", one for each question that came. */
  readonly questions: string[] = []
  overTcp = 0
  /** `truncated`: over UDP it says that the answer is too long. */
  fault: 'silent' | 'servfail' | 'truncated' | undefined

  private constructor(
    private readonly udp: Socket,
    private readonly tcp: Server,
    public zone: Zone,
  ) {
    udp.on('message', (data, from) => {
      const answer = this.answer(data, this.fault === 'truncated')
      if (answer) udp.send(encode(answer), from.port, from.address)
    })
    tcp.on('connection', (connection) => {
      connection.on('error', () => undefined)
      connection.on('data', (data) => {
        this.overTcp++
        const answer = this.answer(data.subarray(2), false)
        if (answer) connection.end(streamEncode(answer))
      })
    })
  }

  static async open(zone: Zone): Promise<DnsServer> {
    for (let attempt = 0; ; attempt++) {
      const udp = createSocket('udp4')
      await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve))
      const tcp = createServer()
      const bound = await new Promise<boolean>((resolve) => {
        tcp.once('error', () => resolve(false))
        tcp.listen(udp.address().port, '127.0.0.1', () => resolve(true))
      })
      if (bound) return new DnsServer(udp, tcp, zone)
      udp.close()
      if (attempt === 20) throw new Error('no port is free for both UDP and TCP')
    }
  }

  get address(): string {
    return `127.0.0.1:${(this.tcp.address() as AddressInfo).port}`
  }

  close(): void {
    this.udp.close()
    this.tcp.close()
  }

  private answer(data: Buffer, truncated: boolean): Packet | undefined {
    const query = decode(data)
    const question = query.questions?.[0]
    if (!question) return undefined
    this.questions.push(`${question.type} ${question.name}`)
    if (this.fault === 'silent') return undefined
    const known = this.zone[question.name.toLowerCase()]
    const records = known?.filter(({ type }) => type === question.type) ?? []
    const rcode = this.fault === 'servfail' ? rcodes.servfail : known ? 0 : rcodes.nxdomain
    return {
      type: 'response',
      id: query.id ?? 0,
      flags: authoritative | rcode | (truncated ? TRUNCATED_RESPONSE : 0),
      questions: [question],
      answers:
        truncated || rcode !== 0
          ? []
          : records.map((record) => ({ class: 'IN', ttl: 60, ...record, name: question.name }) as Answer),
    }
  }
}
