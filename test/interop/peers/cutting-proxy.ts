// A TCP proxy in front of a server that can be told to cut the connection in the middle of a message, as a dying router does: a
// few bytes still pass, then both sides see the end. Of TLS it reads nothing: it cuts in the middle of a record that has a message.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Scene } from '../case.ts'
import { peerHost } from './process.ts'

type Direction = 'to server' | 'to client'

/** Of the message in which it cuts; longer than a keep-alive, even a sealed one. */
const passingBytes = 100

const messageAt = (bytes: Buffer, start: string | undefined): number => {
  if (start !== undefined) return bytes.indexOf(start)
  return bytes.length > passingBytes ? 0 : -1
}

export class CuttingProxy {
  private readonly sockets = new Set<Socket>()
  private cut: { direction: Direction; start: string | undefined } | undefined
  /** How often it has cut. */
  cuts = 0

  private constructor(readonly port: number) {}

  /** @param target host and port of the server */
  static async start(scene: Scene, target: { host: string; port: number }): Promise<CuttingProxy> {
    const server = createServer()
    server.listen(0, peerHost)
    await once(server, 'listening')
    const proxy = new CuttingProxy((server.address() as { port: number }).port)
    server.on('connection', (client) => proxy.join(client, connect(target)))
    scene.onEnd(async () => {
      for (const socket of proxy.sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    })
    return proxy
  }

  get address(): string {
    return `${peerHost}:${this.port}`
  }

  /** Cuts once, in the next message that begins with `start`; without one in the next that is longer than a keep-alive. */
  cutNext(direction: Direction, start?: string): void {
    this.cut = { direction, start }
  }

  private join(client: Socket, server: Socket): void {
    const pass = (from: Socket, to: Socket, direction: Direction) => {
      this.sockets.add(from)
      from.on('data', (bytes) => {
        const at = this.cut?.direction === direction ? messageAt(bytes, this.cut.start) : -1
        if (at < 0) {
          to.write(bytes)
          return
        }
        to.end(bytes.subarray(0, at + passingBytes))
        from.destroy()
        this.cut = undefined
        this.cuts++
      })
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.sockets.delete(from)
        to.end()
      })
    }
    pass(client, server, 'to server')
    pass(server, client, 'to client')
  }
}
