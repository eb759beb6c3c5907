// application/trickle-ice-sdpfrag (RFC 8840 9): what we write, and what we make of others'.
import { describe, expect, test } from 'vitest'
import { readFragment, writeFragment } from '../../../src/sdp/fragment.ts'
import { host } from './audio.ts'

const credentials = { ufrag: '8hhY', pwd: 'asd88fgpdd777uzjYhagZg' }
const candidates = [
  host('192.0.2.1', 40000),
  { ...host('192.0.2.1', 9), foundation: '2', transport: 'tcp', tcpType: 'active' as const },
]
const text = (...lines: string[]) => `${lines.join('\r\n')}\r\n`

test('a fragment of ours', () => {
  expect(writeFragment({ ...credentials, mid: '0', candidates, endOfCandidates: true })).toBe(
    text(
      'a=ice-ufrag:8hhY',
      'a=ice-pwd:asd88fgpdd777uzjYhagZg',
      'm=audio 9 RTP/AVP 0',
      'a=mid:0',
      'a=candidate:1 1 UDP 2130706431 192.0.2.1 40000 typ host',
      'a=candidate:2 1 TCP 2130706431 192.0.2.1 9 typ host tcptype active',
      'a=end-of-candidates',
    ),
  )
})

test('is read back as it was meant', () => {
  for (const endOfCandidates of [true, false]) {
    const written = writeFragment({
      ...credentials,
      mid: 'foo',
      candidates,
      endOfCandidates,
      mLine: 'audio 9 RTP/AVPF 8',
    })
    expect(readFragment(written)).toEqual({
      sections: [{ ...credentials, mid: 'foo', media: 'audio', candidates, endOfCandidates }],
      problems: [],
    })
  }
})

describe('of others', () => {
  test('several m-lines, each with its own or the common credentials', () => {
    const { sections, problems } = readFragment(
      text(
        'a=group:BUNDLE foo bar',
        'a=ice-pwd:common-password-of-both',
        'a=ice-ufrag:comm',
        'm=audio 9 RTP/AVP 0',
        'a=mid:foo',
        'a=candidate:1 1 UDP 1 192.0.2.1 5000 typ host',
        'a=end-of-candidates',
        'm=video 9 RTP/AVP 31',
        'a=mid:bar',
        'a=ice-ufrag:ownn',
        'a=ice-pwd:a-password-of-its-own!',
        'a=candidate:1 1 UDP 1 192.0.2.1 5002 typ host generation 0 ufrag ownn',
      ),
    )
    expect(problems).toEqual([])
    expect(sections).toMatchObject([
      { ufrag: 'comm', mid: 'foo', media: 'audio', candidates: [{ port: 5000 }], endOfCandidates: true },
      { ufrag: 'ownn', mid: 'bar', media: 'video', candidates: [{ port: 5002 }], endOfCandidates: false },
    ])
  })

  test('end-of-candidates at the session level ends them all', () => {
    const { sections } = readFragment(
      text(
        'a=ice-ufrag:abcd',
        'a=ice-pwd:0123456789',
        'a=end-of-candidates',
        'm=audio 9 RTP/AVP 0',
        'a=mid:0',
      ),
    )
    expect(sections).toMatchObject([{ endOfCandidates: true, candidates: [] }])
  })

  test('no m-line at all, as some write it', () => {
    const { sections } = readFragment(
      text('a=ice-ufrag:abcd', 'a=ice-pwd:0123456789', 'a=candidate:1 1 UDP 1 192.0.2.1 5000 typ host'),
    )
    expect(sections).toEqual([
      { ufrag: 'abcd', pwd: '0123456789', candidates: [expect.anything()], endOfCandidates: false },
    ])
  })

  test('what is malformed is dropped and told of', () => {
    expect(readFragment('')).toMatchObject({ sections: [], problems: [{ section: 'RFC 8840 9.2' }] })
    expect(readFragment('m=audio 9 RTP/AVP 0\r\na=ice-ufrag:abcd\r\n')).toMatchObject({
      sections: [],
      problems: [{ section: 'RFC 8839 5.4' }],
    })
    expect(readFragment('a'.repeat(70_000))).toMatchObject({ sections: [], problems: [{}] })
    const { sections, problems } = readFragment(
      text(
        'a=ice-ufrag:abcd',
        'a=ice-pwd:0123456789',
        'm=audio 9 RTP/AVP 0',
        'a=mid:0',
        'a=candidate:nonsense',
      ),
    )
    expect(sections).toMatchObject([{ candidates: [] }])
    expect(problems).toMatchObject([{ message: '1 malformed candidate line(s) dropped' }])
  })

  test('hundreds of candidates are bounded', () => {
    const many = Array.from({ length: 400 }, (_, i) => `a=candidate:1 1 UDP 1 192.0.2.1 ${i + 1} typ host`)
    const { sections } = readFragment(
      text('a=ice-ufrag:abcd', 'a=ice-pwd:0123456789', 'm=audio 9 x 0', ...many),
    )
    expect(sections[0]?.candidates).toHaveLength(100)
  })
})
