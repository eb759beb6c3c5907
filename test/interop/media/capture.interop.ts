// floe's capture files, read by Wireshark's tshark: it knows every protocol in them, and finds no fault.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { interop } from '../case.ts'
import { programPath } from '../installed.ts'
import { exit, floe, words } from '../peers/floe.ts'
import { addressOf, startPhone } from '../peers/phone.ts'
import { hello } from '../sounds.ts'

const run = promisify(execFile)

interop([
  {
    peer: 'tshark',
    name: 'reads a capture: SIP, SDP, STUN, DTLS, SRTP on the wire and RTP in the clear, nothing malformed',
    needs: ['tshark'],
    run: async (scene) => {
      const bob = await startPhone(scene, { ice: 'auto' })
      bob.onCall = (call) => void call.answer({ play: 'tone:440' })
      const file = `${scene.folder}/call.pcapng`
      const call = words`call sip:bob@${addressOf(bob)} --srtp require --play ${hello} --for 3s --trace ${file}`
      expect((await floe(scene, 'call', call)).code).toBe(exit.ok)
      const tshark = async (...args: string[]): Promise<string> => {
        const media = ['-o', 'rtp.heuristic_rtp:TRUE']
        const { stdout } = await run(programPath('tshark')!, ['-r', file, ...media, ...args], {
          maxBuffer: 64 * 1024 * 1024,
        })
        return stdout
      }
      const count = async (filter: string): Promise<number> =>
        (await tshark('-Y', filter)).split('\n').filter((line) => line !== '').length
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
])
