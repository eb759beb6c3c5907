// UDP sockets for media that live in threads of their own (node-media-thread.ts), so that datagrams leave at their departure times
// whatever the main thread is about. The threads are the process's: they start when they are asked for first, every socket goes to
// the one with the fewest, they keep no process alive, and before it exits all that was sent has left. Where a thread cannot be had
// (no rights, a bundle without its file) there is none, and sockets stay in the main thread.
import { Worker } from 'node:worker_threads'
import { NetworkError } from '../errors.ts'
import { formatAddress, type TransportAddress } from './address.ts'
import { DatagramRing, ringMemory } from './datagram-ring.ts'
import {
  clockOriginMs,
  longestSleepMs,
  type MediaThreadData,
  type ToMain,
  type ToThread,
  threadIs,
  word,
  wordCount,
} from './media-thread.ts'
import type { Millis, Network, UdpSocket } from './runtime.ts'

/** A second of 1,000 streams with SRTP is 11 MB, and nothing is handed down for longer than the lead. */
const outgoingRingBytes = 1 << 20
/** What comes while the main thread is busy: 400 ms of 1,000 streams. */
const incomingRingBytes = 1 << 22
/** Collecting garbage or a burst of signalling holds the main thread up for so long. */
const departureLeadMs: Millis = 5
/** The thread looks into its ring by itself before this is over. */
const looksWithinMs: Millis = longestSleepMs + 1
/** The system lets whoever runs go on for a millisecond and more, though a thread that has something to send waits for that very
 *  processor: after so much work on media the main thread lets go of it, as long as that makes no frame late. */
const workMs: Millis = 0.25
const napMs: Millis = 0.02
const spareMs: Millis = 2
/** Records handled before others have their turn. */
const recordsPerLook = 512
/** A socket whose thread does not keep up says so again. */
const complaintRestMs: Millis = 1_000
const notSent = 'the thread of the media sockets does not keep up, packets were dropped: use more threads'
/** Nobody waits longer for a thread that is stuck. */
const exitLimitMs: Millis = 200

class ThreadSocket implements UdpSocket {
  onDatagram: UdpSocket['onDatagram']
  onError: UdpSocket['onError']
  private closed = false
  private complainedAt = Number.NEGATIVE_INFINITY
  private from: TransportAddress = { address: '', port: 0 }

  constructor(
    private readonly thread: MediaThread,
    private readonly id: number,
    readonly local: TransportAddress,
  ) {}

  send(data: Uint8Array, to: TransportAddress, departAt?: Millis): void {
    if (this.closed || this.thread.send(this.id, data, to, departAt)) return
    const now = performance.now()
    if (now - this.complainedAt < complaintRestMs) return
    this.complainedAt = now
    this.onError?.(new Error(notSent))
  }

  /** The record that the ring has found. */
  receive(ring: DatagramRing): void {
    if (ring.port !== this.from.port || !ring.isAddress(this.from.address))
      this.from = { address: ring.address(), port: ring.port }
    const data = Buffer.allocUnsafe(ring.dataLength)
    ring.copyData(data)
    const { time } = ring
    ring.release()
    this.onDatagram?.(data, this.from, time)
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.thread.close(this.id)
  }
}

interface Opening {
  resolve: (socket: UdpSocket) => void
  reject: (error: Error) => void
}

class MediaThread {
  private readonly worker: Worker
  private readonly outgoing: DatagramRing
  private readonly incoming: DatagramRing
  private readonly words: Int32Array
  private readonly sockets = new Map<number, ThreadSocket>()
  private readonly openings = new Map<number, Opening>()
  private nextId = 1
  private flushes = 0
  /** What has arrived is taken in once the frames that are being made are handed down: nobody has to call for that. */
  private lookIsDue = false
  private workingSince: Millis = 0
  private why = ''
  /** Resolves when it runs; rejects where it cannot. */
  readonly started: Promise<void>
  ended = false

  constructor() {
    const data: MediaThreadData = {
      outgoing: ringMemory(outgoingRingBytes),
      incoming: ringMemory(incomingRingBytes),
      words: new SharedArrayBuffer(4 * wordCount),
      originMs: clockOriginMs(),
    }
    this.outgoing = new DatagramRing(data.outgoing)
    this.incoming = new DatagramRing(data.incoming)
    this.words = new Int32Array(data.words)
    this.worker = new Worker(new URL('./node-media-thread.js', import.meta.url), {
      workerData: data,
      name: 'floe media',
      // What was to be loaded or measured with the program is not the thread's.
      execArgv: [],
    })
    this.started = new Promise((resolve, reject) => {
      this.worker.on('message', (message: ToMain) => {
        if (message === 'ready') {
          resolve()
          this.keepAliveWhileUsed()
        } else this.hear(message)
      })
      this.worker.on('error', (error) => {
        this.why = `: ${error.message}`
      })
      this.worker.on('exit', () => {
        this.ended = true
        const error = new NetworkError(
          `the thread of the media sockets has ended${this.why}: call again, another one takes its place`,
          'none',
        )
        reject(error)
        this.fail(error)
      })
    })
  }

  get load(): number {
    return this.sockets.size + this.openings.size
  }

