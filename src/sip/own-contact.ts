// The Contact that an account registers: the address of its flow, or, behind a NAT, the one that the registrar sees (received and
// rport of our Via, RFC 3581), so that a registrar without outbound (RFC 5626) and whoever calls through it reach us too. RFC 5626
// 4.1: +sip.instance tells our bindings from those of other devices, reg-id our flows from one another.
import { createHash } from 'node:crypto'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import { type Flow, isWebSocket } from './flow.ts'
import { isIpLiteral } from './grammar.ts'
import type { Via } from './header-values.ts'
import { contactUri } from './sipjs-core.ts'
import { contactAddress, placeholderHost } from './via.ts'

/** A NAT that shows a new address each time is not run after for ever. */
const maximumChanges = 3

export class OwnContact {
  /** URI parameter by which registrars that echo nothing else show our bindings; the same for each run of an instance. */
  readonly rinstance: string
  private seen: TransportAddress | undefined
  /** The same, as it stands in a Contact. */
  private seenAddress: string | undefined
  private changes = 0
  /** Whether the registrar has to be told where it sees us; one with outbound (RFC 5626) keeps the flow and needs no address. */
  rewrites = false

  constructor(
    private readonly user: string | undefined,
    readonly instanceId: string,
    /** The address of record is a sips: URI, and so is the contact (RFC 3261 8.1.1.8). */
    private readonly sips: boolean,
  ) {
    this.rinstance = createHash('sha256').update(instanceId).digest('hex').slice(0, 8)
  }

  /** To be registered; the wire puts the flow's address in where none was seen from outside. */
  get uri(): string {
    return this.explicitUri ?? this.withHost(placeholderHost)
  }

  /** The same where it was seen from outside. */
  get explicitUri(): string | undefined {
    return this.outside === undefined ? undefined : this.withHost(this.outside)
  }

  /** As it arrives over that flow where it was not. */
  uriOver({ protocol, sentBy }: Flow): string {
    return this.withHost(contactAddress(protocol, sentBy, this.sips))
  }

  /** For calls (RFC 3261 8.1.1.8); `ob`: requests of the dialog shall come back over the flow (RFC 5626 4.3). */
  forCalls(ob: boolean): string {
    return this.placed(contactUri(this.user, ob ? ';ob' : ''), this.outside ?? placeholderHost)
  }

  /** Our address as the registrar sees it, where that is another than our own. */
  get seenFromOutside(): TransportAddress | undefined {
    return this.seen
  }

  /** Reads in a response how our REGISTER arrived. Returns whether our contact has become another. */
  learn(flow: Flow, via: Via): boolean {
    const seen = seenThrough(flow, via)
    const address = seen && contactAddress(flow.protocol, seen, this.sips)
    if (address === this.seenAddress) {
      this.changes = 0
      return false
    }
    if (++this.changes > maximumChanges) return false
    this.seen = seen
    this.seenAddress = address
    return true
  }

  /** The way may be another now: whatever was seen on it says nothing any more. */
  forget(): void {
    this.seen = undefined
    this.seenAddress = undefined
    this.changes = 0
  }

  private get outside(): string | undefined {
    return this.rewrites ? this.seenAddress : undefined
  }

  private withHost(host: string): string {
    return this.placed(contactUri(this.user, `;rinstance=${this.rinstance}`), host)
  }

  /** The wire makes its own of a placeholder that is left. */
  private placed(uri: string, host: string): string {
    const scheme = this.sips && host !== placeholderHost ? 'sips:' : 'sip:'
    return uri.replace(placeholderHost, host).replace(/^sip:/, scheme)
  }
}

/** Where the peer sees us; undefined where that is where we are. */
function seenThrough({ protocol, sentBy }: Flow, via: Via): TransportAddress | undefined {
  // Behind a WebSocket nobody can be reached but over it.
  if (isWebSocket(protocol)) return undefined
  const address = via.params.get('received')?.replace(/^\[|\]$/g, '') ?? via.host
  const rport = Number(via.params.get('rport') ?? Number.NaN)
  const port = Number.isInteger(rport) && rport > 0 && rport < 65_536 ? rport : sentBy.port
  if (!isIpLiteral(address)) return undefined
  const seen = { address, port }
  // Over a stream the far end sees the connection's own port, which is nobody's business without a NAT: we listen elsewhere.
  const isOwn =
    protocol === 'udp' ? formatAddress(seen) === formatAddress(sentBy) : address === sentBy.address
  return isOwn ? undefined : seen
}
