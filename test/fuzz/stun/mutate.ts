// Damaged datagrams from sound ones: flipped bits, cut, stretched and overwritten octets, with the length field repaired
// half of the time so that the damage reaches beyond the header's checks.
import type { Random } from '../../../src/runtime/runtime.ts'

export function mutate(sound: Uint8Array, random: Random): Uint8Array {
  let bytes = sound.slice()
  const changes = 1 + random.integer(4)
  for (let i = 0; i < changes; i++) {
    const at = random.integer(Math.max(1, bytes.length))
    switch (random.integer(5)) {
      case 0:
        bytes[at]! ^= 1 << random.integer(8)
        break
      case 1:
        bytes[at] = random.integer(256)
        break
      case 2:
        bytes = bytes.slice(0, at)
        break
      case 3:
        bytes = Uint8Array.of(
          ...bytes.subarray(0, at),
          ...random.bytes(4 * random.integer(8)),
          ...bytes.subarray(at),
        )
        break
      case 4:
        // A length that lies is what parsers fall for.
        bytes.set([random.integer(2) * 0xff, random.integer(256)].slice(0, bytes.length - at), at)
        break
    }
  }
  if (bytes.length >= 20 && random.integer(2) === 0) repairLength(bytes)
  return bytes
}

/** Half of them with the header of a STUN message. */
export function randomDatagram(random: Random): Uint8Array {
  const bytes = random.bytes(random.integer(200))
  if (bytes.length >= 20 && random.integer(2) === 0) {
    bytes[0]! &= 0x03
    bytes.set([0x21, 0x12, 0xa4, 0x42], 4)
    repairLength(bytes)
  }
  return bytes
}

function repairLength(bytes: Uint8Array): void {
  bytes[2] = (bytes.length - 20) >> 8
  bytes[3] = (bytes.length - 20) & 0xff
}
