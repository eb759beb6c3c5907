// A throw-away rtpengine in user space, at an address of its own so that media that passes it is told from media that does not.
import { createSocket } from 'node:dgram'
import { expect } from 'vitest'
import type { Call } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { freePort, PeerProcess, peerHost } from './process.ts'

/** The namespace has it beside `peerHost`. */
const relayHost = '10.99.0.2'

/** @returns host:port where it takes commands (the ng protocol, over UDP) */
export async function startRtpengine(scene: Scene): Promise<string> {
  const control = `${peerHost}:${await freePort()}`
  await PeerProcess.start(scene, {
    name: 'rtpengine',
    program: 'rtpengine',
    args: [
      ...['-f', '-E', '--config-file=none', '--table=-1', '-L', '5', '--num-threads=2', '--timeout=60'],
      ...[`--interface=${relayHost}`, `--listen-ng=${control}`, '-m', '29000', '-M', '29199'],
    ],
    ready: () => answers(control),
  })
  return control
}

/** The media of the calls comes from it. */
export function expectRelayed(...calls: readonly Call[]): void {
  for (const { trace } of calls) {
    const from = trace.facts.flatMap((fact) =>
      fact.layer === 'rtp' && fact.type === 'first-received' ? [fact.from.address] : [],
    )
    expect(new Set(from)).toEqual(new Set([relayHost]))
  }
}

async function answers(control: string): Promise<boolean> {
  const [host = '', port] = control.split(':')
  const socket = createSocket('udp4')
  try {
    socket.send('row d7:command4:pinge', Number(port), host)
    return await new Promise((resolve) => {
      socket.once('message', (reply) => resolve(reply.includes('pong')))
      socket.once('error', () => resolve(false))
      setTimeout(() => resolve(false), 200)
    })
  } finally {
    socket.close()
  }
}
