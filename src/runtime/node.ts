// The one real `Runtime`: Node's sockets, files, timers and randomness behind the interfaces of runtime.ts; names are in dns.ts.
// Every refusal of the operating system becomes one sentence (NetworkError, UsageError); what happens on an open socket is
// reported to its handlers and never thrown. TCP, TLS and addresses have files of their own beside this one.
import { randomBytes, randomFillSync, randomInt } from 'node:crypto'
import {
  appendFileSync,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { UsageError } from '../errors.ts'
import { addressFamily, plainAddress } from './address.ts'
import { nodeNames } from './dns.ts'
import { errnoOf } from './node-addresses.ts'
import { withMediaThreads } from './node-media-network.ts'
import { connectTcp, listenTcp } from './node-tcp.ts'
import { startThread } from './node-thread.ts'
import { listenTls, startTls } from './node-tls.ts'
import { openUdp, sourceAddressFor } from './node-udp.ts'
import { acceptWebSocket, openWebSocket } from './node-websocket.ts'
import type {
  Clock,
  Files,
  Millis,
  Network,
  NetworkInterface,
  Random,
  RandomAccessFile,
  Runtime,
  Timer,
} from './runtime.ts'

/** The longest delay that setTimeout takes; longer timers are armed again. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

// ---- clock -------------------------------------------------------------------------------------------------------------

class NodeTimer implements Timer {
  private readonly due: Millis
  private timeout: NodeJS.Timeout | undefined
  private immediate: NodeJS.Immediate | undefined

  constructor(
    delayMs: Millis,
    private readonly callback: () => void,
  ) {
    this.due = performance.now() + delayMs
    if (delayMs <= 0) this.immediate = setImmediate(callback)
    else this.arm(delayMs)
  }

  cancel(): void {
    clearTimeout(this.timeout)
    clearImmediate(this.immediate)
  }

  private arm(delayMs: Millis): void {
    this.timeout = setTimeout(
      () => {
        // setTimeout counts whole milliseconds from the loop's cached time and so may fire up to one too early.
        const remaining = this.due - performance.now()
        if (remaining > 0) this.arm(remaining)
        else this.callback()
      },
      Math.min(delayMs, LONGEST_TIMEOUT_MS),
    )
  }
}

const clock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer: (delayMs, callback) => new NodeTimer(delayMs, callback),
  busyMs: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000
  },
}

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1'

// ---- the rest of the network -------------------------------------------------------------------------------------------

/** Linux alone says what state its IPv6 addresses are in: address in hex, ..., flags, name (include/uapi/linux/if_addr.h). */
const IPV6_STATES = '/proc/net/if_inet6'
const IPV6_FLAGS = { temporary: 0x01, duplicate: 0x08, deprecated: 0x20, tentative: 0x40 } as const

const ipv6Flags = (): Map<string, number> => {
  const flags = new Map<string, number>()
  if (process.platform !== 'linux') return flags
  try {
    for (const line of readFileSync(IPV6_STATES, 'ascii').split('\n')) {
      const [hex = '', , , , state = '', name] = line.trim().split(/\s+/)
      if (name === undefined) continue
      // A URL writes the address as Node does.
      const { hostname } = new URL(`http://[${hex.replace(/.{4}(?=.)/g, '$&:')}]`)
      flags.set(`${name} ${hostname.slice(1, -1)}`, Number.parseInt(state, 16))
    }
  } catch {
    // A kernel without IPv6, or a box without /proc.
  }
  return flags
}

const interfaces = (): NetworkInterface[] => {
  const flags = ipv6Flags()
  return Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
    (entries ?? []).flatMap((entry): NetworkInterface[] => {
      const address = plainAddress(entry.address)
      const known = { name, address, family: addressFamily(address), loopback: isLoopback(address) }
      const state = flags.get(`${name} ${address}`)
      if (state === undefined) return [known]
      // Nothing can be bound to it yet, or ever.
      if (state & (IPV6_FLAGS.tentative | IPV6_FLAGS.duplicate)) return []
      return [
        {
          ...known,
          deprecated: (state & IPV6_FLAGS.deprecated) !== 0,
          temporary: (state & IPV6_FLAGS.temporary) !== 0,
        },
      ]
    }),
  )
}

const network: Network = {
  interfaces,
  openUdp,
  listenTcp,
  connectTcp,
  startTls,
  listenTls,
  openWebSocket,
  acceptWebSocket,
  ...nodeNames(),
  sourceAddressFor,
  withNameServers: (servers) => ({ ...network, ...nodeNames(servers) }),
}

