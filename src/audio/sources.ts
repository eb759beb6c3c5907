// Sources made of sources: limited in time, one after the other, over and over; and a source over samples in memory.
import { type AudioSource, type EncodedSource, isEncoded, type RewindableSource } from './frames.ts'
import { inOneGo, type Steps } from './steps.ts'

/** Taken from a source that is read as a whole. */
const pieceSamples = 2048

/** A view of what is not filled yet; none is made where that is all. */
const rest = (samples: Int16Array, filled: number): Int16Array =>
  filled === 0 ? samples : samples.subarray(filled)

/** Ends after `durationMs`, or earlier where the source does. */
export function limited(source: AudioSource, durationMs: number): AudioSource {
  let left = Math.round((source.sampleRateHz * durationMs) / 1000)
  return {
    sampleRateHz: source.sampleRateHz,
    read(into) {
      const length = source.read(left < into.length ? into.subarray(0, left) : into)
      left -= length
      return length
    },
    close: () => source.close(),
  }
}

/** One after the other without a gap. Each is opened when its turn comes and closed when it has ended. */
export function sequence(sampleRateHz: number, open: readonly (() => AudioSource)[]): AudioSource {
  let next = 0
  let current: AudioSource | undefined
  return {
    sampleRateHz,
    read(into) {
      let written = 0
      while (written < into.length) {
        current ??= open[next++]?.()
        if (!current) break
        written += current.read(rest(into, written))
        if (written < into.length) {
          current.close()
          current = undefined
        }
      }
      return written
    },
    close() {
      current?.close()
      current = undefined
      next = open.length
    },
  }
}

/** Over and over: `open` is called for each round. Ends where a round is empty. */
export function repeated(open: () => AudioSource): AudioSource {
  let current = open()
  const { sampleRateHz } = current
  let closed = false
  return {
    sampleRateHz,
    read(into) {
      let written = 0
      let reopened = false
      while (written < into.length && !closed) {
        const length = current.read(rest(into, written))
        written += length
        if (written === into.length) break
        if (length === 0 && reopened) break
        reopened = true
        current.close()
        current = open()
      }
      return written
    },
    close() {
      closed = true
      current.close()
    },
  }
}

/** Over and over, the last sample of a round followed by the first of the next. Ends where there are none. */
export function looped(source: RewindableSource): AudioSource {
  let closed = false
  return {
    sampleRateHz: source.sampleRateHz,
    read(into) {
      let written = 0
      let wasEmpty = false
      while (!closed) {
        const length = source.read(rest(into, written))
        written += length
        if (written === into.length || (length === 0 && wasEmpty)) break
        wasEmpty = length === 0
        source.rewind()
      }
      return written
    },
    close() {
      closed = true
      source.close()
    },
    ...(isEncoded(source) && {
      encoding: source.encoding,
      readPacket: (...options: Parameters<EncodedSource['readPacket']>) => source.readPacket(...options),
    }),
  }
}

/** Samples in memory; they are not copied. */
export function samplesSource(pcm: Int16Array, sampleRateHz: number): AudioSource {
  let position = 0
  return {
    sampleRateHz,
    read(into) {
      const length = Math.min(into.length, pcm.length - position)
      for (let i = 0; i < length; i++) into[i] = pcm[position + i]!
      position += length
      return length
    },
    close() {},
  }
}

/** Everything that is left of a source, up to `maximumMs`; closes it. */
export function readAll(source: AudioSource, maximumMs: number): Int16Array {
  return inOneGo(readAllInSteps(source, maximumMs))
}

export function* readAllInSteps(source: AudioSource, maximumMs: number): Steps<Int16Array> {
  const maximumSamples = Math.ceil((source.sampleRateHz * maximumMs) / 1000)
  const pieces: Int16Array[] = []
  let total = 0
  while (total < maximumSamples) {
    const piece = new Int16Array(Math.min(pieceSamples, maximumSamples - total))
    const length = source.read(piece)
    pieces.push(piece.subarray(0, length))
    total += length
    if (length < piece.length) break
    yield
  }
  source.close()
  const pcm = new Int16Array(total)
  let position = 0
  for (const piece of pieces) {
    pcm.set(piece, position)
    position += piece.length
  }
  return pcm
}
