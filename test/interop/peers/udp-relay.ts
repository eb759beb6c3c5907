// A bad way between two SIP parties over UDP, in user space because these kernels have no netem: loses, repeats and delays
// datagrams, each a share of them and by a seed. Each party takes the relay for the other one: in what passes, the port of
// the one gives way to the relay's, as an application-level gateway in a router does it. Media goes directly.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { SeededRandom } from '../../../src/sim/random.ts'
import type { Scene } from '../case.ts'
import { peerHost } from './process.ts'

/** Percent of the datagrams. */
interface Hardship {
  readonly lost: number
  readonly repeated: number
  /** Come behind those that were sent after them. */
  readonly late: number
}

/** What is late, or comes once more, does so within this time: SIP's T1 is 500 ms, so that it may come behind its repetition. */
const longestDelayMs = 800

export class UdpRelay {
  /** How many datagrams met with it. */
  readonly seen = { lost: 0, repeated: 0, late: 0 }
  private readonly delayed = new Set<NodeJS.Timeout>()
  private readonly random: SeededRandom
  /** Of the party that calls or registers: known when it does. */
  private nearPort: number | undefined

  /** @param far port of the party that is called, at `peerHost` as the other one is */
  static async start(
    scene: Scene,
    far: number,
    { seed, ...hardship }: Hardship & { seed: number },
  ): Promise<UdpRelay> {
    const relay = new UdpRelay(await open(), await open(), far, hardship, seed)
    scene.onEnd(() => relay.close())
    return relay
  }

  private constructor(
    private readonly towardsNear: Socket,
    private readonly towardsFar: Socket,
    far: number,
    private readonly hardship: Hardship,
    seed: number,
  ) {
    this.random = new SeededRandom(seed)
    towardsNear.on('message', (datagram, from) => {
      this.nearPort = from.port
      this.pass(datagram, towardsNear, towardsFar, from.port, far)
    })
    towardsFar.on('message', (datagram) => {
      if (this.nearPort !== undefined) this.pass(datagram, towardsFar, towardsNear, far, this.nearPort)
    })
  }

  /** Where the far party is called. */
  get port(): number {
    return this.towardsNear.address().port
  }

  private pass(datagram: Buffer, from: Socket, to: Socket, sender: number, receiver: number): void {
    const text = replacePort(
      replacePort(datagram.toString('latin1'), sender, to.address().port),
      from.address().port,
      receiver,
    )
    const send = (): void => to.send(Buffer.from(text, 'latin1'), receiver, peerHost)
    const { hardship, seen } = this
    if (this.hits(hardship.lost)) {
      seen.lost++
      return
    }
    if (this.hits(hardship.late)) {
      seen.late++
      this.later(send)
    } else send()
    if (this.hits(hardship.repeated)) {
      seen.repeated++
      this.later(send)
    }
  }

  private hits(percent: number): boolean {
    return this.random.integer(100) < percent
  }

  private later(send: () => void): void {
    const timer = setTimeout(() => {
      this.delayed.delete(timer)
      send()
    }, this.random.integer(longestDelayMs))
    this.delayed.add(timer)
  }

  private close(): void {
    for (const timer of this.delayed) clearTimeout(timer)
    this.towardsNear.close()
    this.towardsFar.close()
  }
}

/** All ports here have five digits: the length of no body changes. */
const replacePort = (text: string, port: number, by: number): string =>
  text.replaceAll(new RegExp(`(:|rport=)${port}\\b`, 'g'), `$1${by}`)

async function open(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, peerHost)
  await once(socket, 'listening')
  return socket
}
