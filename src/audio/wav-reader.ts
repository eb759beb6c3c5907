// Reads a WAV file (RIFF, or RF64 or BW64 for more than 4 GB) piece by piece as mono 16-bit PCM at the file's own rate: integer PCM of
// 8, 16, 24 and 32 bits, floats of 32 and 64 bits, A-law and mu-law, any number of channels (mixed down to their mean).
// Takes what there is of a file that was cut short, and what comes while it is played where its length is not known. Leaves out
// compressed formats, loops and cue points.
import { UsageError } from '../errors.ts'
import type { RandomAccessFile } from '../runtime/runtime.ts'
import { aLaw, muLaw } from './companding.ts'
import type { RewindableSource } from './frames.ts'

const formatPcm = 1
const formatFloat = 3
const formatALaw = 6
const formatMuLaw = 7
/** WAVE_FORMAT_EXTENSIBLE: the true format is in the first two octets of the sub-format GUID. */
const formatExtensible = 0xfffe
/** What a chunk's size says where the true one is unknown (a pipe) or in the ds64 chunk (RF64). */
const sizeUnknown = 0xffff_ffff
/** Read from the file in one go, at most. */
const pieceBytes = 32_768
/** No WAV has more chunks before its audio; a file of thousands of empty chunks is not worth our time. */
const maximumChunks = 1000
const maximumRateHz = 768_000
const maximumChannels = 256

/** One sample at an offset, on the scale of 16 bits, not yet rounded. */
type SampleAt = (view: DataView, offset: number) => number

interface Format {
  name: string
  sampleRateHz: number
  channels: number
  bytesPerSample: number
  sampleAt: SampleAt
}

/** floats: full scale is 1. What is not a number is silence. */
const fromFloat = (value: number): number => (Number.isNaN(value) ? 0 : value * 32_768)

const encodings: Record<string, { name: string; sampleAt: SampleAt }> = {
  [`${formatPcm}/8`]: { name: 'PCM 8 bit', sampleAt: (v, o) => (v.getUint8(o) - 128) * 256 },
  [`${formatPcm}/16`]: { name: 'PCM 16 bit', sampleAt: (v, o) => v.getInt16(o, true) },
  [`${formatPcm}/24`]: {
    name: 'PCM 24 bit',
    sampleAt: (v, o) => v.getInt16(o + 1, true) + v.getUint8(o) / 256,
  },
  [`${formatPcm}/32`]: { name: 'PCM 32 bit', sampleAt: (v, o) => v.getInt32(o, true) / 65_536 },
  [`${formatFloat}/32`]: { name: 'float 32 bit', sampleAt: (v, o) => fromFloat(v.getFloat32(o, true)) },
  [`${formatFloat}/64`]: { name: 'float 64 bit', sampleAt: (v, o) => fromFloat(v.getFloat64(o, true)) },
  [`${formatALaw}/8`]: { name: 'A-law', sampleAt: (v, o) => aLaw.sampleOf[v.getUint8(o)]! },
  [`${formatMuLaw}/8`]: { name: 'mu-law', sampleAt: (v, o) => muLaw.sampleOf[v.getUint8(o)]! },
}

export class WavReader implements RewindableSource {
  readonly sampleRateHz: number
  /** In the file; what is read is mono. */
  readonly channels: number
  /** "PCM 16 bit", "A-law", ... */
  readonly encoding: string
  /** As the file was when it was opened. */
  readonly totalSamples: number
  /** Where to stop; a file of unknown length may grow. */
  private readonly endSample: number
  private readonly format: Format
  private readonly dataStart: number
  private readonly view: DataView
  private readonly piece: Uint8Array
  private position = 0

  /** Takes the file over and closes it.
   *  @throws UsageError in one sentence where it is not a WAV file that floe can read; the file is closed then */
  constructor(private readonly file: RandomAccessFile) {
    try {
      const { format, dataStart, dataBytes, mayGrow } = readHeader(file)
      this.format = format
      this.dataStart = dataStart
      this.sampleRateHz = format.sampleRateHz
      this.channels = format.channels
      this.encoding = format.name
      const blockBytes = format.bytesPerSample * format.channels
      this.totalSamples = Math.floor(dataBytes / blockBytes)
      this.endSample = mayGrow ? Number.POSITIVE_INFINITY : this.totalSamples
      this.piece = new Uint8Array(Math.ceil(pieceBytes / blockBytes) * blockBytes)
      this.view = new DataView(this.piece.buffer)
    } catch (error) {
      file.close()
      throw error
    }
  }

  get durationMs(): number {
    return (this.totalSamples / this.sampleRateHz) * 1000
  }

