// A SIP server for tests that answers as it is told, over UDP and TCP on one loopback port, or not at all.
import { createSocket, type Socket } from 'node:dgram'
import { type AddressInfo, type Socket as Connection, createServer, type Server } from 'node:net'
import { MessageFramer } from '../../../src/sip/framing.ts'
import { parseMessage, responseTo, type SipRequest, serializeMessage } from '../../../src/sip/message.ts'

/** Status and further header lines; undefined: silence. */
export type Behaviour = (request: SipRequest) => { status: number; headers?: [string, string][] } | undefined

export class SipServer {
  readonly requests: SipRequest[] = []
  private readonly connections = new Set<Connection>()

  private constructor(
    private readonly udp: Socket,
    private readonly tcp: Server,
    public behaviour: Behaviour,
  ) {
    udp.on('message', (data, from) =>
      this.receive(data, (response) => udp.send(response, from.port, from.address)),
    )
    tcp.on('connection', (connection) => {
      this.connections.add(connection)
      connection.on('error', () => undefined)
      connection.on('close', () => this.connections.delete(connection))
      const framer = new MessageFramer({
        onMessage: (message) => this.receive(message, (response) => connection.write(response)),
        onPing: () => undefined,
      })
      connection.on('data', (data) => framer.push(data))
    })
  }

  static async open(behaviour: Behaviour, address = '127.0.0.1'): Promise<SipServer> {
    for (let attempt = 0; ; attempt++) {
      const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4')
      await new Promise<void>((resolve, reject) => {
        udp.once('error', reject)
        udp.bind(0, address, resolve)
      })
      const tcp = createServer()
      const bound = await new Promise<boolean>((resolve) => {
        tcp.once('error', () => resolve(false))
        tcp.listen(udp.address().port, address, () => resolve(true))
      })
      if (bound) return new SipServer(udp, tcp, behaviour)
      udp.close()
      if (attempt === 20) throw new Error('no port is free for both UDP and TCP')
    }
  }

  get port(): number {
    return (this.tcp.address() as AddressInfo).port
  }

  /** Ends every connection. */
  cut(): void {
    for (const connection of this.connections) connection.destroy()
  }

  close(): void {
    this.udp.close()
    this.tcp.close()
    this.cut()
  }

  private receive(data: Uint8Array, send: (response: Uint8Array) => void): void {
    const result = parseMessage(data)
    if (!('message' in result) || result.message.kind !== 'request') return
    const request = result.message
    this.requests.push(request)
    if (request.method === 'ACK') return
    const answer = this.behaviour(request)
    if (!answer) return
    const response = responseTo(request, answer.status, 'Whatever', 'server')
    for (const [name, value] of answer.headers ?? []) response.headers.push({ name, value })
    send(serializeMessage(response))
  }
}
