// What a program gives to be played: a text (open-sound.ts), a source of its own, or several of either at once.
import type { AudioSource } from '../audio/frames.ts'
import { mixed } from '../audio/mixed-source.ts'
import type { Files } from '../runtime/runtime.ts'
import { type OpenedSound, openSound, type SoundOptions } from './open-sound.ts'

/** One of several sounds. */
export interface MixedSound extends SoundOptions {
  source: string | AudioSource
  /** Default 0. */
  gainDb?: number
  /** The mix does not go on for this one: music ends with the speech that is over it. */
  background?: boolean
}

export type Playable = string | AudioSource | readonly (string | AudioSource | MixedSound)[]

/** @throws UsageError in one sentence */
export function openPlayable(what: Playable, files: Files, options: SoundOptions = {}): OpenedSound {
  if (typeof what === 'string') return openSound(what, files, options)
  if ('read' in what) return { at: () => what, close: () => what.close() }
  return openMix(what, files)
}

function openMix(inputs: Exclude<Playable, string | AudioSource>, files: Files): OpenedSound {
  const opened: (Omit<MixedSound, 'source'> & { sound: OpenedSound })[] = []
  const close = (): void => {
    for (const { sound } of opened) sound.close()
  }
  try {
    for (const input of inputs) {
      const { source, ...options } =
        typeof input === 'object' && 'source' in input ? input : { source: input }
      opened.push({ ...options, sound: openPlayable(source, files, options) })
    }
  } catch (error) {
    close()
    throw error
  }
  const ready = Promise.all(opened.map(({ sound }) => sound.ready)).then(() => undefined)
  // Who never plays it need not hear of it.
  ready.catch(() => undefined)
  return {
    at: (sampleRateHz) =>
      mixed(opened.map(({ sound, ...how }) => ({ ...how, source: sound.at(sampleRateHz) }))),
    ready,
    close,
  }
}