  read(into: Int16Array): number {
    const { channels, bytesPerSample, sampleAt } = this.format
    const blockBytes = channels * bytesPerSample
    let written = 0
    while (written < into.length && this.position < this.endSample) {
      const wanted = Math.min(into.length - written, this.endSample - this.position) * blockBytes
      const piece = this.piece.subarray(0, Math.min(wanted, this.piece.length))
      const blocks = Math.floor(
        this.file.read(piece, this.dataStart + this.position * blockBytes) / blockBytes,
      )
      if (blocks === 0) break
      for (let block = 0, offset = 0; block < blocks; block++) {
        let sum = 0
        for (let channel = 0; channel < channels; channel++, offset += bytesPerSample) {
          sum += sampleAt(this.view, offset)
        }
        into[written++] = Math.max(-32_768, Math.min(32_767, Math.round(sum / channels)))
      }
      this.position += blocks
    }
    return written
  }

  rewind(): void {
    this.position = 0
  }

  close(): void {
    this.file.close()
  }
}

interface Header {
  format: Format
  dataStart: number
  /** That are there. */
  dataBytes: number
  /** Its writer did not say where it ends, and may not have ended. */
  mayGrow: boolean
}

function readHeader(file: RandomAccessFile): Header {
  const bad = (what: string): UsageError => new UsageError(`${file.path} cannot be played: ${what}.`)
  const sizeBytes = file.sizeBytes()
  const bytes = (position: number, length: number): DataView => {
    const into = new Uint8Array(length)
    return new DataView(into.buffer, 0, file.read(into, position))
  }
  const riff = bytes(0, 12)
  if (riff.byteLength === 0) throw bad('the file is empty')
  const magic = riff.byteLength === 12 ? text(riff, 0) : ''
  // BW64 is RF64 with chunks of its own (ITU-R BS.2088).
  if (!['RIFF', 'RF64', 'BW64'].includes(magic) || text(riff, 8) !== 'WAVE') {
    throw bad('it is not a WAV file; convert it first, for instance with "sox input output.wav"')
  }
  const riffUnfinished = [0, sizeUnknown].includes(riff.getUint32(4, true))
  let format: Format | undefined
  let size64: number | undefined
  let position = 12
  for (let chunk = 0; chunk < maximumChunks && position + 8 <= sizeBytes; chunk++) {
    const head = bytes(position, 8)
    if (head.byteLength < 8) break
    const id = text(head, 0)
    const declared = head.getUint32(4, true)
    position += 8
    if (id === 'fmt ') {
      format = readFormat(bytes(position, Math.min(declared, 40)), bad)
    } else if (id === 'ds64') {
      const sizes = bytes(position, 16)
      if (sizes.byteLength === 16) size64 = Number(sizes.getBigUint64(8, true))
    } else if (id === 'data') {
      if (!format) throw bad('its audio comes before the description of its format')
      const unknown = declared === sizeUnknown || (declared === 0 && riffUnfinished)
      const present = sizeBytes - position
      const said = unknown ? size64 : declared
      return {
        format,
        dataStart: position,
        dataBytes: Math.min(said ?? present, present),
        mayGrow: said === undefined,
      }
    }
    position += declared + (declared & 1)
  }
  throw bad(format ? 'it has no audio data' : 'the description of its format is missing')
}

function readFormat(chunk: DataView, bad: (what: string) => UsageError): Format {
  if (chunk.byteLength < 16) throw bad('the description of its format is cut short')
  let tag = chunk.getUint16(0, true)
  const channels = chunk.getUint16(2, true)
  const sampleRateHz = chunk.getUint32(4, true)
  const blockBytes = chunk.getUint16(12, true)
  const bits = chunk.getUint16(14, true)
  if (tag === formatExtensible) {
    if (chunk.byteLength < 26) throw bad('the description of its format is cut short')
    tag = chunk.getUint16(24, true)
  }
  const encoding = encodings[`${tag}/${bits}`]
  if (!encoding) {
    throw bad(
      `its format (tag ${tag}, ${bits} bits) is none of PCM, float, A-law and mu-law; convert it to 16-bit PCM`,
    )
  }
  if (channels < 1 || channels > maximumChannels) throw bad(`it says it has ${channels} channels`)
  if (sampleRateHz < 1000 || sampleRateHz > maximumRateHz)
    throw bad(`its sample rate of ${sampleRateHz} Hz is out of range`)
  const bytesPerSample = bits / 8
  if (blockBytes !== bytesPerSample * channels) {
    throw bad(`${channels} channels of ${bits} bits do not make blocks of ${blockBytes} octets`)
  }
  return { name: encoding.name, sampleRateHz, channels, bytesPerSample, sampleAt: encoding.sampleAt }
}

const text = (view: DataView, offset: number): string =>
  String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(offset + i)))
