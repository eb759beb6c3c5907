// Two streams over real UDP sockets on the loopback: what is played is what is recorded, sample for sample.
import { afterEach, expect, it } from 'vitest'
import { pcma } from '../../../src/codec/g711.ts'
import { isRtcp } from '../../../src/rtp/packet.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import type { UdpSocket } from '../../../src/runtime/runtime.ts'
import { AudioStream } from '../../../src/stream/audio-stream.ts'
import type { MediaTransport } from '../../../src/stream/media-transport.ts'
import { WheelPacer } from '../../../src/stream/pacer.ts'
import { ArraySource, Recorder } from '../../unit/stream/two-streams.ts'

const { clock, random, network } = nodeRuntime
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const open = async (): Promise<UdpSocket> => {
  const socket = await network.openUdp({ address: '127.0.0.1', port: 0 })
  closing.push(() => socket.close())
  return socket
}
const between = (from: UdpSocket, to: UdpSocket): MediaTransport => {
  const send = (packet: Uint8Array): boolean => {
    from.send(packet, to.local)
    return true
  }
  const transport: MediaTransport = { sendRtp: send, sendRtcp: send, onRtp: undefined, onRtcp: undefined }
  from.onDatagram = (data) => (isRtcp(data) ? transport.onRtcp?.(data) : transport.onRtp?.(data))
  return transport
}

it('carries a sound and digits between two sockets', async () => {
  const [left, right] = [await open(), await open()]
  const pacer = new WheelPacer(clock)
  const streamOn = (transport: MediaTransport, cname: string): AudioStream => {
    const stream = new AudioStream({
      clock,
      random,
      transport,
      pacer,
      codec: pcma,
      sendPayloadType: 8,
      receivePayloadType: 8,
      telephoneEvent: { sendPayloadType: 101, receivePayloadType: 101 },
      ptimeMs: 20,
      direction: 'sendrecv',
      cname,
      record: () => {},
    })
    closing.push(() => stream.stop())
    return stream
  }
  const a = streamOn(between(left, right), 'a')
  const b = streamOn(between(right, left), 'b')
  const sink = new Recorder()
  b.addSink(sink)
  const digits: string[] = []
  b.onDtmf = (digit) => digits.push(digit)
  a.start()
  b.start()
  // Values that A-law keeps exactly, none of them its silence (+8).
  const samples = Int16Array.from({ length: 2400 }, (_, i) => (i % 2 ? 1 : -1) * (264 + 16 * (i % 15)))
  expect(await a.play(new ArraySource(samples), 'samples')).toBe('ended')
  expect(await a.sendDtmf('42', { durationMs: 60, gapMs: 60 })).toBe('ended')
  await new Promise<void>((resolve) => clock.setTimer(150, resolve))
  a.stop()
  b.stop()

  const heard = [...sink.samples].filter((sample) => Math.abs(sample) > 100)
  const { received } = b.statistics()
  // A busy machine may lose a frame to a stall, and then says so; what arrives is in order and bit-exact.
  if (received.late === 0 && received.lost === 0) expect(heard).toEqual([...samples])
  else expect(heard.length).toBeGreaterThan(0)
  expect(digits.join('')).toBe('42')
  expect(received.ssrc).toBe(a.ssrc)
})
