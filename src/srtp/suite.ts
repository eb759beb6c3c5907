// The protection profiles of SRTP that floe speaks, by the names of SDP security descriptions (RFC 4568 6.2, RFC 6188 6,
// RFC 7714 14.2) and the numbers of DTLS-SRTP (RFC 5764 4.1.2, RFC 7714 14.2). Leaves out NULL, F8, SEED, ARIA and short tags of GCM.

export interface SrtpSuite {
  readonly name: string
  /** In the use_srtp extension; the 256-bit counter mode has none. */
  readonly dtlsProfile?: number
  readonly mode: 'counter' | 'gcm'
  readonly keyBytes: 16 | 32
  /** Of the master salt and of the session salts. */
  readonly saltBytes: 12 | 14
  readonly rtpTagBytes: 4 | 10 | 16
  /** RFC 4568 6.2.2: a short tag is for RTP alone. */
  readonly rtcpTagBytes: 10 | 16
}

const counter = { mode: 'counter', saltBytes: 14, rtcpTagBytes: 10 } as const
const gcm = { mode: 'gcm', saltBytes: 12, rtpTagBytes: 16, rtcpTagBytes: 16 } as const

/** The strongest first, of those that as many peers as possible can do. */
export const srtpSuites: readonly SrtpSuite[] = [
  { name: 'AEAD_AES_256_GCM', dtlsProfile: 0x0008, ...gcm, keyBytes: 32 },
  { name: 'AEAD_AES_128_GCM', dtlsProfile: 0x0007, ...gcm, keyBytes: 16 },
  { name: 'AES_256_CM_HMAC_SHA1_80', ...counter, keyBytes: 32, rtpTagBytes: 10 },
  { name: 'AES_CM_128_HMAC_SHA1_80', dtlsProfile: 0x0001, ...counter, keyBytes: 16, rtpTagBytes: 10 },
  { name: 'AES_256_CM_HMAC_SHA1_32', ...counter, keyBytes: 32, rtpTagBytes: 4 },
  { name: 'AES_CM_128_HMAC_SHA1_32', dtlsProfile: 0x0002, ...counter, keyBytes: 16, rtpTagBytes: 4 },
]

export const suiteByName = (name: string): SrtpSuite | undefined =>
  srtpSuites.find((suite) => suite.name === name.toUpperCase())

/** What both ends of one direction share. */
export interface MasterKey {
  readonly suite: SrtpSuite
  readonly key: Uint8Array
  readonly salt: Uint8Array
  /** Master key identifier (RFC 3711 3.1), which then follows the packet; RTP and RTCP alike. */
  readonly mki?: Uint8Array
}
