// A bare client of TURN for the tests of the relay: it writes what it is told to, right or wrong.
import type { TransportAddress } from '../../../src/runtime/address.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import type { Simulation } from '../../../src/sim/simulate.ts'
import { turnAttribute, turnMethod } from '../../../src/sim/turn-numbers.ts'
import { readErrorCode, readText } from '../../../src/stun/attributes.ts'
import { longTermKey } from '../../../src/stun/integrity.ts'
import { decode, MessageWriter, type StunMessage } from '../../../src/stun/message.ts'
import { attribute } from '../../../src/stun/numbers.ts'

export const udpTransport = Uint8Array.of(17, 0, 0, 0)

export class BareTurnClient {
  username = 'alice'
  password = 'wonder'
  algorithm: 'md5' | 'sha256' | undefined
  nonce = ''
  realm = ''
  algorithms: Uint8Array | undefined
  readonly received: Uint8Array[] = []
  send: (data: Uint8Array) => void = () => {}

  constructor(
    readonly world: Simulation,
    readonly host: VirtualHost,
    readonly server: TransportAddress,
  ) {}

  async overUdp(port = 0): Promise<this> {
    const address = await this.host.network.sourceAddressFor(this.server)
    const socket = await this.host.openUdp({ address: address!, port })
    socket.onDatagram = (data) => this.received.push(data)
    this.send = (data) => socket.send(data, this.server)
    return this
  }

  async overTcp(): Promise<this> {
    const connection = await this.world.clock.run(this.host.connectTcp(this.server))
    connection.onData = (data) => this.received.push(data)
    this.send = (data) => connection.write(data)
    return this
  }

  /** One exchange; `fill` writes the attributes before the credentials. */
  async request(
    method: number,
    fill: (writer: MessageWriter) => void = () => {},
    transactionId = this.host.random.bytes(12),
  ): Promise<StunMessage> {
    const writer = new MessageWriter('request', method, transactionId)
    fill(writer)
    if (this.nonce) {
      writer.text(attribute.username, this.username)
      writer.text(attribute.realm, this.realm).text(attribute.nonce, this.nonce)
      if (this.algorithm && this.algorithms) {
        writer.octets(attribute.passwordAlgorithms, this.algorithms)
        const number = this.algorithm === 'sha256' ? 2 : 1
        writer.octets(attribute.passwordAlgorithm, Uint8Array.of(0, number, 0, 0))
      }
      const key = longTermKey(this.username, this.realm, this.password, this.algorithm ?? 'md5')
      if (this.algorithm === 'sha256') writer.integritySha256(key)
      else writer.integrity(key)
    }
    this.received.length = 0
    this.send(writer.finish())
    await this.world.clock.advance(100)
    const message = decode(this.received.pop() ?? new Uint8Array(0))
    if (typeof message === 'string') throw new Error(`no answer: ${message}`)
    const nonce = readText(message, attribute.nonce)
    if (nonce !== undefined) {
      this.nonce = nonce
      this.realm = readText(message, attribute.realm) ?? ''
      this.algorithms = message.attributes.get(attribute.passwordAlgorithms)
    }
    return message
  }

  /** The code of an error response, 0 for a success. */
  async code(...request: Parameters<BareTurnClient['request']>): Promise<number> {
    const response = await this.request(...request)
    return response.class === 'success' ? 0 : readErrorCode(response)!.code
  }

  /** Allocates, with the challenge first; gives the success. */
  async allocate(fill: (writer: MessageWriter) => void = () => {}): Promise<StunMessage> {
    const filled = (writer: MessageWriter): void => {
      writer.octets(turnAttribute.requestedTransport, udpTransport)
      fill(writer)
    }
    if (!this.nonce) await this.request(turnMethod.allocate, filled)
    return this.request(turnMethod.allocate, filled)
  }

  sendIndication(peer: TransportAddress, data: Uint8Array): void {
    const writer = new MessageWriter('indication', turnMethod.send, this.host.random.bytes(12))
    writer.xorAddress(turnAttribute.xorPeerAddress, peer).octets(turnAttribute.data, data)
    this.send(writer.finish())
  }
}
