// BUNDLE (RFC 9143): our own offers have one m-line and bundle it; of a peer's group the m-lines that are taken are answered.
import { expect, test } from 'vitest'
import { RemoteError } from '../../../src/errors.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { g711, lines, local, sdp } from './audio.ts'

const answer = (text: string, over = {}) => createAnswer(readOffer(text, g711), local(over)).text
const bundling = (text: string) => lines(text).filter((line) => /^a=(mid|group|bundle-only)/.test(line))

const offered = (group: string, ...audio: string[]) =>
  sdp(
    'c=IN IP4 1.2.3.4',
    `a=group:BUNDLE ${group}`,
    ...audio,
    'a=mid:a',
    'm=video 5000 RTP/AVP 31',
    'a=mid:v',
    'a=rtcp-mux',
  )
const audio = ['m=audio 4000 RTP/AVP 0', 'a=rtcp-mux']

test('an offer of ours bundles its only m-line, with rtcp-mux alone', () => {
  expect(bundling(createOffer(local()).text)).toEqual(['a=group:BUNDLE 0', 'a=mid:0'])
  expect(bundling(createOffer(local({ rtcpMux: false })).text)).toEqual(['a=mid:0'])
})

test('the answer to it may accept the group or not know of it', () => {
  const offer = createOffer(local()).text
  const peer = (...attributes: string[]) => sdp('c=IN IP4 1.2.3.4', ...attributes)
  const accepted = peer('a=group:BUNDLE 0', ...audio, 'a=mid:0')
  expect(readAnswer(offer, accepted)).toMatchObject({
    rtcpMux: true,
    remoteRtp: { address: '1.2.3.4', port: 4000 },
  })
  expect(readAnswer(offer, peer('m=audio 4000 RTP/AVP 0'))).toMatchObject({ rtcpMux: false })
})

test('of the group the audio alone is accepted, whichever m-line the peer tagged', () => {
  const expected = ['a=group:BUNDLE a', 'a=mid:a', 'a=mid:v']
  expect(bundling(answer(offered('a v', ...audio)))).toEqual(expected)
  // The suggested tag is refused; the next one that has an address of its own takes its place (RFC 9143 7.3.1).
  expect(bundling(answer(offered('v a', ...audio)))).toEqual(expected)
})

test('without the audio in it, or without rtcp-mux, there is no group', () => {
  const expected = ['a=mid:a', 'a=mid:v']
  expect(bundling(answer(offered('v', ...audio)))).toEqual(expected)
  expect(bundling(answer(offered('a v', 'm=audio 4000 RTP/AVP 0')))).toEqual(expected)
  expect(bundling(answer(offered('a v', ...audio), { rtcpMux: false }))).toEqual(expected)
  expect(bundling(answer(offered('a v', ...audio).replace('BUNDLE', 'LS')))).toEqual(expected)
})

test('other m-lines that are bundle-only are refused as they stand', () => {
  const offer = offered('a v', ...audio)
    .replace('m=video 5000', 'm=video 0')
    .replace('a=mid:v', 'a=mid:v\r\na=bundle-only')
  expect(lines(answer(offer)).filter((line) => line.startsWith('m='))).toEqual([
    'm=audio 40000 RTP/AVP 0',
    'm=video 0 RTP/AVP 31',
  ])
})

test('audio that is bundle-only in what is not taken cannot be taken either, and the refusal says so', () => {
  const offer = offered('v a', 'm=audio 0 RTP/AVP 0', 'a=rtcp-mux', 'a=bundle-only')
  expect(() => readOffer(offer, g711)).toThrow(RemoteError)
  expect(() => readOffer(offer, g711)).toThrow(/bundle-only/)
})

test('a later offer of ours keeps mids, and the group where there was one', () => {
  const answered = answer(offered('a v', ...audio))
  expect(bundling(createOffer(local(), answered).text)).toEqual(['a=group:BUNDLE a', 'a=mid:a', 'a=mid:v'])
  const alone = answer(sdp('c=IN IP4 1.2.3.4', ...audio))
  expect(bundling(createOffer(local(), alone).text)).toEqual([])
  const own = createOffer(local()).text
  expect(createOffer(local(), own).text).toBe(own)
})
