// SRTP: microseconds to protect and to unprotect a packet of 20 ms G.711 on one core, floe beside libsrtp and werift.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median } from './figures.mjs'
import { compiled } from './native.mjs'
import { withFolder } from './processes.mjs'
import { srtpEnds } from './srtp-ends.mjs'

const suites = ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM', 'AEAD_AES_256_GCM']
const weriftProfiles = { AES_CM_128_HMAC_SHA1_80: 1, AEAD_AES_128_GCM: 7 }
const peers = process.env.FLOE_PEERS ?? fileURLToPath(new URL('../../.peers', import.meta.url))
const werift = join(peers, 'werift/node_modules/werift/lib/index.mjs')
/** Of one measurement; their sequence numbers must not be those of earlier ones. */
const batchPackets = 256
const payloadBytes = 160

/** @returns {Promise<Record<string, Record<string, { protect: number, unprotect: number }>>>} by implementation and suite, in µs */
export async function measureSrtp({ rounds = 5, packets = 40_000 }) {
  const results = { floe: {}, libsrtp: {}, werift: {} }
  const runs = []
  const weriftModule = existsSync(werift) ? await import(werift) : undefined
  await withFolder(async (folder) => {
    const libsrtp = compiled('srtp-libsrtp', folder, ['-lsrtp2'])
    for (let round = 0; round < rounds; round++) {
      for (const suite of suites) {
        runs.push({ who: 'floe', suite, ...batches(floeEnds(suite), packets) })
        if (weriftModule && suite in weriftProfiles)
          runs.push({
            who: 'werift',
            suite,
            ...batches(weriftEnds(weriftModule, weriftProfiles[suite]), packets),
          })
      }
      if (libsrtp) {
        const { stdout } = spawnSync(libsrtp, [String(packets * 4)], { encoding: 'utf8' })
        for (const line of stdout.trim().split('\n')) runs.push({ who: 'libsrtp', ...JSON.parse(line) })
      }
    }
  })
  for (const { who, suite } of runs) {
    const of = (figure) =>
      median(runs.filter((run) => run.who === who && run.suite === suite).map((run) => run[figure]))
    results[who][suite] = { protect: round(of('protect')), unprotect: round(of('unprotect')) }
  }
  return results
}

const round = (value) => Math.round(value * 100) / 100

function floeEnds(name) {
  const { sender, receiver } = srtpEnds(name)
  return {
    protect: (packet) => sender.protectRtp(packet),
    unprotect: (packet) => {
      if (typeof receiver.unprotectRtp(packet) === 'string') throw new Error('a packet was refused')
    },
  }
}

function weriftEnds({ SrtpSession, RtpHeader }, profile) {
  const saltBytes = profile === 1 ? 14 : 12
  const keys = {
    localMasterKey: Buffer.alloc(16, 7),
    localMasterSalt: Buffer.alloc(saltBytes, 9),
    remoteMasterKey: Buffer.alloc(16, 7),
    remoteMasterSalt: Buffer.alloc(saltBytes, 9),
  }
  const sender = new SrtpSession({ keys, profile })
  const receiver = new SrtpSession({ keys, profile })
  return {
    protect: (packet) => sender.encrypt(packet.subarray(12), RtpHeader.deSerialize(packet)),
    unprotect: (packet) => receiver.decrypt(packet),
  }
}

function batches({ protect, unprotect }, packets) {
  const clear = Array.from({ length: batchPackets }, () => Buffer.alloc(12 + payloadBytes, 0x55))
  const sealed = new Array(batchPackets)
  let protectMs = 0
  let unprotectMs = 0
  for (let sent = 0; sent < packets; sent += batchPackets) {
    clear.forEach((packet, i) => {
      packet[0] = 0x80
      packet[1] = 0
      packet.writeUInt16BE((sent + i) & 0xffff, 2)
    })
    const from = performance.now()
    // What is protected is valid until the next packet is; to copy it is part of the time of all.
    for (let i = 0; i < batchPackets; i++) sealed[i] = Buffer.from(protect(clear[i]))
    const between = performance.now()
    for (const packet of sealed) unprotect(packet)
    unprotectMs += performance.now() - between
    protectMs += between - from
  }
  return { protect: (1_000 * protectMs) / packets, unprotect: (1_000 * unprotectMs) / packets }
}
