// ChannelData messages (RFC 8656 12.4): four octets of channel number and length before the data. On a stream they are padded
// to a multiple of four; over UDP they need not be (12.5).

/** RFC 8656 12: what a client may bind; 0x5000 and up are reserved. */
export const firstChannel = 0x4000
export const lastChannel = 0x4fff
const channelHeaderBytes = 4

/** RFC 8656 12: a datagram from the server is ChannelData or STUN, as its first two bits say. */
export const isChannelData = (bytes: Uint8Array): boolean =>
  bytes.length >= channelHeaderBytes && bytes[0]! >> 4 === 4

export function writeChannelData(channel: number, data: Uint8Array, padded: boolean): Uint8Array {
  const { length } = data
  const bytes = new Uint8Array(channelHeaderBytes + (padded ? (length + 3) & ~3 : length))
  bytes[0] = channel >> 8
  bytes[1] = channel & 0xff
  bytes[2] = length >> 8
  bytes[3] = length & 0xff
  bytes.set(data, channelHeaderBytes)
  return bytes
}

export const channelOf = (bytes: Uint8Array): number => (bytes[0]! << 8) | bytes[1]!

/** The data, a view of the message; undefined where its length reaches beyond the message (RFC 8656 12.6: discard). */
export function channelPayload(bytes: Uint8Array): Uint8Array | undefined {
  const end = channelHeaderBytes + ((bytes[2]! << 8) | bytes[3]!)
  return end <= bytes.length ? bytes.subarray(channelHeaderBytes, end) : undefined
}