  openUdp(bind: TransportAddress, options?: { receiveBufferBytes?: number }): Promise<UdpSocket> {
    return new Promise((resolve, reject) => {
      const id = this.nextId++
      this.openings.set(id, { resolve, reject })
      this.keepAliveWhileUsed()
      this.tell({ open: id, bind, receiveBufferBytes: options?.receiveBufferBytes })
    })
  }

  /** Returns whether there was room for it. */
  send(id: number, data: Uint8Array, to: TransportAddress, departAt: Millis = 0): boolean {
    if (!this.outgoing.write(id, departAt, to.address, to.port, data)) return false
    const { words } = this
    const now = performance.now()
    if (!this.lookIsDue) {
      this.lookIsDue = true
      this.workingSince = now
      setImmediate(this.look)
    } else if (departAt - now > spareMs) this.giveWay(now)
    const state = Atomics.load(words, word.thread)
    if (state === threadIs.awake) return true
    if (state === threadIs.asleep) {
      if (departAt < now + looksWithinMs) this.ring()
    } else if (Atomics.compareExchange(words, word.thread, threadIs.idle, threadIs.awake) === threadIs.idle)
      this.worker.postMessage('look' satisfies ToThread)
    return true
  }

  close(id: number): void {
    if (!this.sockets.delete(id)) return
    this.tell({ close: id })
    this.keepAliveWhileUsed()
  }

  /** Lets everything leave that was sent, and waits for that. */
  flush(): void {
    if (this.ended) return
    const flush = ++this.flushes
    this.tell({ flush })
    const until = performance.now() + exitLimitMs
    for (;;) {
      const flushed = Atomics.load(this.words, word.flushed)
      const leftMs = until - performance.now()
      if (flushed === flush || leftMs <= 0) return
      Atomics.wait(this.words, word.flushed, flushed, leftMs)
    }
  }

  private tell(message: ToThread): void {
    this.worker.postMessage(message)
    this.ring()
  }

  private ring(): void {
    Atomics.add(this.words, word.bell, 1)
    Atomics.notify(this.words, word.bell)
  }

  private hear(message: Exclude<ToMain, 'ready'>): void {
    if (message === 'look') {
      this.look()
      return
    }
    if ('failed' in message) {
      this.sockets.get(message.failed)?.onError?.(message.error)
      return
    }
    const id = 'opened' in message ? message.opened : message.refused
    const opening = this.openings.get(id)
    this.openings.delete(id)
    if ('opened' in message) {
      const socket = new ThreadSocket(this, id, message.local)
      this.sockets.set(id, socket)
      opening?.resolve(socket)
    } else opening?.reject(new NetworkError(message.reason, message.at))
    this.keepAliveWhileUsed()
  }

  private readonly look = (): void => {
    const { words, incoming, sockets } = this
    if (!this.lookIsDue) this.workingSince = performance.now()
    this.lookIsDue = false
    Atomics.store(words, word.mainCalled, 0)
    for (let count = 0; incoming.next(); count++) {
      if (count === recordsPerLook) {
        setImmediate(this.look)
        return
      }
      const socket = sockets.get(incoming.socket)
      if (socket) socket.receive(incoming)
      else incoming.release()
      this.giveWay(performance.now())
    }
  }

  private giveWay(now: Millis): void {
    if (now - this.workingSince < workMs) return
    Atomics.wait(this.words, word.nap, 0, napMs)
    this.workingSince = performance.now()
  }

  /** As sockets of the main thread do. */
  private keepAliveWhileUsed(): void {
    if (this.load > 0) this.worker.ref()
    else this.worker.unref()
  }

  private fail(error: NetworkError): void {
    for (const { reject } of this.openings.values()) reject(error)
    this.openings.clear()
    for (const socket of this.sockets.values()) socket.onError?.(error)
    this.sockets.clear()
  }
}

let threads: MediaThread[] = []
/** One could not be started: the next could not, either. */
let unavailable = false

/** The first `count` threads of the process; none where there can be none. */
async function runningThreads(count: number): Promise<MediaThread[]> {
  if (unavailable) return []
  threads = threads.filter(({ ended }) => !ended)
  try {
    if (count > 0) process.off('exit', flushAll).on('exit', flushAll)
    while (threads.length < count) threads.push(new MediaThread())
    await Promise.all(threads.map(({ started }) => started))
  } catch {
    unavailable = true
  }
  return unavailable ? [] : threads.slice(0, count)
}

/** Before the process exits. */
function flushAll(): void {
  for (const thread of threads) thread.flush()
}

/** The network with `count` media threads; undefined where there can be none. */
export async function withMediaThreads(network: Network, count: number): Promise<Network | undefined> {
  const { length } = await runningThreads(count)
  return length > 0 ? threadedNetwork(network, count) : undefined
}

const threadedNetwork = (network: Network, count: number): Network => ({
  ...network,
  departureLeadMs,
  openUdp: async (bind, options) => {
    if (!options?.media) return network.openUdp(bind, options)
    const [first, ...others] = await runningThreads(count)
    if (!first) throw new NetworkError('no thread for media sockets can be started', formatAddress(bind))
    const leastUsed = others.reduce((least, thread) => (thread.load < least.load ? thread : least), first)
    return leastUsed.openUdp(bind, options)
  },
  withNameServers: (servers) => threadedNetwork(network.withNameServers(servers), count),
})
