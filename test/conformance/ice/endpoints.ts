// ICE agents on hosts of the simulated network, with their sockets and connections as in a phone: for flows and cases that RFCs and
// other implementations describe.
import { IceAgent, type IceAgentOptions, type IceEvent } from '../../../src/ice/agent.ts'
import type { RemoteIce } from '../../../src/ice/candidate.ts'
import { CoreDriver } from '../../../src/runtime/core.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { Wires } from '../../../src/wire/wires.ts'

export interface EndpointOptions extends Partial<Omit<IceAgentOptions, 'random' | 'record'>> {
  /** Components of each stream. Default one stream of one component. */
  streams?: (1 | 2)[]
  port?: number
}

export class Endpoint {
  readonly events: IceEvent[] = []
  readonly heard: string[] = []
  private readonly driver: CoreDriver<IceEvent>

  private constructor(
    readonly host: VirtualHost,
    readonly agent: IceAgent,
    private readonly wires: Wires,
    readonly streams: number,
  ) {
    this.driver = new CoreDriver(
      agent,
      host.clock,
      (datagram) => wires.transmit(datagram),
      (event) => {
        this.events.push(event)
        if (event.type === 'data') this.heard.push(textOf(event.data))
      },
    )
    wires.onDatagram = (datagram) => this.driver.drive((now) => agent.handleDatagram(now, datagram))
    wires.onClosed = (ends, reason) => this.driver.drive((now) => agent.handleClosed(now, ends, reason))
  }

  static async open(host: VirtualHost, options: EndpointOptions = {}): Promise<Endpoint> {
    const { streams = [1], port = 0, ...agentOptions } = options
    const wires = new Wires({ clock: host.clock, network: host.network })
    const agent = new IceAgent({
      controlling: true,
      stunServers: [],
      random: host.random,
      ...agentOptions,
    })
    for (const components of streams) agent.addStream(components)
    const endpoint = new Endpoint(host, agent, wires, streams.length)
    const addresses = host.interfaces().filter(({ loopback }) => !loopback)
    for (const [stream, components] of streams.entries())
      for (const { address } of addresses)
        for (const component of components === 2 ? ([1, 2] as const) : ([1] as const)) {
          const base = await wires.openUdp({ address, port })
          endpoint.drive((now) => agent.addSocket(now, { stream, component, base }))
          if (!options.tcp) continue
          const listener = await wires.listenTcp({ address, port: 0 })
          endpoint.drive((now) => agent.addTcpListener(now, { stream, component, base: listener }))
        }
    endpoint.drive((now) => agent.closeGathering(now))
    return endpoint
  }

  drive(action: (now: number) => void): void {
    this.driver.drive(action)
  }

  description(stream = 0): RemoteIce {
    return {
      ...this.agent.parameters,
      lite: false,
      options: [],
      candidates: this.agent.localCandidates(stream),
    }
  }

  hear(other: RemoteIce, stream = 0): void {
    this.drive((now) => this.agent.setRemote(now, stream, other))
  }

  /** Media on the pair in use. */
  send(text: string, stream = 0): boolean {
    let sent = false
    this.drive((now) => {
      // The first octet of an RTP packet, so that it is taken for one.
      sent = this.agent.send(now, stream, 1, Uint8Array.of(0x80, ...new TextEncoder().encode(text)))
    })
    return sent
  }

  get state(): string {
    return this.agent.state
  }

  /** "host 192.0.2.1 -> srflx 192.0.2.3" of the nominated pair. */
  get selected(): string | undefined {
    const pair = this.agent.selectedPair(0, 1)
    return pair && `${pair.local.type} ${pair.local.address} -> ${pair.remote.type} ${pair.remote.address}`
  }

  close(): void {
    this.drive((now) => this.agent.close(now))
    this.wires.close()
    this.driver.stop()
  }
}

const textOf = (data: Uint8Array): string => new TextDecoder().decode(data.subarray(1))

/** Offer and answer: R has the description of L first. */
export function exchange(l: Endpoint, r: Endpoint): void {
  for (let stream = 0; stream < Math.min(l.streams, r.streams); stream++) {
    r.hear(l.description(stream), stream)
    l.hear(r.description(stream), stream)
  }
}