// ---- randomness and files ----------------------------------------------------------------------------------------------

/** Transaction IDs and tags are cut from a stock: to ask the system for each costs more than all else about them. */
const RANDOM_STOCK_BYTES = 4096
let randomStock = new Uint8Array(0)

const random: Random = {
  bytes: (lengthBytes) => {
    if (lengthBytes > RANDOM_STOCK_BYTES) return randomBytes(lengthBytes)
    if (lengthBytes > randomStock.length) randomStock = randomFillSync(new Uint8Array(RANDOM_STOCK_BYTES))
    const bytes = randomStock.slice(0, lengthBytes)
    randomStock = randomStock.subarray(lengthBytes)
    return bytes
  },
  integer: (exclusiveMax) => randomInt(exclusiveMax),
}

const FILE_REASONS: Record<string, string> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'the system does not permit it',
  EPERM: 'the system does not permit it',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'no more of the disk is granted to this user',
  EFBIG: 'no larger file is permitted',
  EIO: 'the disk fails',
  ESPIPE: 'it is a pipe or a device, not a file',
  ENXIO: 'it is a pipe or a device, not a file',
  EMFILE: 'too many files are open',
}

/** Runs a file operation; its failure becomes one sentence. */
const attempt = <T>(verb: 'read' | 'write', path: string, operation: () => T): T => {
  try {
    return operation()
  } catch (error) {
    const code = errnoOf(error)
    throw new UsageError(`cannot ${verb} ${path}: ${FILE_REASONS[code] ?? code}`)
  }
}

class NodeFile implements RandomAccessFile {
  private closed = false

  constructor(
    readonly path: string,
    private readonly fd: number,
  ) {}

  sizeBytes(): number {
    return attempt('read', this.path, () => fstatSync(this.fd).size)
  }

  read(into: Uint8Array, position: number): number {
    return attempt('read', this.path, () => {
      let filled = 0
      while (filled < into.length) {
        const count = readSync(this.fd, into, filled, into.length - filled, position + filled)
        if (count === 0) break
        filled += count
      }
      return filled
    })
  }

  write(data: Uint8Array, position: number): void {
    attempt('write', this.path, () => {
      let written = 0
      try {
        while (written < data.length)
          written += writeSync(this.fd, data, written, data.length - written, position + written)
      } catch (error) {
        if (written > 0 && fstatSync(this.fd).size === position + written) ftruncateSync(this.fd, position)
        throw error
      }
    })
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    closeSync(this.fd)
  }
}

/** Whoever runs floe alone. */
const SECRET_MODE = 0o600

const files: Files = {
  openForReading: (path) =>
    attempt('read', path, () => {
      // A pipe that nobody writes would hold up the process until somebody does.
      const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      const stat = fstatSync(fd)
      if (stat.isFile()) return new NodeFile(path, fd)
      closeSync(fd)
      // A folder opens well and would only fail when it is read; what else there is cannot be read by position.
      throw Object.assign(new Error(path), { code: stat.isDirectory() ? 'EISDIR' : 'ESPIPE' })
    }),
  openForWriting: (path, { secret = false } = {}) =>
    new NodeFile(
      path,
      attempt('write', path, () => openSync(path, 'w+', secret ? SECRET_MODE : undefined)),
    ),
  appendSecret: (path, text) =>
    attempt('write', path, () => appendFileSync(path, text, { mode: SECRET_MODE })),
  readText: (path) => attempt('read', path, () => readFileSync(path, 'utf8')),
  writeText: (path, text) => attempt('write', path, () => writeFileSync(path, text)),
}

const runtimeOn = (ofNetwork: Network): Runtime => ({
  clock,
  network: ofNetwork,
  random,
  files,
  startThread,
  /** Containers of one image share the first of these; the second tells them apart. */
  get machine(): string {
    return [machineId(), hostname()].join(' ')
  },
})

/** The real world. Timers and open sockets keep the process alive until they are cancelled or closed. */
export const nodeRuntime: Runtime = runtimeOn(network)

/** The same with sockets of media in so many threads of their own, where threads can be had. */
export async function runtimeWithMediaThreads(count: number): Promise<Runtime> {
  const threaded = await withMediaThreads(network, count)
  return threaded ? runtimeOn(threaded) : nodeRuntime
}

/** Linux alone has one that can be read without a program. */
function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim()
  } catch {
    return ''
  }
}
