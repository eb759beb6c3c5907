// floe subscribe in a real process, against a notifier of the test's own on a real socket.
import { createSocket } from 'node:dgram'
import { expect, onTestFinished, test } from 'vitest'
import { parseMessage, type SipRequest } from '../../../src/sip/message.ts'
import { floe, run } from './cli.ts'
import { ControlledPhone } from './controlled-phone.ts'

/** Accepts SUBSCRIBEs and notifies what `body` gives; refuses events that it does not know. */
async function startNotifier(bodies: Record<string, { type: string; content: string }>) {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  onTestFinished(() => void socket.close())
  const { port } = socket.address()
  let sequence = 0
  const seen: string[] = []
  socket.on('message', (data, from) => {
    const parsed = parseMessage(data)
    if (!('message' in parsed) || parsed.message.kind !== 'request') return
    const request: SipRequest = parsed.message
    const send = (lines: string[], content = '') =>
      socket.send(
        `${[...lines, `Content-Length: ${Buffer.byteLength(content)}`].join('\r\n')}\r\n\r\n${content}`,
        from.port,
        from.address,
      )
    const event = request.get('Event') ?? ''
    const expires = request.get('Expires') ?? '0'
    seen.push(`${event} ${expires}`)
    const known = bodies[event]
    const to = /;tag=/.test(request.get('To')!) ? request.get('To')! : `${request.get('To')};tag=notifier`
    send([
      `SIP/2.0 ${known ? '200 OK' : '489 Bad Event'}`,
      ...request.lines('Via').map((via) => `Via: ${via}`),
      `From: ${request.get('From')}`,
      `To: ${to}`,
      `Call-ID: ${request.callId}`,
      `CSeq: ${request.get('CSeq')}`,
      `Contact: <sip:127.0.0.1:${port}>`,
      `Expires: ${expires}`,
    ])
    if (!known) return
    sequence++
    const state = expires === '0' ? 'terminated;reason=timeout' : `active;expires=${expires}`
    send(
      [
        `NOTIFY ${request.nameAddrs('Contact')[0]!.uriText} SIP/2.0`,
        `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bKnotify${sequence}`,
        'Max-Forwards: 70',
        `From: ${to}`,
        `To: ${request.get('From')}`,
        `Call-ID: ${request.callId}`,
        `CSeq: ${sequence} NOTIFY`,
        `Contact: <sip:127.0.0.1:${port}>`,
        `Event: ${event}`,
        `Subscription-State: ${state}`,
        `Content-Type: ${known.type}`,
      ],
      known.content,
    )
  })
  return { at: `127.0.0.1:${port}`, seen }
}

test('floe subscribe prints what is notified until Ctrl-C, and unsubscribes', {
  timeout: 120_000,
}, async () => {
  const { at, seen } = await startNotifier({
    'message-summary': {
      type: 'application/simple-message-summary',
      content: 'Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n',
    },
    presence: {
      type: 'application/pidf+xml',
      content:
        '<presence entity="pres:bob@b"><tuple id="t"><status><basic>open</basic></status></tuple><note>\u001b[31mhi</note></presence>',
    },
  })
  const watching = floe(['subscribe', '--as', `alice@${at}`, '--expires', '600'])
  expect(await watching.line((line) => line.type === 'notification')).toMatchObject({
    event: 'message-summary',
    target: `sip:alice@${at}`,
    messages: { waiting: true, voice: { new: 2, old: 8, newUrgent: 0, oldUrgent: 2 } },
  })
  expect(await watching.line((line) => line['state'] === 'active')).toMatchObject({
    type: 'subscription',
    expiresSeconds: 600,
  })
  watching.interrupt()
  expect(await watching.ended).toMatchObject({ code: 130, stderr: '' })
  expect(seen).toEqual(['message-summary 600', 'message-summary 0'])

  const text = floe(['subscribe', `sip:bob@${at}`, '--event', 'presence', '-o', 'text'])
  await expect.poll(() => text.stdout, { timeout: 20_000 }).toContain('pres:bob@b is open:  [31mhi\n')
  text.interrupt()
  await text.ended

  const refused = await run(['subscribe', `sip:bob@${at}`, '--event', 'dialog'])
  expect(refused.code).toBe(12)
  expect(refused.stderr).toBe(`floe: sip:bob@${at} does not tell its dialog: 489 Bad Event.\n`)
  const nobody = await run(['subscribe'])
  expect(nobody).toMatchObject({ code: 2, stderr: expect.stringMatching(/needs a target, or an account/) })
})

test('floe phone watches, too', async () => {
  const content = 'Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n'
  const { at, seen } = await startNotifier({
    'message-summary': { type: 'application/simple-message-summary', content },
  })
  const phone = await ControlledPhone.start([])
  const target = `sip:alice@${at}`
  expect(await phone.do('subscribe', { target })).toMatchObject({ subscription: '1' })
  const watched = { subscription: '1', package: 'message-summary', target }
  expect(await phone.event('notification')).toMatchObject({
    ...watched,
    messages: { voice: { new: 2, old: 8 } },
  })
  expect(await phone.event('subscription', { state: 'active' })).toMatchObject(watched)
  await phone.do('unsubscribe', { subscription: 1 })
  expect(seen.at(-1)).toBe('message-summary 0')
  expect(await phone.ask('unsubscribe', { subscription: 1 })).toMatchObject({
    ok: false,
    error: 'there is no subscription 1',
  })
  await phone.do('subscribe', { target, package: 'dialog' })
  expect(await phone.event('subscription', { state: 'terminated', package: 'dialog' })).toMatchObject({
    status: 489,
  })
})
