// A connection as one of Node's streams: TLS and WebSockets are put on it where something stands between them and the socket.
// Where nothing does they take the socket itself (NodeTcpConnection.release), which is quicker.
import { Duplex } from 'node:stream'
import type { TcpConnection } from './runtime.ts'

export class ConnectionStream extends Duplex {
  constructor(private readonly connection: TcpConnection) {
    // As a socket: who has heard the other end's last word ends too.
    super({ allowHalfOpen: false })
    connection.onClose = (error) => {
      if (error) this.destroy(error)
      else this.push(null)
    }
  }

  override _read(): void {
    this.connection.onData = (data) => {
      if (!this.push(data)) this.connection.onData = undefined
    }
  }

  /** The connection itself ends where its backlog grows too long. */
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.connection.write(chunk)
    done()
  }

  override _final(done: () => void): void {
    this.connection.close()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.writableFinished) this.connection.abort()
    done(error)
  }
}
