// What floe asks of the world, as interfaces. `node.ts` is the one real implementation; `src/sim` is the virtual one.
// Nothing else in src touches a socket, a clock, a file or randomness.
import type { TransportAddress } from './address.ts'

/** Milliseconds, fractional, on the monotonic clock of a `Clock`. */
export type Millis = number

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Monotonic, fractional milliseconds from an arbitrary origin. */
  now(): Millis
  /** Wall-clock milliseconds since 1970-01-01 UTC: for NTP timestamps, logs and reports, never for durations. */
  wallTime(): number
  /** Calls back once, not before `delayMs` have passed. */
  setTimer(delayMs: Millis, callback: () => void): Timer
  /** For how long this process has used a processor; absent where time is not real. */
  busyMs?(): Millis
}

export interface Random {
  /** Cryptographically strong. */
  bytes(lengthBytes: number): Uint8Array
  /** Uniform integer in [0, exclusiveMax), exclusiveMax <= 2^32. */
  integer(exclusiveMax: number): number
}

export interface NetworkInterface {
  name: string
  address: string
  family: 4 | 6
  /** 127/8 or ::1. */
  loopback: boolean
  /** RFC 4862 5.5.4: its prefix is on its way out. Where the system does not tell: absent. */
  deprecated?: boolean
  /** RFC 8981: made for a while, so that it tells nothing of the machine. Where the system does not tell: absent. */
  temporary?: boolean
}

export interface UdpSocket {
  readonly local: TransportAddress
  /** Fire and forget; a send error is reported through `onError`. The bytes may be used again at once.
   *  @param departAt when it is to leave, on the clock of the runtime; counts where the network has a `departureLeadMs` */
  send(data: Uint8Array, to: TransportAddress, departAt?: Millis): void
  /** One handler at a time; a datagram that arrives while there is none is dropped. The bytes are the handler's to keep.
   *  `arrivedAt`: when the system handed it over, where that is known. */
  onDatagram: ((data: Uint8Array, from: TransportAddress, arrivedAt?: Millis) => void) | undefined
  onError: ((error: Error) => void) | undefined
  close(): void
}

export interface UdpOptions {
  receiveBufferBytes?: number
  /** For media, whose sockets may live elsewhere (`departureLeadMs`). */
  media?: boolean
}

/** What a certificate says whose it is (RFC 5280 4.2.1.6). */
export interface CertificateNames {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  readonly addresses: readonly string[]
  /** Of the subject. */
  readonly commonName?: string
}

/** The other end of a TLS connection. */
export interface TlsPeer {
  /** Its certificate is one of an authority that we trust, and was accepted. */
  readonly verified: boolean
  /** Absent where it showed no certificate. */
  readonly names?: CertificateNames
}

export interface TcpConnection {
  readonly local: TransportAddress
  readonly remote: TransportAddress
  /** Absent: no TLS. */
  readonly tls?: TlsPeer | undefined
  /** What it stands on, where it only listens to that (captured-network.ts). */
  readonly inner?: TcpConnection
  /** Written, but not yet taken by the network; absent where that is not known. */
  readonly backlogBytes?: number
  write(data: Uint8Array): void
  onData: ((data: Uint8Array) => void) | undefined
  /** Called exactly once, with an error where there was one. */
  onClose: ((error?: Error) => void) | undefined
  close(): void
  /** Ends it at once, with all that the network has not taken yet: what was written to a dead line must not arrive late. */
  abort(): void
}

export interface TcpListener {
  readonly local: TransportAddress
  onConnection: ((connection: TcpConnection) => void) | undefined
  close(): void
}

export interface TlsOptions {
  /** What the certificate must name (RFC 9525), and the SNI where it is a name. */
  serverName: string
  /** Further authorities to trust, PEM. */
  ca?: string
  /** Default true. */
  verify?: boolean
  /** Our own certificate with its chain, and its key, PEM: for servers that ask for one. */
  cert?: string
  key?: string
  /** Whether a certificate with these names is that of `serverName`; default: by RFC 9525. */
  accepts?: (names: CertificateNames) => boolean
  /** The secrets of the connection are appended to this file, in the form of SSLKEYLOGFILE. */
  keyLogFile?: string
  /** Is told the same lines. */
  onSecret?: (line: Uint8Array) => void
  timeoutMs?: Millis
}

export interface TlsServerOptions {
  /** The certificate with its chain, and its key, PEM. */
  cert: string
  key: string
  /** Authorities whose certificates are asked of clients, PEM; who has none is refused. */
  clientCa?: string
  keyLogFile?: string
  onSecret?: (line: Uint8Array) => void
  /** What TLS stands on, in place of the connection that was accepted. */
  beneath?: (connection: TcpConnection) => TcpConnection
  /** Who has not completed the handshake by then is disconnected. Default 10 s. */
  timeoutMs?: Millis
}

/** A record of a name server. `ttlSeconds`: how long it may be kept; absent where the system does not tell. */
interface NameRecord {
  readonly ttlSeconds?: number
}
export interface AddressRecord extends NameRecord {
  readonly address: string
}
/** RFC 2782. */
export interface SrvRecord extends NameRecord {
  readonly priority: number
  readonly weight: number
  readonly port: number
  /** "." where the service is decidedly not offered; empty is the same. */
  readonly target: string
}
/** RFC 3403 4.1. */
export interface NaptrRecord extends NameRecord {
  readonly order: number
  readonly preference: number
  readonly flags: string
  readonly service: string
  readonly replacement: string
}

