// What a TURN server gives (RFC 8656) over one transport: an allocation, how fast, and whether what is sent to its relayed address
// comes back. The allocation is given back at the end.
import type { TransportAddress } from '../runtime/address.ts'
import { CoreDriver } from '../runtime/core.ts'
import type { Millis, Timer } from '../runtime/runtime.ts'
import { nameOf } from '../turn/refusals.ts'
import type { TurnServer } from '../turn/server.ts'
import { TurnClient, type TurnEvent } from '../turn/turn-client.ts'
import type { HttpProxy } from '../wire/http-proxy.ts'
import { Wires } from '../wire/wires.ts'
import { connectLimitMs, type Kit, probeLimitMs } from './kit.ts'

export type RelayOutcome =
  | {
      type: 'allocated'
      afterMs: Millis
      relayed: readonly TransportAddress[]
      /** How our own data came back: after so long, not at all, or refused by the server with this code. */
      echo: { ms: Millis } | 'silent' | { code: number }
    }
  | { type: 'failed'; reason: string; code?: number }

export interface RelayPath {
  proxy?: HttpProxy
  tls: { ca?: string }
}

/** Data is sent again so often, and waited for so long. */
const echoIntervalMs: Millis = 300
const echoTries = 5
const anywhere = { 4: '0.0.0.0', 6: '::' } as const

/** Rejects with NetworkError where no socket can be opened. */
export async function askRelay(kit: Kit, server: TurnServer, path: RelayPath): Promise<RelayOutcome> {
  const { clock, network, random } = kit
  const proxied = path.proxy !== undefined && server.transport !== 'udp'
  const source = proxied ? anywhere[4] : await kit.sourceFor(server.address)
  if (source === undefined)
    return {
      type: 'failed',
      reason: `there is no route to ${server.address.address}: check the address and the interfaces`,
    }
  const wires = new Wires({
    clock,
    network,
    tls: path.tls,
    connectTimeoutMs: connectLimitMs,
    ...(path.proxy && { proxy: path.proxy }),
  })
  const local =
    server.transport === 'udp'
      ? await wires.openUdp({ address: source, port: 0 })
      : { address: source, port: 1 }
  return new Promise((resolve) => {
    const startedAt = clock.now()
    const client = new TurnClient({ server, local, random })
    const echo = new Echo(
      kit,
      client,
      (act) => driver.drive(act),
      (result) => {
        if (allocated) finish({ type: 'allocated', ...allocated, echo: result })
      },
    )
    let allocated: { afterMs: Millis; relayed: readonly TransportAddress[] } | undefined
    const finish = (outcome: RelayOutcome): void => {
      limit.cancel()
      forget()
      echo.stop()
      driver.stop()
      client.close(clock.now())
      for (let d = client.pollTransmit(); d; d = client.pollTransmit()) wires.transmit(d)
      wires.close()
      resolve(outcome)
    }
    const onEvent = (event: TurnEvent): void => {
      if (event.type === 'failed') {
        const { reason, code } = event
        finish({ type: 'failed', reason, ...(code !== undefined && { code }) })
      } else if (event.type === 'allocated') {
        allocated = { afterMs: clock.now() - startedAt, relayed: event.relayed }
        limit.cancel()
        echo.begin(event.relayed[0]!)
      } else if (event.type === 'data') echo.receive(event.data)
      else echo.refused(event.code)
    }
    const driver = new CoreDriver(client, clock, (datagram) => wires.transmit(datagram), onEvent)
    wires.onDatagram = (datagram) => driver.drive((now) => client.handleDatagram(now, datagram))
    wires.onClosed = ({ remote }, reason) => driver.drive((now) => client.handleClosed(now, reason, remote))
    const tooLong = `${nameOf(server)} did not answer within ${probeLimitMs / 1000} s: check the port and the firewalls`
    const limit = clock.setTimer(probeLimitMs, () => finish({ type: 'failed', reason: tooLong }))
    const forget = kit.onGiveUp(() => finish({ type: 'failed', reason: 'given up' }))
    driver.drive((now) => client.allocate(now))
  })
}

/** Data from the relayed address to itself: it leaves the relay and comes in again as any peer's would. */
class Echo {
  private readonly sentAt: Millis[] = []
  private timer: Timer | undefined
  private readonly mark: Uint8Array

  constructor(
    private readonly kit: Kit,
    private readonly client: TurnClient,
    private readonly drive: (act: (now: Millis) => void) => void,
    private readonly done: (result: { ms: Millis } | 'silent' | { code: number }) => void,
  ) {
    this.mark = kit.random.bytes(16)
  }

  begin(relayed: TransportAddress): void {
    this.timer = this.kit.clock.setTimer(this.sentAt.length === 0 ? 0 : echoIntervalMs, () => {
      if (this.sentAt.length === echoTries) {
        this.done('silent')
        return
      }
      const data = Uint8Array.of(this.sentAt.length, ...this.mark)
      this.sentAt.push(this.kit.clock.now())
      this.begin(relayed)
      this.drive((now) => this.client.send(now, data, relayed))
    })
  }

  receive(data: Uint8Array): void {
    const sentAt = this.sentAt[data[0] ?? echoTries]
    const isOurs =
      data.length === this.mark.length + 1 && this.mark.every((octet, i) => octet === data[i + 1])
    if (isOurs && sentAt !== undefined) this.done({ ms: this.kit.clock.now() - sentAt })
  }

  refused(code: number): void {
    this.done({ code })
  }

  stop(): void {
    this.timer?.cancel()
  }
}
