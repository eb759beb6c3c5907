// The media paths of one call, one after the other: after an ICE restart (RFC 8445 9) media stays on the path that works until
// the new one does, and what is still on its way over the old one is received for a moment longer. To the stream above it is
// one transport.
import { IceFailed } from '../errors.ts'
import type { Clock, Millis, Timer } from '../runtime/runtime.ts'
import type { MediaTransport } from '../stream/media-transport.ts'
import { Deferred } from './deferred.ts'
import type { MediaPath, PathFailure } from './media-path.ts'

/** How long a path that has been replaced still receives. */
const graceMs = 2_000
/** No packet for so long is an interruption that a listener notices. */
export const interruptionMs = 1_000

export class PathSuccession implements MediaTransport {
  onRtp: MediaTransport['onRtp']
  onRtcp: MediaTransport['onRtcp']
  onDtls: ((record: Uint8Array, component: 1 | 2) => void) | undefined
  /** The path in use has become usable, has failed, or is another one. */
  onChange: (() => void) | undefined
  onProbed: ((alive: boolean) => void) | undefined
  onTrouble: (() => void) | undefined
  /** Media is back after so long without a packet. */
  onResumed: ((silentMs: Millis) => void) | undefined

  /** What media uses. */
  current: MediaPath | undefined
  /** What shall take its place. */
  next: MediaPath | undefined
  /** When the last packet of media came; at first when the call began. */
  heardAt: Millis = 0
  private nextWorks: Deferred<void> | undefined
  private readonly leaving = new Map<MediaPath, Timer>()
  private closed = false

  constructor(private readonly clock: Clock) {
    this.heardAt = clock.now()
  }

  /** The one that descriptions are about. */
  get newest(): MediaPath | undefined {
    return this.next ?? this.current
  }

  get failure(): PathFailure | undefined {
    return this.current?.failure
  }

  begin(path: MediaPath): void {
    this.connect(path)
    this.current = path
  }

  /** A path that takes over as soon as it works. */
  bringUp(path: MediaPath): void {
    this.dropNext('another path takes its place')
    this.connect(path)
    this.next = path
    this.nextWorks = new Deferred<void>()
  }

  /** Resolves when the path that was brought up last carries media; rejects with IceFailed where it never will. */
  async takenOver(): Promise<void> {
    await this.nextWorks?.promise
  }

  dropNext(reason: string): void {
    const { next } = this
    if (!next) return
    this.next = undefined
    next.close()
    this.nextWorks?.reject(new IceFailed(`the new path came to nothing: ${reason}`, []))
  }

  sendRtp(packet: Uint8Array, departAt?: Millis): boolean {
    return this.current?.sendRtp(packet, departAt) ?? false
  }

  sendRtcp(packet: Uint8Array, departAt?: Millis): boolean {
    return this.current?.sendRtcp(packet, departAt) ?? false
  }

  /** An ICE restart keeps the keys (RFC 8842 3.2): the handshake goes on over whatever path there is. */
  sendDtls(record: Uint8Array, component: 1 | 2): boolean {
    return this.current?.sendDtls(record, component) ?? false
  }

  close(): void {
    this.closed = true
    this.dropNext('the call has ended')
    this.current?.close()
    for (const [path, timer] of this.leaving) {
      timer.cancel()
      path.close()
    }
    this.leaving.clear()
  }

  private connect(path: MediaPath): void {
    path.onRtp = (packet, arrivedAt) => {
      this.heard(arrivedAt ?? this.clock.now())
      this.onRtp?.(packet, arrivedAt)
    }
    path.onRtcp = (packet, arrivedAt) => this.onRtcp?.(packet, arrivedAt)
    path.onDtls = (record, component) => this.onDtls?.(record, component)
    path.onChange = () => this.changed(path)
    path.onProbed = (alive) => path === this.current && this.onProbed?.(alive)
    path.onTrouble = () => path === this.current && this.onTrouble?.()
  }

  private heard(now: Millis): void {
    const silentMs = now - this.heardAt
    this.heardAt = now
    if (silentMs > interruptionMs) this.onResumed?.(silentMs)
  }

  private changed(path: MediaPath): void {
    if (this.closed) return
    if (path === this.next) {
      if (path.failure) this.dropNext(path.failure.type === 'failed' ? path.failure.reason : 'consent lost')
      else if (path.isUsable) this.takeOver(path)
      else return
    }
    if (path === this.current || !this.next) this.onChange?.()
  }

  private takeOver(path: MediaPath): void {
    const old = this.current
    this.current = path
    this.next = undefined
    this.nextWorks?.resolve()
    if (!old) return
    const timer = this.clock.setTimer(graceMs, () => {
      this.leaving.delete(old)
      old.close()
    })
    this.leaving.set(old, timer)
  }
}
