// floe against a server that never answers.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect } from 'vitest'
import { interop, type Scene } from './case.ts'
import { exit, Floe, words } from './peers/floe.ts'
import { peerHost } from './peers/process.ts'

/** A bound port; the promise resolves with the first request it gets. */
async function silentServer(scene: Scene): Promise<{ address: string; request: Promise<string> }> {
  const socket = createSocket('udp4')
  scene.onEnd(() => void socket.close())
  const request = once(socket, 'message').then(([message]) => String(message))
  socket.bind(0, peerHost)
  await once(socket, 'listening')
  return { address: `${peerHost}:${socket.address().port}`, request }
}

interop([
  {
    peer: 'silent server',
    name: 'Ctrl-C while registering: exit 130',
    needs: [],
    async run(scene) {
      const server = await silentServer(scene)
      const phone = Floe.start(scene, 'register', words`register --as 1001:pw1001@${server.address}`)
      expect(await server.request).toMatch(/^REGISTER /)
      phone.interrupt()
      expect((await phone.ended(5_000)).code).toBe(exit.interrupted)
    },
  },
  {
    peer: 'silent server',
    name: 'Ctrl-C while calling: exit 130',
    needs: [],
    async run(scene) {
      const server = await silentServer(scene)
      const phone = Floe.start(scene, 'call', words`call sip:bob@${server.address}`)
      expect(await server.request).toMatch(/^INVITE /)
      phone.interrupt()
      expect((await phone.ended(5_000)).code).toBe(exit.interrupted)
    },
  },
])
