// The key stream of counter mode (RFC 3711 4.1.1; RFC 6188 for 256 bits), from the block cipher itself: one object of node:crypto for
// all packets. Packets mostly come in the order of their indices, so that the key stream of some that follow is made with that of one.
import { type Cipher, createCipheriv } from 'node:crypto'
import type { SessionKeys } from './key-derivation.ts'

const blockBytes = 16
/** Half a second to two seconds of speech. */
const blocksAhead = 512

/** What the cipher is given, for all streams: nothing waits before it has been read. */
let counters = Buffer.alloc(blocksAhead * blockBytes)

export class KeyStream {
  private readonly cipher: Cipher
  private octets: Uint8Array = new Uint8Array(0)
  /** What `octets` holds: of this source, from the first index to before the end, so many blocks for each. */
  private ssrc = 0
  private first = 0
  private end = 0
  private blocks = 1

  /** @param looksAhead false: the packets of a direction are few */
  constructor(
    private readonly keys: SessionKeys,
    keyBytes: 16 | 32,
    private readonly looksAhead: boolean,
  ) {
    this.cipher = createCipheriv(`aes-${8 * keyBytes}-ecb`, keys.cipher, null)
    this.cipher.setAutoPadding(false)
  }

  /** Exclusive-ors the octets of a packet from `from` to before `to` with its key stream, into the same place of `out`. */
  apply(ssrc: number, index: number, packet: Uint8Array, from: number, to: number, out: Uint8Array): void {
    const blocks = Math.ceil((to - from) / blockBytes)
    if (ssrc !== this.ssrc || index < this.first || index >= this.end || blocks > this.blocks)
      this.make(ssrc, index, blocks)
    const { octets } = this
    let at = (index - this.first) * this.blocks * blockBytes
    for (let i = from; i < to; i++) out[i] = packet[i]! ^ octets[at++]!
  }

  private make(ssrc: number, index: number, blocks: number): void {
    const follows = this.looksAhead && ssrc === this.ssrc && index === this.end
    this.blocks = Math.max(blocks, this.looksAhead ? this.blocks : 1)
    const packets = follows ? Math.max(1, Math.floor(blocksAhead / this.blocks)) : 1
    this.ssrc = ssrc
    this.first = index
    this.end = index + packets
    const length = packets * this.blocks * blockBytes
    if (counters.length < length) counters = Buffer.alloc(length)
    for (let at = 0, packet = 0; packet < packets; packet++)
      for (let block = 0; block < this.blocks; block++, at += blockBytes)
        this.writeCounter(at, ssrc, index + packet, block)
    this.octets = this.cipher.update(counters.subarray(0, length))
  }

  /** The salt, with the SSRC from octet 4 and the index from octet 8 on; the last two octets count blocks. */
  private writeCounter(at: number, ssrc: number, index: number, block: number): void {
    const { salt } = this.keys
    for (let i = 0; i < salt.length; i++) counters[at + i] = salt[i]!
    xorUint32(at + 4, ssrc)
    xorUint32(at + 8, Math.floor(index / 0x1_0000))
    xorUint16(at + 12, index & 0xffff)
    counters[at + 14] = block >> 8
    counters[at + 15] = block
  }
}

function xorUint16(at: number, value: number): void {
  counters[at]! ^= value >> 8
  counters[at + 1]! ^= value & 0xff
}

function xorUint32(at: number, value: number): void {
  xorUint16(at, value >>> 16)
  xorUint16(at + 2, value & 0xffff)
}
