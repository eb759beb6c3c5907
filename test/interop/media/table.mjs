// What the rows about media have proved, as lines of Markdown for the README and the terminal: codec × peer and security × peer.
import { distinct, line, whoDoes } from '../table.mjs'

/** From the left; peers that are not named follow. */
const peers = {
  codec: [
    ...['Asterisk 22', 'rtpengine', 'baresip', 'linphone 5.1', 'Chromium', 'ffmpeg', 'GStreamer'],
    ...['libdatachannel', 'SIPp'],
  ],
  security: [
    ...['Asterisk 22', 'rtpengine', 'baresip', 'linphone 5.1', 'Chromium', 'ffmpeg', 'GStreamer'],
    ...['libdatachannel', 'OpenSSL', 'pion'],
  ],
}

/** From above; the same for rows. */
const rows = {
  codec: ['PCMU', 'PCMA', 'G722', 'opus', 'telephone-event'],
  security: [
    ...['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32'].map((suite) => `SDES: ${suite}`),
    ...['AES_256_CM_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_32'].map((suite) => `SDES: ${suite}`),
    ...['AEAD_AES_128_GCM', 'AEAD_AES_256_GCM'].map((suite) => `SDES: ${suite}`),
    ...['DTLS-SRTP: floe is the client', 'DTLS-SRTP: floe is the server'],
    ...['RFC 8643: encrypted', 'RFC 8643: in the clear', 'no keys: refused'],
    ...['man in the middle: refused', 'stolen certificate: refused'],
  ],
}

const wider = ['SDES: AES_256', 'SDES: AEAD']
/** What a peer has none of, by the name of a row or how it begins. */
const lacks = {
  'Asterisk 22': wider,
  baresip: ['SDES: AES_CM_128_HMAC_SHA1_32', ...wider],
  'linphone 5.1': ['SDES: AEAD', 'RFC 8643: encrypted'],
  Chromium: ['SDES', 'RFC 8643'],
  ffmpeg: ['telephone-event', ...wider, 'DTLS', 'RFC 8643', 'no keys', 'man', 'stolen'],
  GStreamer: ['RFC 8643', 'no keys'],
  libdatachannel: ['SDES', 'RFC 8643', 'no keys'],
  OpenSSL: ['SDES', 'RFC 8643', 'no keys'],
  pion: ['SDES', 'RFC 8643', 'no keys'],
}

/** A cell says who calls in the rows that pass; a dash that the peer has none of it. */
export function mediaTable(proofs, table) {
  const seen = proofs.filter((proof) => proof.table === table)
  const named = (known, found) => [...known, ...distinct(found).filter((name) => !known.includes(name))]
  const columns = named(
    peers[table],
    seen.map(({ peer }) => peer),
  ).filter((peer) => seen.some((proof) => proof.peer === peer))
  const cell = (row, peer) => {
    const who = whoDoes(seen.filter((proof) => proof.row === row && proof.peer === peer))
    return who || (lacks[peer]?.some((start) => row.startsWith(start)) ? '–' : '')
  }
  return [
    line(['', ...columns]),
    line(['', ...columns].map(() => '---')),
    ...named(
      rows[table],
      seen.map(({ row }) => row),
    ).map((row) => line([row, ...columns.map((peer) => cell(row, peer))])),
  ]
}
