// What is asked of a recording, and what is answered: shared by the recognition of audio and of tones.

export interface Pcm {
  samples: Int16Array
  sampleRateHz: number
}

export interface Hearing {
  heard: boolean
  /** How alike the recording and the expected audio are where they fit best, 0 to 1. */
  score: number
  /** Where in the recording the expected audio begins; negative where its beginning is missing. */
  offsetMs: number
  /** How much was recognised of what is audible in the expected audio. */
  coveredMs: number
  /** For a person, to stand behind a colon: "audio was received, but not the tone of 440 Hz". */
  detail: string
}

export const nothingAudible: Hearing = {
  heard: false,
  score: 0,
  offsetMs: 0,
  coveredMs: 0,
  detail: 'nothing audible was received',
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
