// Encoders in a thread of their own: every frame that has been handed over is encoded, in turn; then the thread sleeps until its bell
// is rung. The other end is threaded-encoder.ts.
import type { Thread } from '../runtime/runtime.ts'
import type { Encoder } from './codec.ts'
import { EncoderPlace, placeIs, type ToEncoderThread } from './encoder-place.ts'
import { codecByName, codecs } from './registry.ts'

/** What the thread is started for. */
export async function serve(thread: Thread): Promise<void> {
  await Promise.all(codecs.map((codec) => codec.load?.()))
  const encoders = new Map<number, { encoder: Encoder; place: EncoderPlace }>()

  /** @param rung the bell's word, read before messages were heard last: what came since then ends the sleep */
  const work = (bell: Int32Array, rung: number): void => {
    for (const { encoder, place } of encoders.values()) {
      if (place.state !== placeIs.frame) continue
      place.packetBytes = encoder.encode(place.frame, place.packet)
      place.state = placeIs.packet
    }
    Atomics.wait(bell, 0, rung)
    setImmediate(work, bell, Atomics.load(bell, 0))
  }

  thread.onMessage = (data) => {
    const message = data as ToEncoderThread
    if ('bell' in message) {
      const bell = new Int32Array(message.bell)
      setImmediate(work, bell, Atomics.load(bell, 0))
    } else if ('open' in message) {
      const encoder = codecByName(message.codec)?.createEncoder(message.fmtp)
      if (encoder) encoders.set(message.open, { encoder, place: new EncoderPlace(message.memory) })
    } else if ('tell' in message) encoders.get(message.tell)?.encoder.expectLoss?.(message.expectLoss)
    else {
      encoders.get(message.close)?.encoder.close?.()
      encoders.delete(message.close)
    }
  }
}
