import { afterEach, describe, expect, it, vi } from 'vitest'

afterEach(() => {
  vi.doUnmock('sip.js')
  vi.resetModules()
})

/** The corrections with a sip.js from which something has gone. */
async function correctWithout(
  remove: (core: Record<string, object>) => Record<string, unknown>,
): Promise<() => void> {
  vi.resetModules()
  const real = await vi.importActual<typeof import('sip.js')>('sip.js')
  const core = { ...(real.Core as unknown as Record<string, object>) }
  vi.doMock('sip.js', () => ({ ...real, version: '9.9.9', Core: { ...core, ...remove(core) } }))
  const { correctCore } = await import('../../../src/sip/sipjs-corrections.ts')
  return () => correctCore(['INVITE'])
}

describe('the corrections of sip.js', () => {
  it.each([
    ['ClientTransaction.makeId', () => ({ ClientTransaction: class {} })],
    ['InviteClientTransaction.ack', () => ({ InviteClientTransaction: class {} })],
    ['SessionDialog.start2xxRetransmissionTimer', () => ({ SessionDialog: class {} })],
    ['UserAgentClient.receiveResponse', () => ({ UserAgentClient: undefined })],
    ['InviteServerTransaction.stateTransition', () => ({ InviteServerTransaction: class {} })],
  ])('say at start-up that %s has gone, and from which version', async (what, remove) => {
    const correct = await correctWithout(remove)
    expect(correct).toThrow(`sip.js 9.9.9 has no ${what}, which floe corrects`)
  })

  it('fit the sip.js that is installed', async () => {
    expect(await correctWithout(() => ({}))).not.toThrow()
  })

  it('draw branches from 64 random bits instead of ten million values', async () => {
    const { SignallingCore } = await import('../../../src/sip/sipjs-core.ts')
    const { VerbatimUri } = await import('../../../src/sip/sipjs-messages.ts')
    const { nodeRuntime } = await import('../../../src/runtime/node.ts')
    const sent: string[] = []
    const outlet = { sendRequest: (text: string) => sent.push(text), sendResponse() {} }
    const core = SignallingCore.create(nodeRuntime.random, 'test', outlet)
    const uri = new VerbatimUri('sip:b%zz@h;x')
    for (let i = 0; i < 4_000; i++)
      core.request(core.makeOutgoingRequestMessage('OPTIONS', uri, uri, uri, {}))
    core.dispose()
    const branches = new Set(sent.map((text) => /branch=([^;]*)/.exec(text)?.[1]))
    expect(branches.size).toBe(4_000)
    expect(sent[0]).toMatch(
      /^OPTIONS sip:b%zz@h;x SIP\/2\.0\r\nVia: SIP\/2\.0\/UDP floe\.invalid;branch=z9hG4bK[\w-]{11};rport\r\n/,
    )
  })
})
