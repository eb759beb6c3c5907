import { describe, expect, it } from 'vitest'
import { DialogTable, parseDialogInfo } from '../../../src/phone/dialog-info.ts'
import { parseMessageSummary } from '../../../src/phone/message-summary.ts'
import { parsePresence } from '../../../src/phone/presence.ts'
import { parseXml } from '../../../src/phone/xml.ts'

describe('a message summary (RFC 3842 3.5)', () => {
  it('tells counts, urgent ones too, and whose they are', () => {
    const text =
      'Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 4/8 (1/2)\r\n' +
      'Fax-Message: 0/3\r\n\r\nTo: <alice@atlanta.example.com>\r\nVoice-Message: 9/9\r\n'
    expect(parseMessageSummary(text)).toEqual({
      waiting: true,
      account: 'sip:alice@vmail.example.com',
      voice: { new: 4, old: 8, newUrgent: 1, oldUrgent: 2 },
      counts: {
        voice: { new: 4, old: 8, newUrgent: 1, oldUrgent: 2 },
        fax: { new: 0, old: 3, newUrgent: 0, oldUrgent: 0 },
      },
    })
  })

  it('is read without white space, and passes over what it does not know', () => {
    expect(
      parseMessageSummary('messages-waiting:no\nvoice-message:0/0\nx\nOdd-Message: 1/1\nFax-Message: 1'),
    ).toEqual({
      waiting: false,
      voice: { new: 0, old: 0, newUrgent: 0, oldUrgent: 0 },
      counts: { voice: { new: 0, old: 0, newUrgent: 0, oldUrgent: 0 } },
    })
    expect(parseMessageSummary('Voice-Message: 1/1')).toBeUndefined()
    expect(parseMessageSummary('__proto__-Message: 1/1')).toBeUndefined()
  })
})

const dialogs = (version: number, state: string, inside: string) =>
  `<?xml version="1.0"?><d:dialog-info xmlns:d="urn:ietf:params:xml:ns:dialog-info" version="${version}" state="${state}" entity="sip:alice@example.com">${inside}</d:dialog-info>`

describe('dialog information (RFC 4235)', () => {
  it('tells who talks to whom', () => {
    const inside =
      '<d:dialog id="as7" call-id="a84b" local-tag="1928" remote-tag="456" direction="recipient"><d:state code="200">confirmed</d:state>' +
      '<d:remote><d:identity display="Bob &amp; Co">sip:bob@example.org</d:identity><d:target uri="sip:x"/></d:remote>' +
      '<d:local><d:identity>sip:alice@example.com</d:identity></d:local></d:dialog><d:dialog id="bad"><d:state>odd</d:state></d:dialog>'
    expect(parseDialogInfo(dialogs(1, 'full', inside))).toEqual({
      entity: 'sip:alice@example.com',
      version: 1,
      full: true,
      dialogs: [
        {
          id: 'as7',
          state: 'confirmed',
          direction: 'recipient',
          callId: 'a84b',
          localTag: '1928',
          remoteTag: '456',
          local: 'sip:alice@example.com',
          remote: 'sip:bob@example.org',
          remoteName: 'Bob & Co',
        },
      ],
    })
  })

  it('is kept through partial documents, and what comes too late changes nothing', () => {
    const table = new DialogTable()
    const step = (version: number, state: string, inside: string) =>
      table.update(parseDialogInfo(dialogs(version, state, inside))!).map(({ id, state }) => `${id} ${state}`)
    const one = (id: string, state: string) => `<dialog id="${id}"><state>${state}</state></dialog>`
    expect(step(0, 'full', one('a', 'early'))).toEqual(['a early'])
    expect(step(1, 'partial', one('b', 'trying'))).toEqual(['a early', 'b trying'])
    expect(step(3, 'partial', one('a', 'confirmed'))).toEqual(['a confirmed', 'b trying'])
    expect(step(2, 'partial', one('a', 'terminated'))).toEqual(['a confirmed', 'b trying'])
    expect(step(4, 'partial', one('a', 'terminated'))).toEqual(['b trying'])
    expect(step(5, 'full', '')).toEqual([])
  })

  it('is not read from anything else', () => {
    for (const text of [
      '',
      'x',
      '<presence/>',
      '<dialog-info/>',
      '<dialog-info version="-1"/>',
      '<dialog-info version="1"',
    ])
      expect(parseDialogInfo(text)).toBeUndefined()
  })
})

describe('presence (RFC 3863, RFC 4480)', () => {
  it('tells whether somebody is there, and what he says of it', () => {
    const text =
      '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:rp="urn:ietf:params:xml:ns:pidf:rpid" xmlns:dm="x" entity="pres:bob@example.com">' +
      '<tuple id="t1"><status><basic>open</basic></status><contact priority="0.8">sip:bob@10.0.0.1</contact><note>at home</note></tuple>' +
      '<tuple id="t2"><status><basic>closed</basic></status></tuple><note xml:lang="en">back soon</note>' +
      '<dm:person><rp:activities><rp:on-the-phone/></rp:activities><dm:note>at home</dm:note></dm:person></presence>'
    expect(parsePresence(text)).toEqual({
      entity: 'pres:bob@example.com',
      open: true,
      tuples: [
        { id: 't1', open: true, contact: 'sip:bob@10.0.0.1', note: 'at home' },
        { id: 't2', open: false },
      ],
      notes: ['back soon', 'at home'],
      activities: ['on-the-phone'],
    })
    expect(parsePresence('<presence/>')).toMatchObject({ open: false, tuples: [] })
    expect(parsePresence('<pidf/>')).toBeUndefined()
  })
})

describe('XML from strangers', () => {
  it('expands no entities but the five, and refuses a DOCTYPE', () => {
    expect(parseXml('<a b="&lt;&quot;">&amp;&#65;<![CDATA[<x>]]></a>')).toEqual({
      name: 'a',
      attributes: { b: '<"' },
      children: [],
      text: '&A<x>',
    })
    const bomb = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>'
    expect(parseXml(bomb)).toBeUndefined()
    expect(parseXml('<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>')).toBeUndefined()
    expect(parseXml('<a>&nbsp;</a>')).toBeUndefined()
  })

  it('is bounded in size, number and depth', () => {
    expect(parseXml(`<a>${'x'.repeat(70_000)}</a>`)).toBeUndefined()
    expect(parseXml(`<a>${'<b/>'.repeat(6_000)}</a>`)).toBeUndefined()
    expect(parseXml('<a>'.repeat(40) + '</a>'.repeat(40))).toBeUndefined()
    expect(parseXml('<a>'.repeat(30) + '</a>'.repeat(30))).toBeDefined()
  })

  it('gives nothing for what is no document', () => {
    for (const text of ['', ' ', 'text', '<a>', '<a></b>', '<a/><b/>', '<a', '</a>', '<a b=c/>'])
      expect(parseXml(text)).toBeUndefined()
    expect(parseXml('<a __proto__="x"/>')?.attributes).toEqual({})
    expect(parseXml('<__proto__><a/></__proto__>')?.name).toBe('__proto__')
  })
})
