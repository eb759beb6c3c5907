// The trace of a simulated call for people: every packet where it left a host and where its way ended, and between them what
// both ends recorded.
import { formatFact } from '../../../src/diagnose/ladder.ts'
import { formatAddress } from '../../../src/runtime/address.ts'
import type { Packet } from '../../../src/sim/link.ts'
import type { Simulation } from '../../../src/sim/simulate.ts'
import { decode } from '../../../src/stun/message.ts'
import type { Fact } from '../../../src/trace/facts.ts'

interface Line {
  at: number
  text: string
}

/** More packets of media than this in a row tell nothing new. */
const mediaShown = 3

export class PacketTrace {
  private readonly lines: Line[] = []
  private readonly media = new Map<string, number>()

  constructor(private readonly world: Simulation) {
    const { onSend, onPacket } = world
    world.onSend = (packet, host) => {
      onSend?.(packet, host)
      this.add(packet, `${host.padEnd(8)} sends`)
    }
    world.onPacket = (fate, packet, where) => {
      onPacket?.(fate, packet, where)
      this.add(packet, `${where.padEnd(8)} ${fate}`)
    }
  }

  /** With the facts of both ends, in order of time. */
  format(facts: Readonly<Record<string, readonly Fact[]>>): string[] {
    const told = Object.entries(facts).flatMap(([end, list]) =>
      list.map((fact) => ({
        at: fact.at,
        text: `${end.padEnd(8)} ${formatFact(fact, fact.at)?.trim() ?? short(fact)}`,
      })),
    )
    return [...this.lines, ...told]
      .sort((a, b) => a.at - b.at)
      .map(({ at, text }) => `${at.toFixed(1).padStart(10)}  ${text}`)
  }

  private add(packet: Packet, what: string): void {
    const { source, destination, protocol } = packet
    const content = describe(packet)
    const path = `${formatAddress(source)} -> ${formatAddress(destination)}`
    if (content.startsWith('media')) {
      const key = `${what} ${path}`
      const seen = (this.media.get(key) ?? 0) + 1
      this.media.set(key, seen)
      if (seen > mediaShown) return
    }
    this.lines.push({
      at: this.world.clock.now(),
      text: `${what.padEnd(24)} ${protocol} ${path}  ${content}`,
    })
  }
}

function describe({ data, segment }: Packet): string {
  if (segment && segment.flag !== 'data') return segment.flag.toUpperCase()
  const bytes = segment && data[0] === 0 && data.length > 2 ? data.subarray(2) : data
  const message = decode(bytes)
  if (typeof message !== 'string') {
    const method = methods[message.method] ?? `method ${message.method}`
    const id = Buffer.from(message.transactionId.subarray(0, 3)).toString('hex')
    return `${method} ${message.class} ${id}${message.attributes.has(0x25) ? ' USE-CANDIDATE' : ''}`
  }
  const first = data[0] ?? 0
  if (first >= 64 && first < 80) return `media on a channel, ${data.length} octets`
  return first >= 128 && first < 192 ? `media, ${data.length} octets` : `${data.length} octets`
}

const methods: Record<number, string> = {
  1: 'Binding',
  3: 'Allocate',
  4: 'Refresh',
  6: 'Send',
  7: 'Data',
  8: 'CreatePermission',
  9: 'ChannelBind',
}

const short = (fact: Fact): string => JSON.stringify({ ...fact, at: undefined })
