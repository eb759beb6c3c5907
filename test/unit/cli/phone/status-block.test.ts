// What the status block gathers of a call.
import { expect, it } from 'vitest'
import { StatusBlock } from '../../../../src/cli/phone/status-block.ts'
import type { Switchboard } from '../../../../src/cli/phone/switchboard.ts'

it('keeps the latest levels, and says who is too loud', () => {
  const levels = { sentDbov: -20, receivedDbov: -12, sentPeakDbov: -10, receivedPeakDbov: 0 }
  const line = { number: '1', remote: 'sip:bob@x', state: 'answered', muted: false, levels: () => levels }
  const heldBy = { local: false, remote: false }
  const board = { lines: [{ ...line, heldBy, live: () => undefined }], accounts: [], now: () => 0 }
  const block = new StatusBlock(board as unknown as Switchboard)
  for (let i = 0; i < 20; i++) block.sample()
  const [call] = block.view().calls
  expect(call).toMatchObject({ flags: ['they are too loud'], sentDbov: new Array(8).fill(-20) })
  Object.assign(levels, { sentPeakDbov: -2, receivedPeakDbov: -30 })
  block.sample()
  expect(block.view().calls[0]!.flags).toEqual(['you are too loud'])
})
