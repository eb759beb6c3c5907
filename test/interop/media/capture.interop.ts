// floe's capture files, read by Wireshark's tshark: it knows every protocol in them, and finds no fault.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { interop } from '../case.ts'
import { programPath, repository } from '../installed.ts'
import { exit, floe, words } from '../peers/floe.ts'
import { addressOf, startPhone } from '../peers/phone.ts'
import { hello } from '../sounds.ts'

const run = promisify(execFile)

/** How many packets of a capture file a display filter finds. */
const counter =
  (file: string, ...settings: string[]) =>
  async (filter: string): Promise<number> => {
    const { stdout } = await run(programPath('tshark')!, ['-r', file, ...settings, '-Y', filter], {
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout.split('\n').filter((line) => line !== '').length
  }

/** What the certificate names. */
const host = '127.0.0.1'
const certificate = (name: string): string => join(repository, 'test/fixtures/tls', name)
const pem = (name: string): string => readFileSync(certificate(name), 'utf8')

interop([
  {
    peer: 'tshark',
    name: 'reads a capture: SIP, SDP, STUN, DTLS, SRTP on the wire and RTP in the clear, nothing malformed',
    needs: ['tshark'],
    run: async (scene) => {
      const bob = await startPhone(scene, { ice: 'auto' })
      bob.onCall = (call) => void call.answer({ play: 'tone:440' })
      const file = `${scene.folder}/call.pcapng`
      const call = words`call sip:bob@${addressOf(bob)} --srtp require --codec PCMU --play ${hello} --for 3s
        --trace ${file}`
      expect((await floe(scene, 'call', call)).code).toBe(exit.ok)
      const count = counter(file, '-o', 'rtp.heuristic_rtp:TRUE')
      expect(await count('sip.Method == "INVITE" && sdp')).toBe(1)
      expect(await count('sip.Status-Code == 200')).toBeGreaterThanOrEqual(2)
      expect(await count('stun')).toBeGreaterThan(2)
      expect(await count('dtls.handshake.type == 1')).toBeGreaterThanOrEqual(1)
      const media = 'udp && frame.len == 200'
      expect(await count(`${media} && frame.interface_id == 1`)).toBeGreaterThan(100)
      // What is encrypted on the wire looks like broken RTCP where chance will have it.
      const readable = '(frame.interface_id == 1 || sip || stun || dtls)'
      const isBad = 'ip.checksum.status == "Bad" || udp.checksum.status == "Bad"'
      expect(await count(`(_ws.malformed && ${readable}) || ${isBad}`)).toBe(0)
    },
  },
  {
    peer: 'tshark',
    name: 'opens TLS and DTLS with the secrets of the capture itself',
    needs: ['tshark'],
    run: async (scene) => {
      const bob = await startPhone(scene, {
        listen: [{ protocol: 'tls', address: host, port: 0 }],
        tls: { cert: pem('server.pem'), key: pem('server.key') },
      })
      bob.onCall = (call) => void call.answer({ play: 'tone:440' })
      const { port } = bob.addresses[0]!
      const file = `${scene.folder}/call.pcapng`
      const call = words`call sip:bob@${host}:${String(port)};transport=tls --tls-ca ${certificate('ca.pem')} --ice off
        --play ${hello} --for 1s --trace ${file}`
      expect((await floe(scene, 'call', call)).code).toBe(exit.ok)
      const count = counter(file)
      expect(await count('sip')).toBe(0)
      expect(await count('tls.handshake.type == 20')).toBe(2)
      expect(await count('dtls.handshake.type == 20')).toBe(2)
      const asSip = counter(file, '-d', `tls.port==${port},sip`)
      expect(await asSip('tls && sip.Method == "INVITE" && sdp')).toBe(1)
      expect(await asSip('tls && sip.Method == "BYE"')).toBe(1)
      expect(await asSip('tls && sip.Status-Code == 200')).toBeGreaterThanOrEqual(2)
      expect(await count('_ws.malformed && tls')).toBe(0)
    },
  },
])
