// Transfers between three whole phones in virtual time (RFC 5589). After each, whoever remains is heard by whoever remains.
import { describe, expect, test } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { IncomingTransfer } from '../../../src/phone/call-transfers.ts'
import { connect, expectAudioBothWays, type ThreePhones, threePhones, tones, uris } from './three-phones.ts'

/** Bob follows each transfer; resolves with the call that he places then. */
function follows(call: Call): Promise<{ transfer: IncomingTransfer<Call>; placed: Call }> {
  return new Promise((resolve, reject) => {
    call.onTransfer = (transfer) => {
      transfer.accept({ play: tones.bob }).then((placed) => resolve({ transfer, placed }), reject)
    }
  })
}

const answerNext = async ({ carol }: ThreePhones): Promise<Call> => {
  const call = await carol.nextCall()
  await call.answer({ play: tones.carol })
  return call
}

describe('a blind transfer', () => {
  test('hands the far end over: it talks with the target, the transferor hangs up', () =>
    threePhones(async (phones) => {
      const [alices, bobs] = await connect(phones.alice, phones.bob, { from: 'alice', to: 'bob' })
      await expectAudioBothWays(phones, [
        [alices, tones.bob],
        [bobs, tones.alice],
      ])
      const followed = follows(bobs)
      const answering = answerNext(phones)
      await alices.transfer('carol@203.0.113.3')
      const { transfer, placed } = await followed
      const carols = await answering
      expect(transfer).toMatchObject({ target: uris.carol, referredBy: uris.alice, attended: false })
      expect(carols.remote).toBe(uris.bob)
      await expectAudioBothWays(phones, [
        [placed, tones.carol],
        [carols, tones.bob],
      ])
      const ended = await alices.ended
      expect(ended.outcome).toMatchObject({ by: 'local', reason: `transferred to ${uris.carol}` })
      expect(ended.transfers).toEqual([{ role: 'transferor', target: uris.carol, status: 200, reason: 'OK' }])
      const bobsReport = await bobs.ended
      expect(bobsReport.outcome).toMatchObject({ by: 'remote' })
      expect(bobsReport.transfers).toEqual([
        { role: 'transferee', target: uris.carol, status: 200, reason: 'OK' },
      ])
    }))

  test('works while the call is held, in the other direction, and over a lossy network', () =>
    threePhones(
      async (phones) => {
        const [alices, bobs] = await connect(phones.alice, phones.bob, { from: 'alice', to: 'bob' })
        await bobs.hold()
        const followed = new Promise<Call>((resolve) => {
          alices.onTransfer = (transfer) => void transfer.accept({ play: tones.alice }).then(resolve)
        })
        const answering = answerNext(phones)
        await bobs.transfer(uris.carol)
        const placed = await followed
        await expectAudioBothWays(phones, [
          [placed, tones.carol],
          [await answering, tones.alice],
        ])
        expect(alices.state).toBe('ended')
      },
      { link: { latencyMs: 20, loss: 0.05 }, seed: 3 },
    ))

  test('to somebody who is busy fails with his status, and the call goes on', () =>
    threePhones(async (phones) => {
      const [alices, bobs] = await connect(phones.alice, phones.bob, { from: 'alice', to: 'bob' })
      const followed = follows(bobs)
      phones.carol.onCall = (call) => call.reject(486)
      await expect(alices.transfer(uris.carol)).rejects.toThrow(/^The transfer failed: 486 /)
      expect((await followed).placed.state).toBe('ended')
      await expectAudioBothWays(phones, [
        [alices, tones.bob],
        [bobs, tones.alice],
      ])
      expect(alices.report().transfers).toMatchObject([{ status: 486 }])
      // And may be tried again.
      phones.carol.onCall = undefined
      const again = follows(bobs)
      const answering = answerNext(phones)
      await alices.transfer(uris.carol)
      await expectAudioBothWays(phones, [
        [(await again).placed, tones.carol],
        [await answering, tones.bob],
      ])
    }))

  test('to nobody, refused, or without a handler: the call goes on', () =>
    threePhones(async (phones) => {
      const [alices, bobs] = await connect(phones.alice, phones.bob, { from: 'alice', to: 'bob' })
      await expect(alices.transfer(uris.carol)).rejects.toThrow('The far end refused the transfer: 603')
      bobs.onTransfer = (transfer) => transfer.reject(488)
      await expect(alices.transfer(uris.carol)).rejects.toThrow('The far end refused the transfer: 488')
      bobs.onTransfer = (transfer) => void transfer.accept().catch(() => undefined)
      await expect(alices.transfer('sip:nobody@no.such.name')).rejects.toThrow('The transfer failed: 503')
      // Nobody decides: it is refused in time.
      bobs.onTransfer = () => {}
      await expect(alices.transfer(uris.carol)).rejects.toThrow('The far end refused the transfer: 603')
      await expectAudioBothWays(phones, [
        [alices, tones.bob],
        [bobs, tones.alice],
      ])
    }))

  test('goes through where the transferor vanishes in the middle, and the old call is not left behind', () =>
    threePhones(async (phones) => {
      const [alices, bobs] = await connect(phones.alice, phones.bob, { from: 'alice', to: 'bob' })
      const followed = follows(bobs)
      const ringing = phones.carol.nextCall()
      const outcome = alices.transfer(uris.carol).catch((error: Error) => error.message)
      const carols = await ringing
      phones.hosts.alice.powerOff()
      await carols.answer({ play: tones.carol })
      const { placed } = await followed
      await expectAudioBothWays(phones, [
        [placed, tones.carol],
        [carols, tones.bob],
      ])
      await phones.wait(40_000)
      expect(bobs.state).toBe('ended')
      expect(placed.state).toBe('answered')
      await alices.hangUp()
      await outcome
    }))

  test('survives a transferor that hangs up while the target rings', () =>
    threePhones(async (phones) => {
      const [alices, bobs] = await connect(phones.alice, phones.bob, { from: 'alice', to: 'bob' })
      const followed = follows(bobs)
      const ringing = phones.carol.nextCall()
      const outcome = alices.transfer(uris.carol).then(
        () => 'done',
        (error: Error) => error.message,
      )
      const carols = await ringing
      await alices.hangUp()
      expect(await outcome).toBe('The call ended before the transfer was decided.')
      await carols.answer({ play: tones.carol })
      await expectAudioBothWays(phones, [
        [(await followed).placed, tones.carol],
        [carols, tones.bob],
      ])
    }))

  test('that leads back to who is transferred is refused', () =>
    threePhones(async (phones) => {
      const [alices, bobs] = await connect(phones.alice, phones.bob, { from: 'alice', to: 'bob' })
      bobs.onTransfer = (transfer) => void transfer.accept()
      await expect(alices.transfer(`${uris.bob};x=y`)).rejects.toThrow(
        /^The far end refused the transfer: 482/,
      )
      expect(bobs.report().warnings.join()).toMatch(/it leads in a circle/)
    }))
})

