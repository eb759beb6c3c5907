// CRC-32 of ITU-T V.42 (polynomial 0x04C11DB7, reflected), which FINGERPRINT uses (RFC 8489 14.7).

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** Of the octets before `end`; unsigned. */
export function crc32(bytes: Uint8Array, end: number): number {
  let crc = 0xffffffff
  for (let i = 0; i < end; i++) crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
