// A media thread: UDP sockets whose datagrams leave at their departure times. setTimeout is good to a millisecond, Atomics.wait to a
// few microseconds: shortly before a departure the thread sleeps, sends, and then lets its event loop receive; with nothing to
// send it waits in the loop. It never sleeps for more than 2 ms. The other end is node-media-network.ts.
//
//   ring ──> collect ─┬─> at once ──────────────> socket
//                     └─> queue ──> departure ──> socket            socket ──> ring, and the main thread is called
import { parentPort, workerData } from 'node:worker_threads'
import { NetworkError } from '../errors.ts'
import { formatAddress, type TransportAddress } from './address.ts'
import { DatagramRing } from './datagram-ring.ts'
import {
  clockOriginMs,
  longestSleepMs,
  type MediaThreadData,
  type ToMain,
  type ToThread,
  threadIs,
  word,
} from './media-thread.ts'
import { openUdp } from './node-udp.ts'
import type { Millis, UdpSocket } from './runtime.ts'

interface ThreadSocket {
  readonly udp: UdpSocket
  /** Of the datagram before: seldom another one. */
  to: TransportAddress
  complainedAt: Millis
  complaint: string
}

interface Departure {
  readonly at: Millis
  readonly id: number
  readonly socket: ThreadSocket
  readonly to: TransportAddress
  readonly data: Uint8Array
}

/** What is due within this is due: about what a call of `send` takes. */
const toleranceMs: Millis = 0.01
/** A timer fires up to so much late: it is set so much before the thread has to sleep. */
const timerLatenessMs: Millis = 1.2
/** The main thread is called for media that waits for so long, which bears its time of arrival: most often it looks by itself. */
const mediaWaitsMs: Millis = 4
/** A socket that fails says so with every datagram. */
const complaintRestMs: Millis = 1_000
const notTakenIn =
  'the program was busy for so long that packets which had come were dropped: give it less to do at once'

if (!parentPort) throw new Error('a media thread is started by node-media-network.ts')
const port = parentPort
const data = workerData as MediaThreadData
const outgoing = new DatagramRing(data.outgoing)
const incoming = new DatagramRing(data.incoming)
const words = new Int32Array(data.words)
const sockets = new Map<number, ThreadSocket>()
/** In order of departure. */
const waiting: Departure[] = []
let timer: NodeJS.Timeout | undefined
let turnIsDue = false
let callTimer: NodeJS.Timeout | undefined
let readBefore = 0

const offsetMs = clockOriginMs() - data.originMs
/** On the clock of the main thread. */
const now = (): Millis => performance.now() + offsetMs

const tell = (message: ToMain): void => port.postMessage(message)

// ---- out ---------------------------------------------------------------------------------------------------------------

function collect(): void {
  while (outgoing.next()) {
    const id = outgoing.socket
    const socket = sockets.get(id)
    if (socket) {
      if (outgoing.port !== socket.to.port || !outgoing.isAddress(socket.to.address))
        socket.to = { address: outgoing.address(), port: outgoing.port }
      const data = Buffer.allocUnsafe(outgoing.dataLength)
      outgoing.copyData(data)
      const { time: at } = outgoing
      if (at === 0) socket.udp.send(data, socket.to)
      else enqueue({ at, id, socket, to: socket.to, data })
    }
    outgoing.release()
  }
}

/** Most come in order. */
function enqueue(departure: Departure): void {
  let place = waiting.length
  while (place > 0 && waiting[place - 1]!.at > departure.at) place--
  if (place === waiting.length) waiting.push(departure)
  else waiting.splice(place, 0, departure)
}

function sendDue(): void {
  for (let next = waiting[0]; next && next.at <= now() + toleranceMs; next = waiting[0]) {
    waiting.shift()
    next.socket.udp.send(next.data, next.to)
  }
}

