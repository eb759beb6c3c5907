// DTLS 1.2 beside OpenSSL, both roles: the same keying material for SRTP at both ends, for every suite, curve and kind of
// certificate, with and without a cookie, in small pieces.
import { execFileSync, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { createCertificate, fingerprintOf } from '../../../src/dtls/certificate.ts'
import { DtlsClient } from '../../../src/dtls/client.ts'
import type { DtlsEvent } from '../../../src/dtls/endpoint.ts'
import { DtlsServer } from '../../../src/dtls/server.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { type InteropCase, interop, type Scene } from '../case.ts'
import { programPath } from '../installed.ts'
import { host, materialOf, openSocket, profiles, shakeHands } from '../peers/dtls-end.ts'
import { freePort } from '../peers/process.ts'
import { securityProof } from './proof.ts'

const program = programPath('openssl') ?? 'openssl'

/** OpenSSL's end; gives what it prints as keying material. */
function openssl(
  scene: Scene,
  args: readonly string[],
): { material: Promise<string>; listening: Promise<void> } {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  scene.onEnd(() => void child.kill('SIGKILL'))
  let text = ''
  let heard = (): void => undefined
  const until = (pattern: RegExp, what: string): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(text)
        if (found) resolve(found)
      }
      const before = heard
      heard = () => {
        before()
        look()
      }
      child.once('exit', () => reject(new Error(`openssl ended without ${what}:\n${text}`)))
    })
  const material = until(/Keying material: ([0-9A-F]+)/, 'keying material').then((found) => found[1]!)
  const listening = until(/ACCEPT/, 'listening').then(() => undefined)
  listening.catch(() => undefined)
  material.catch(() => undefined)
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      text += data
      heard()
    })
  return { material, listening }
}

interface Variant {
  name: string
  key?: 'ec' | 'rsa'
  args?: readonly string[]
  /** OpenSSL serves. */
  serve?: readonly string[]
  suite?: string
  /** Default the first one. */
  protection?: keyof typeof profiles
}

function makeKey(scene: Scene, kind: 'ec' | 'rsa'): Buffer {
  const key = kind === 'ec' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'] : ['rsa:2048']
  execFileSync(
    program,
    [
      ...['req', '-x509', '-newkey', ...key, '-nodes', '-days', '30', '-subj', '/CN=openssl'],
      ...['-keyout', join(scene.folder, 'key.pem'), '-out', join(scene.folder, 'cert.pem')],
    ],
    { stdio: 'ignore' },
  )
  return new X509Certificate(readFileSync(join(scene.folder, 'cert.pem'))).raw
}

/** What OpenSSL is told: the profile, and to print as many octets as it needs, two keys and two salts. */
const protectedBy = (protection: keyof typeof profiles): string[] => {
  const { keyBytes, saltBytes } = profiles[protection]
  const exporting = ['-keymatexport', 'EXTRACTOR-dtls_srtp', '-keymatexportlen']
  return ['-dtls1_2', '-use_srtp', protection, ...exporting, String(2 * (keyBytes + saltBytes))]
}

const row = (
  role: 'client' | 'server',
  { name, key = 'ec', args = [], serve = [], suite, protection = 'SRTP_AES128_CM_SHA1_80' }: Variant,
): InteropCase => ({
  peer: 'OpenSSL (DTLS)',
  name: `floe is the ${role}: ${name}`,
  needs: ['openssl'],
  run: async (scene) => {
    const theirs = fingerprintOf(makeKey(scene, key))!
    const certificate = createCertificate(nodeRuntime.random, Date.now())
    const options = {
      random: nodeRuntime.random,
      certificate,
      srtpProfiles: [profiles[protection]],
      fingerprints: [theirs],
    }
    const files = ['-cert', join(scene.folder, 'cert.pem'), '-key', join(scene.folder, 'key.pem')]
    const port = await freePort()
    const common = protectedBy(protection)
    let peer: ReturnType<typeof openssl>
    let event: DtlsEvent
    if (role === 'client') {
      const flags = [...common, ...files, ...args, ...serve, '-verify', '1', '-4']
      peer = openssl(scene, ['s_server', '-accept', `${host}:${port}`, ...flags])
      await peer.listening
      event = await shakeHands(
        scene,
        new DtlsClient(options),
        await openSocket(scene, await freePort()),
        port,
      )
    } else {
      const ending = shakeHands(scene, new DtlsServer(options), await openSocket(scene, port))
      peer = openssl(scene, ['s_client', '-connect', `${host}:${port}`, ...common, ...files, ...args])
      event = await ending
    }
    expect(event).toMatchObject({ type: 'connected', srtpProfile: profiles[protection].number })
    if (event.type !== 'connected') throw new Error(event.type)
    if (suite !== undefined) expect(event.cipherSuite).toBe(suite)
    expect(materialOf(event, role)).toBe((await peer.material).toLowerCase())
    return [securityProof(`DTLS-SRTP: floe is the ${role}`, { peer: 'OpenSSL', by: 'both' })]
  },
})

const suites: Variant[] = [
  {
    name: 'AES-256-GCM',
    args: ['-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    suite: 'ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  },
  {
    name: 'ChaCha20-Poly1305',
    args: ['-cipher', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
    suite: 'ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
  },
  { name: 'P-256 alone', args: ['-groups', 'P-256'] },
  { name: 'P-384 first', args: ['-groups', 'P-384:P-256'] },
  { name: 'X25519 first', args: ['-groups', 'X25519:P-256'] },
  { name: 'datagrams of 300 octets', args: ['-mtu', '300'] },
  { name: 'keys for SRTP_AEAD_AES_128_GCM', protection: 'SRTP_AEAD_AES_128_GCM' },
  { name: 'keys for SRTP_AEAD_AES_256_GCM', protection: 'SRTP_AEAD_AES_256_GCM' },
]

interop([
  ...suites.map((variant) => row('client', variant)),
  row('client', {
    name: 'a certificate with an RSA key',
    key: 'rsa',
    suite: 'ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  }),
  row('client', { name: 'a cookie is asked for', serve: ['-listen'] }),
  ...suites.map((variant) => row('server', variant)),
  row('server', { name: "the client's certificate has an RSA key", key: 'rsa' }),
])