/** Messages over a connection (RFC 6455). */
export interface WebSocketConnection {
  readonly local: TransportAddress
  readonly remote: TransportAddress
  /** Absent: no TLS. */
  readonly tls?: TlsPeer | undefined
  /** One message: text where it is UTF-8. */
  send(data: Uint8Array): void
  /** One message, text or binary; the bytes are the handler's to keep. */
  onMessage: ((data: Uint8Array) => void) | undefined
  /** Called exactly once, with an error where there was one. */
  onClose: ((error?: Error) => void) | undefined
  close(): void
  abort(): void
}

export interface WebSocketOptions {
  /** What both ends must mean to speak. */
  subprotocol: string
  /** Who sends more is disconnected. */
  maximumMessageBytes: number
  timeoutMs?: Millis
}

export interface Network {
  /** Where media sockets keep departure times: how long ahead of them datagrams should be handed over. Absent: they leave at once. */
  readonly departureLeadMs?: Millis
  interfaces(): NetworkInterface[]
  /** Port 0 lets the system choose. Rejects with NetworkError. */
  openUdp(bind: TransportAddress, options?: UdpOptions): Promise<UdpSocket>
  listenTcp(bind: TransportAddress): Promise<TcpListener>
  /** @param options.from the local address to connect from, port 0 for any; default: what routing chooses
   *  @param options.signal gives the attempt up; what waits for it is over at once */
  connectTcp(
    to: TransportAddress,
    options?: { timeoutMs?: Millis; from?: TransportAddress; signal?: AbortSignal },
  ): Promise<TcpConnection>
  /** TLS on an open connection, which must not be used otherwise any more. Rejects with NetworkError, and closes it. */
  startTls(connection: TcpConnection, options: TlsOptions): Promise<TcpConnection>
  /** Its connections have completed their handshakes. Rejects with NetworkError, or UsageError where certificate or key is none. */
  listenTls(bind: TransportAddress, options: TlsServerOptions): Promise<TcpListener>
  /** A WebSocket on an open connection, which must not be used otherwise any more: as client, at this host ("pbx.example:8088") and
   *  path ("/ws"). Rejects with NetworkError, and closes it. */
  openWebSocket(
    connection: TcpConnection,
    options: WebSocketOptions & { host: string; path: string },
  ): Promise<WebSocketConnection>
  /** The same as server, at any path. */
  acceptWebSocket(connection: TcpConnection, options: WebSocketOptions): Promise<WebSocketConnection>
  /** Addresses of a host name in order of preference; an IP literal resolves to itself. Rejects with NetworkError. */
  resolve(host: string): Promise<string[]>
  /** As `resolve`, with lifetimes. */
  resolveAddresses(host: string): Promise<AddressRecord[]>
  /** Empty where the name has no such record. Rejects with NetworkError where no name server could say so. */
  resolveSrv(name: string): Promise<SrvRecord[]>
  resolveNaptr(name: string): Promise<NaptrRecord[]>
  /** The same network, where these servers are asked for names instead of the system's. */
  withNameServers(servers: readonly TransportAddress[]): Network
  /** The local address from which the system would reach `to`; undefined where there is no route. */
  sourceAddressFor(to: TransportAddress): Promise<string | undefined>
}

/** A file read and written by position. Synchronous on purpose: pieces are small and the callers are. */
export interface RandomAccessFile {
  readonly path: string
  sizeBytes(): number
  /** Returns the bytes read, fewer than `into.length` at the end. */
  read(into: Uint8Array, position: number): number
  /** Throws UsageError in one sentence; what was to follow the end is then not there in part. */
  write(data: Uint8Array, position: number): void
  close(): void
}

export interface Files {
  /** Throws UsageError in one sentence where the file cannot be opened. */
  openForReading(path: string): RandomAccessFile
  /** Creates or truncates. Throws UsageError in one sentence.
   *  @param secret a file that is created is nobody else's to read */
  openForWriting(path: string, options?: { secret?: boolean }): RandomAccessFile
  /** At the end of a file that is created where there is none, nobody else's to read. Throws UsageError in one sentence. */
  appendSecret(path: string, text: string): void
  readText(path: string): string
  writeText(path: string, text: string): void
}

/** Another thread of the process. What is posted is cloned; a SharedArrayBuffer is shared. It keeps no process alive. */
export interface Thread {
  post(message: unknown): void
  onMessage: ((message: unknown) => void) | undefined
}

/** As the one that started it sees it. */
export interface StartedThread extends Thread {
  /** Called once; nothing is heard of it any more. */
  onEnd: (() => void) | undefined
}

export interface Runtime {
  readonly clock: Clock
  readonly network: Network
  readonly random: Random
  readonly files: Files
  /** Tells this machine from others, at each start the same; absent where nothing does. */
  readonly machine?: string
  /** Runs a module of floe's own, which exports `serve(thread: Thread)`, in another thread; resolves when `serve` has. Undefined
   *  where a thread cannot be had. Absent: there are none. */
  startThread?(module: URL): Promise<StartedThread | undefined>
}