describe('a chain of transfers', () => {
  test('ends when it is too long to be anything but a circle', () =>
    threePhones(async (phones) => {
      const { carol } = phones
      const follow = (call: Call): void => {
        call.onTransfer = (transfer) => void transfer.accept({ play: tones.bob }).then(follow)
      }
      let calls = 0
      const circle = new Promise<string>((resolve) => {
        carol.onCall = (call) => {
          calls++
          void call
            .answer({ play: tones.carol })
            .then(() => call.transfer(uris.carol))
            .catch((error: Error) => resolve(error.message))
        }
      })
      const call = await phones.bob.call(uris.carol, { play: tones.bob })
      follow(call)
      expect(await circle).toMatch(/^The far end refused the transfer: 482/)
      expect(calls).toBe(11)
    }))
})

describe('an attended transfer', () => {
  test('connects the two others and steps out of both calls', () =>
    threePhones(async (phones) => {
      const [toBob, bobs] = await connect(phones.alice, phones.bob, { from: 'alice', to: 'bob' })
      const [toCarol, carols] = await connect(phones.alice, phones.carol, { from: 'alice', to: 'carol' })
      const followed = follows(bobs)
      const replacing = new Promise<Call>((resolve) => {
        carols.onReplaced = (by) => {
          expect(by.replaces).toBe(carols)
          void by.answer({ play: tones.carol }).then(() => resolve(by))
        }
      })
      await toBob.transferTo(toCarol)
      const { transfer, placed } = await followed
      const carolsNew = await replacing
      expect(transfer.attended).toBe(true)
      await bobs.ended
      expect([toBob.state, toCarol.state, bobs.state, carols.state]).toEqual(Array(4).fill('ended'))
      expect((await carols.ended).outcome).toMatchObject({ by: 'local', reason: 'replaced by another call' })
      await expectAudioBothWays(phones, [
        [placed, tones.carol],
        [carolsNew, tones.bob],
      ])
    }))

  test('works where the calls came in, and where the target has no handler of its own for it', () =>
    threePhones(async (phones) => {
      const [bobs, fromBob] = await connect(phones.bob, phones.alice, { from: 'bob', to: 'alice' })
      const [carols, fromCarol] = await connect(phones.carol, phones.alice, { from: 'carol', to: 'alice' })
      const followed = follows(bobs)
      const answering = answerNext(phones)
      await fromBob.transferTo(fromCarol)
      const carolsNew = await answering
      expect(carolsNew.replaces).toBe(carols)
      expect(carols.state).toBe('ended')
      await expectAudioBothWays(phones, [
        [(await followed).placed, tones.carol],
        [carolsNew, tones.bob],
      ])
    }))

  test('to a call that is over fails with 603 there, and the other call goes on', () =>
    threePhones(async (phones) => {
      const [toBob, bobs] = await connect(phones.alice, phones.bob, { from: 'alice', to: 'bob' })
      const [toCarol, carols] = await connect(phones.alice, phones.carol, { from: 'alice', to: 'carol' })
      bobs.onTransfer = (transfer) => {
        // Carol hangs up at the same moment.
        void carols.hangUp()
        void transfer.accept()
      }
      await expect(toBob.transferTo(toCarol)).rejects.toThrow(/^The transfer failed: 603/)
      await expectAudioBothWays(phones, [
        [toBob, tones.bob],
        [bobs, tones.alice],
      ])
      await expect(toBob.transferTo(toCarol)).rejects.toThrow(/the call ended/)
    }))

  test('that the target refuses leaves both calls as they are', () =>
    threePhones(async (phones) => {
      const [toBob, bobs] = await connect(phones.alice, phones.bob, { from: 'alice', to: 'bob' })
      const [toCarol, carols] = await connect(phones.alice, phones.carol, { from: 'alice', to: 'carol' })
      void follows(bobs)
      carols.onReplaced = (by) => by.reject(486)
      await expect(toBob.transferTo(toCarol)).rejects.toThrow(/^The transfer failed: 486/)
      await expectAudioBothWays(phones, [
        [toBob, tones.bob],
        [bobs, tones.alice],
        [toCarol, tones.carol],
        [carols, tones.alice],
      ])
    }))
})