/** What is to be sent is sent; then the thread sleeps until just the next departure, or goes to wait in its loop. */
function turn(): void {
  turnIsDue = false
  clearTimeout(timer)
  timer = undefined
  Atomics.store(words, word.thread, threadIs.awake)
  collect()
  sendDue()
  const restMs = (waiting[0]?.at ?? Number.POSITIVE_INFINITY) - now()
  if (restMs > longestSleepMs) {
    // First the state, then a last look: whoever writes does it the other way round.
    Atomics.store(words, word.thread, threadIs.idle)
    if (!outgoing.isEmpty) {
      turnSoon()
      return
    }
    if (restMs < Number.POSITIVE_INFINITY)
      timer = setTimeout(turn, Math.max(1, Math.floor(restMs - timerLatenessMs)))
    return
  }
  const bell = Atomics.load(words, word.bell)
  Atomics.store(words, word.thread, threadIs.asleep)
  if (outgoing.isEmpty && restMs > 0) Atomics.wait(words, word.bell, bell, restMs)
  Atomics.store(words, word.thread, threadIs.awake)
  collect()
  sendDue()
  turnSoon()
}

/** After what has arrived. */
function turnSoon(): void {
  if (turnIsDue) return
  turnIsDue = true
  setImmediate(turn)
}

// ---- in ----------------------------------------------------------------------------------------------------------------

function callMain(): void {
  if (Atomics.exchange(words, word.mainCalled, 1) === 0) tell('look')
}

function callMainLater(): void {
  readBefore = incoming.read
  callTimer = setTimeout(callUnlessItLooks, mediaWaitsMs)
}

function callUnlessItLooks(): void {
  callTimer = undefined
  if (incoming.isEmpty) return
  if (incoming.read === readBefore) callMain()
  else callMainLater()
}

/** RFC 7983: RTP and RTCP. */
const isMedia = (data: Uint8Array): boolean => data.length > 0 && data[0]! >> 6 === 2

function receive(id: number, data: Uint8Array, from: TransportAddress): void {
  const at = now()
  if (!incoming.write(id, at, from.address, from.port, data)) {
    const socket = sockets.get(id)
    if (socket) complain(id, socket, new Error(notTakenIn))
  }
  if (!isMedia(data)) callMain()
  else if (!callTimer) callMainLater()
}

// ---- sockets -----------------------------------------------------------------------------------------------------------

async function open({
  open: id,
  bind,
  receiveBufferBytes,
}: Extract<ToThread, { open: number }>): Promise<void> {
  try {
    const udp = await openUdp(bind, receiveBufferBytes === undefined ? {} : { receiveBufferBytes })
    const socket: ThreadSocket = { udp, to: { address: '', port: 0 }, complainedAt: 0, complaint: '' }
    udp.onDatagram = (data, from) => receive(id, data, from)
    udp.onError = (error) => complain(id, socket, error)
    sockets.set(id, socket)
    tell({ opened: id, local: udp.local })
  } catch (error) {
    const at = error instanceof NetworkError ? error.address : formatAddress(bind)
    tell({ refused: id, reason: error instanceof Error ? error.message : String(error), at })
  }
}

function complain(id: number, socket: ThreadSocket, error: Error): void {
  const at = now()
  if (error.message === socket.complaint && at - socket.complainedAt < complaintRestMs) return
  socket.complaint = error.message
  socket.complainedAt = at
  tell({ failed: id, error })
}

/** What still waits is sent first. */
function close(id: number): void {
  flush(id)
  sockets.get(id)?.udp.close()
  sockets.delete(id)
}

function flush(id?: number): void {
  const leaving = id === undefined ? waiting : waiting.filter((departure) => departure.id === id)
  for (const { socket, to, data } of leaving) socket.udp.send(data, to)
  const staying = id === undefined ? [] : waiting.filter((departure) => departure.id !== id)
  waiting.splice(0, waiting.length, ...staying)
}

port.on('message', (message: ToThread) => {
  // What was sent before the message.
  collect()
  if (message !== 'look') {
    if ('open' in message) void open(message)
    else if ('close' in message) close(message.close)
    else {
      flush()
      Atomics.store(words, word.flushed, message.flush)
      Atomics.notify(words, word.flushed)
    }
  }
  turnSoon()
})
Atomics.store(words, word.thread, threadIs.idle)
tell('ready')
