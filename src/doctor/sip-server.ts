// Whether a SIP server answers OPTIONS (RFC 3261 11) over the transport of a hop, how fast, and from where it sees us (RFC 3581). One request
// and its repetitions, without transactions and credentials: any answer will do.
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis, Timer } from '../runtime/runtime.ts'
import type { Flow, Hop } from '../sip/flow.ts'
import { formatVia } from '../sip/header-values.ts'
import { type SipMessage, SipRequest, serializeMessage } from '../sip/message.ts'
import type { TlsSettings } from '../sip/tls-settings.ts'
import { SipTransport } from '../sip/transport.ts'
import { formatHost } from '../sip/uri.ts'
import { magicCookie, transportParam } from '../sip/via.ts'
import { ClientTransaction } from '../stun/transaction.ts'
import { connectLimitMs, type Kit, probeLimitMs } from './kit.ts'

export interface OptionsAnswer {
  status: number
  reason: string
  rttMs: Millis
  /** How the server sees us. */
  seen?: TransportAddress
  /** Our Via came back with another address than we had written: something on the way rewrites SIP. */
  rewritten?: { from: string; to: string }
}

/** RFC 3261 17.1.1.1: T1 and what follows from it, as long as a probe may take. */
const optionsTiming = { rtoMs: 500, rc: 4, rm: 3 }

/** Undefined where nobody answers. Rejects with NetworkError. */
export async function askOptions(
  kit: Kit,
  hop: Hop,
  host: string,
  tls: TlsSettings = {},
): Promise<OptionsAnswer | undefined> {
  const { protocol } = hop
  const transport = new SipTransport(kit.runtime, { connectTimeoutMs: connectLimitMs, tls })
  const forget = kit.onGiveUp(() => transport.stop())
  try {
    if (protocol === 'udp') {
      const source = await kit.network.sourceAddressFor(hop)
      if (source !== undefined) await transport.start([{ protocol, address: source, port: 0 }])
    }
    const opening = Promise.resolve(transport.flowTo(hop))
    const flow = await kit.within(probeLimitMs, opening)
    const first = flow && (await exchange(kit, transport, flow, host))
    // While all probes begin, this program itself is what takes long.
    const second = first && (await exchange(kit, transport, flow!, host))
    return first && second && second.rttMs < first.rttMs ? { ...first, rttMs: second.rttMs } : first
  } finally {
    forget()
    transport.stop()
  }
}

function exchange(
  kit: Kit,
  transport: SipTransport,
  flow: Flow,
  host: string,
): Promise<OptionsAnswer | undefined> {
  const { clock } = kit
  const branch = magicCookie + randomWord(kit)
  const request = serializeMessage(optionsRequest(kit, flow, host, branch))
  // A stream repeats by itself.
  const timing = flow.protocol === 'udp' ? optionsTiming : { rtoMs: probeLimitMs, rc: 1, rm: 1 }
  const transaction = new ClientTransaction(request, clock.now(), timing)
  return new Promise((resolve) => {
    let timer: Timer | undefined
    const settle = (answer: OptionsAnswer | undefined): void => {
      timer?.cancel()
      forget()
      resolve(answer)
    }
    const forget = kit.onGiveUp(() => settle(undefined))
    const arm = (): void => {
      timer = clock.setTimer(transaction.nextAt - clock.now(), () => {
        const due = transaction.handleTimeout(clock.now())
        if (due === 'timed-out') return settle(undefined)
        if (due === 'retransmit') flow.send(request)
        arm()
      })
    }
    transport.onMessage = (message) => {
      if (message.kind !== 'response' || message.topVia.params.get('branch') !== branch) return
      settle({
        status: message.status,
        reason: message.reason,
        rttMs: transaction.roundTripMs(clock.now()),
        ...readVia(message, flow.sentBy),
      })
    }
    transport.onFlowClosed = () => settle(undefined)
    flow.send(request)
    arm()
  })
}

/** What the answer's Via tells of the way there. */
function readVia(
  { topVia }: SipMessage,
  sentBy: TransportAddress,
): Pick<OptionsAnswer, 'seen' | 'rewritten'> {
  const received = topVia.params.get('received')
  const rport = Number(topVia.params.get('rport') ?? Number.NaN)
  const written = hostPort(sentBy.address, sentBy.port)
  const returned = hostPort(topVia.host, topVia.port)
  return {
    ...(rport > 0 && { seen: { address: received ?? topVia.host, port: rport } }),
    ...(written !== returned && { rewritten: { from: written, to: returned } }),
  }
}

function optionsRequest(kit: Kit, flow: Flow, host: string, branch: string): SipRequest {
  const { address, port } = flow.sentBy
  const via = {
    transport: flow.protocol.toUpperCase(),
    host: address,
    ...(port !== 0 && { port }),
    params: new Map([
      ['branch', branch],
      ['rport', null],
    ]),
  }
  const target = `sip:${hostPort(host, flow.remote.port)}${transportParam(flow.protocol)}`
  return new SipRequest('OPTIONS', target, [
    { name: 'Via', value: formatVia(via) },
    { name: 'Max-Forwards', value: '70' },
    { name: 'From', value: `<sip:floe@${formatHost(address)}>;tag=${randomWord(kit)}` },
    { name: 'To', value: `<sip:${formatHost(host)}>` },
    { name: 'Call-ID', value: randomWord(kit) },
    { name: 'CSeq', value: '1 OPTIONS' },
    { name: 'Contact', value: `<sip:floe@${hostPort(address, port)}>` },
    { name: 'Accept', value: 'application/sdp' },
    { name: 'User-Agent', value: 'floe' },
  ])
}

/** Port 0 is none, as in `Flow.sentBy`. */
const hostPort = (host: string, port: number | undefined): string =>
  port ? `${formatHost(host)}:${port}` : formatHost(host)

const randomWord = ({ random }: Kit): string => Buffer.from(random.bytes(12)).toString('hex')
