// A call test as a team writes it: the service under test answers, its prompt must be heard, its digits understood.

import { Phone } from 'floe'
import { afterAll, beforeAll, expect, test } from 'vitest'
import 'floe/vitest'

let service: Phone
let caller: Phone
beforeAll(async () => {
  service = await Phone.start({ listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }] })
  service.onCall = (call) => void call.answer({ play: 'media/prompt-8k.wav' }).catch(() => undefined)
  caller = await Phone.start({ listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }] })
})
afterAll(async () => {
  await caller.stop()
  await service.stop()
})

test('the service greets its callers', async () => {
  const { port } = service.addresses[0]!
  const call = await caller.call(`sip:service@127.0.0.1:${port}`)
  await call.answered
  await expect(call).toHaveHeard('media/prompt-8k.wav', { withinMs: 15_000 })
  await expect(call).not.toHaveHeard('media/hello-8k.wav')
  expect(call).toBeHealthy()
  await call.hangUp()
})
