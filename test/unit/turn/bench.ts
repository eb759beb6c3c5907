// A TURN server played by hand: one client, and the test says what comes back, right or wrong.
import type { TransportAddress } from '../../../src/runtime/address.ts'
import type { Datagram } from '../../../src/runtime/core.ts'
import { longTermKey } from '../../../src/stun/integrity.ts'
import { decode, MessageWriter, type StunMessage } from '../../../src/stun/message.ts'
import { attribute, turnAttribute } from '../../../src/stun/numbers.ts'
import { TurnClient, type TurnClientOptions, type TurnEvent } from '../../../src/turn/turn-client.ts'
import { seededRandom } from '../ice/network.ts'

export const serverAddress = { address: '192.0.2.10', port: 3478 }
export const local = { address: '192.0.2.1', port: 4000 }
export const relayed = { address: '192.0.2.10', port: 50_000 }
export const peer = { address: '192.0.2.20', port: 5000 }
export const realm = 'example.org'
export const credentials = { username: 'alice', password: 'wonder' }
const key = longTermKey(credentials.username, realm, credentials.password)

type Fill = (writer: MessageWriter) => unknown

export class TurnBench {
  now = 0
  readonly client: TurnClient
  readonly events: TurnEvent[] = []
  nonce = 'n0'

  constructor(options: Partial<TurnClientOptions['server']> & { families?: (4 | 6)[] } = {}) {
    const { families, ...server } = options
    this.client = new TurnClient({
      server: { address: serverAddress, transport: 'udp', host: 'turn.example', ...credentials, ...server },
      local,
      random: seededRandom(5),
      ...(families && { families }),
    })
  }

  /** What the client sends now, oldest first. */
  sent(): Datagram[] {
    const all: Datagram[] = []
    for (let d = this.client.pollTransmit(); d; d = this.client.pollTransmit()) all.push(d)
    return all
  }

  /** The one request that it sends now. */
  request(): StunMessage {
    const requests = this.messages().filter((message) => message.class === 'request')
    if (requests.length !== 1) throw new Error(`${requests.length} requests, not one`)
    return requests[0]!
  }

  /** What it sends now that is STUN. */
  messages(): StunMessage[] {
    return this.sent().flatMap(({ data }) => {
      const message = decode(data)
      return typeof message === 'string' ? [] : [message]
    })
  }

  receive(data: Uint8Array, from: TransportAddress = serverAddress): void {
    const over = this.client.over
    this.client.handleDatagram(this.now, { data, local, remote: from, ...(over && { over }) })
    for (let event = this.client.pollEvent(); event; event = this.client.pollEvent()) this.events.push(event)
  }

  /** Lets time pass; what is due is done when it is due. */
  advance(ms: number): void {
    const end = this.now + ms
    for (let next = this.client.nextTimeout(); next && next.at <= end; next = this.client.nextTimeout()) {
      this.now = Math.max(this.now, next.at)
      this.client.handleTimeout(this.now)
    }
    this.now = end
    for (let event = this.client.pollEvent(); event; event = this.client.pollEvent()) this.events.push(event)
  }

  success(request: StunMessage, fill: Fill = () => {}, sealedWith = key): Uint8Array {
    const writer = new MessageWriter('success', request.method, request.transactionId)
    fill(writer)
    return writer.integrity(sealedWith).finish()
  }

  /** Sealed, as a server's errors are once it knows the client. */
  error(request: StunMessage, code: number, fill: Fill = () => {}): Uint8Array {
    const writer = new MessageWriter('error', request.method, request.transactionId).errorCode(code)
    fill(writer)
    return writer.integrity(key).finish()
  }

  unsealedError(request: StunMessage, code: number, fill: Fill = () => {}): Uint8Array {
    const writer = new MessageWriter('error', request.method, request.transactionId).errorCode(code)
    fill(writer)
    return writer.finish()
  }

  /** 401 or 438. */
  challenge(request: StunMessage, code = 401, nonce = this.nonce, fill: Fill = () => {}): Uint8Array {
    return this.unsealedError(request, code, (writer) => {
      writer.text(attribute.realm, realm).text(attribute.nonce, nonce)
      fill(writer)
    })
  }

  allocation(request: StunMessage, addresses: TransportAddress[] = [relayed]): Uint8Array {
    return this.success(request, (writer) => {
      for (const address of addresses) writer.xorAddress(turnAttribute.xorRelayedAddress, address)
      writer.xorAddress(attribute.xorMappedAddress, local).uint32(turnAttribute.lifetime, 600)
    })
  }

  /** As far as the sealed Allocate request. */
  challenged(): StunMessage {
    this.client.allocate(this.now)
    this.receive(this.challenge(this.request()))
    return this.request()
  }

  /** With an allocation. */
  allocated(addresses?: TransportAddress[]): this {
    this.receive(this.allocation(this.challenged(), addresses))
    this.events.length = 0
    return this
  }

  get drops(): Record<string, number> {
    return Object.fromEntries(this.client.drops)
  }
}
