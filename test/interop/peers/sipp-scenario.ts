// A SIPp scenario as a ladder: what SIPp sends and what it must get, in order, written as the XML that SIPp reads. Only what
// it needs of SIP is here: one call, one dialog, requests and answers in any order in it. Anything that SIPp gets beside the
// ladder ends it with an error.

/** One rung. */
export type Step = Receive | Reply | Request | Replied | Ack | Command | Play

interface Message {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Body
}
/** What must stand in a message: a POSIX regular expression by header name, of the "body", or anywhere in the "message". */
export type Match = Readonly<Record<string, string>>
export interface Body {
  readonly type: string
  readonly text: string
}
interface Receive {
  readonly rung: 'receive'
  readonly method: string
  readonly match?: Match
}
interface Reply extends Message {
  readonly rung: 'reply'
  readonly status: number
  /** The last one received, but for ACK, unless another is named. */
  readonly to?: string
}
interface Request extends Message {
  readonly rung: 'request'
  readonly method: string
  readonly uri?: string
}
interface Replied {
  readonly rung: 'replied'
  readonly status: number
  readonly match?: Match
  readonly optional?: boolean
}
interface Ack {
  readonly rung: 'ack'
  readonly body?: Body
}
interface Command {
  readonly rung: 'tell' | 'told'
}

interface Play {
  readonly rung: 'play'
  readonly file: string
  readonly pauseMs: number
}

// ---- the rungs -----------------------------------------------------------------------------------------------------------

export const receive = (method: string, match?: Match): Step => ({
  rung: 'receive',
  method,
  ...(match && { match }),
})
export const reply = (status: number, message: Message & { to?: string } = {}): Step => ({
  rung: 'reply',
  status,
  ...message,
})
export const request = (method: string, message: Message & { uri?: string } = {}): Step => ({
  rung: 'request',
  method,
  ...message,
})
export const replied = (status: number, match?: Match): Step => ({
  rung: 'replied',
  status,
  ...(match && { match }),
})
export const perhapsReplied = (status: number): Step => ({ rung: 'replied', status, optional: true })
/** For the last INVITE of SIPp's, whatever its final answer was. */
export const ack = (body?: Body): Step => ({ rung: 'ack', ...(body && { body }) })
/** Goes on when the row says so: `Sipp.go`. */
export const untilTold = (): Step => ({ rung: 'receive', method: goMethod })
/** Between the two SIPps of a third-party controller: hands the description over that came last. */
export const tellTwin = (): Step => ({ rung: 'tell' })
export const toldByTwin = (): Step => ({ rung: 'told' })

/** Sends the RTP of a capture file as it was recorded, and waits. */
export const play = (file: string, pauseMs: number): Step => ({ rung: 'play', file, pauseMs })

/** No SIP method: the row's own sign. */
export const goMethod = 'GO'

/** What the twin was told. */
export const twinsDescription: Body = { type: 'application/sdp', text: '[$told]' }

/** SIPp's own description: G.711 µ-law on the port whose packets it sends back. */
export function sdp(options: { direction?: string; address?: string; payloadType?: 0 | 8 } = {}): Body {
  const { payloadType = 0 } = options
  return {
    type: 'application/sdp',
    text: [
      'v=0',
      'o=sipp 1 [msg_index] IN IP4 [local_ip]',
      's=-',
      `c=IN IP4 ${options.address ?? '[media_ip]'}`,
      't=0 0',
      `m=audio [media_port] RTP/AVP ${payloadType} 101`,
      `a=rtpmap:${payloadType} ${payloadType === 0 ? 'PCMU' : 'PCMA'}/8000`,
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:101 0-15',
      ...(options.direction ? [`a=${options.direction}`] : []),
    ].join('\n'),
  }
}

export const hangUp: readonly Step[] = [request('BYE'), replied(200)]
export const isHungUpOn: readonly Step[] = [receive('BYE'), reply(200)]

// ---- XML -----------------------------------------------------------------------------------------------------------------

/** @param role whether SIPp makes the first request of the dialog or gets it */
export function scenarioXml(role: 'caller' | 'called', steps: readonly Step[]): string {
  const writer = new Writer(role)
  const rungs = steps.map((step) => writer.rung(step))
  return `<?xml version="1.0" encoding="UTF-8"?>
<scenario name="floe">
${rungs.join('\n')}
${writer.references()}
</scenario>
`
}

interface Received {
  readonly method: string
  readonly number: number
}

class Writer {
  private readonly variables = new Set<string>()
  private cseq = 0
  private received: Received[] = []
  /** The last message that came, whose headers SIPp itself knows as [last_...]. */
  private last: Received | undefined
  private invite: { cseq: number; branch: string; uri: string; to: string } | undefined
  private inviteStatus = 0
  private inDialog = false
  private lastRequest = ''

  constructor(private readonly role: 'caller' | 'called') {}

  rung(step: Step): string {
    switch (step.rung) {
      case 'receive':
        return this.receive(step)
      case 'reply':
        return this.reply(step)
      case 'request':
        return this.request(step)
      case 'replied':
        return this.replied(step)
      case 'ack':
        return this.ack(step)
      case 'play':
        return `<nop><action><exec play_pcap_audio="${attribute(step.file)}"/></action></nop>\n<pause milliseconds="${step.pauseMs}"/>`
      case 'tell':
        return `<sendCmd><![CDATA[\nCall-ID: [call_id]\n[$${this.variable('described')}]\n]]></sendCmd>`
      case 'told':
        return `<recvCmd><action>\n${this.save('told', 'v=0.*', 'search_in="msg"')}\n</action></recvCmd>`
    }
  }

  references(): string {
    return this.variables.size > 0 ? `<Reference variables="${[...this.variables].join(',')}"/>` : ''
  }

  private receive({ method, match }: Receive): string {
    const routes = /INVITE|UPDATE|SUBSCRIBE|REFER/.test(method) ? ' rrs="true"' : ''
    const start = `<recv request="${method}"${routes}>`
    if (method === goMethod) {
      this.last = undefined // it carries no more than a Call-ID
      return `${start}</recv>`
    }
    const number = this.received.length
    const first = this.role === 'called' && !this.inDialog
    const actions = [
      this.save(`via${number}`, everyVia, 'search_in="msg"'),
      this.save(`cseq${number}`, '.*', header('CSeq')),
      ...(first ? [this.saveParty('peer', 'From|f'), this.saveParty('own', 'To|t')] : []),
      ...this.matching(match),
    ]
    this.last = { method, number }
    this.received.push(this.last)
    this.inDialog = true
    return `${start}<action>\n${actions.join('\n')}\n</action></recv>`
  }

  private reply({ status, to, headers, body }: Reply): string {
    const answered = this.received.findLast(({ method }) => (to ? method === to : method !== 'ACK'))
    if (!answered) throw new Error(`nothing was received that ${status} could answer`)
    const { method, number } = answered
    const isLast = answered === this.last
    const retransmit = method === 'INVITE' && status >= 200 ? patience : ''
    return this.send(retransmit, [
      `SIP/2.0 ${status} ${phrases[status] ?? 'Whatever'}`,
      `[$via${number}]`,
      `From: ${this.peerParty}`,
      `To: ${this.ownParty}`,
      'Call-ID: [call_id]',
      isLast ? '[last_CSeq:]' : `CSeq: [$cseq${number}]`,
      ...(/INVITE|UPDATE|SUBSCRIBE|REFER/.test(method) && status < 300
        ? ['[last_Record-Route:]', contact]
        : []),
      ...headerLines(headers),
      ...bodyLines(body),
    ])
  }

  private request({ method, uri, headers, body }: Request): string {
    if (method === 'CANCEL') return this.cancel(headers)
    const first = this.role === 'caller' && !this.inDialog
    this.cseq++
    const branch = `z9hG4bK-[pid]-[call_number]-${this.cseq}`
    const target = uri ?? (first ? firstTarget : '[next_url]')
    if (method === 'INVITE') this.invite = { cseq: this.cseq, branch, uri: target, to: this.peerParty }
    const acknowledges =
      method === 'PRACK' ? [`RAck: [$${this.variable('rseq')}] ${this.invite?.cseq} INVITE`] : []
    const xml = this.send(patience, [
      `${method} ${target} SIP/2.0`,
      ...this.dialogLines(branch, `${this.cseq} ${method}`),
      ...(/INVITE|UPDATE|SUBSCRIBE|REFER/.test(method) ? [contact] : []),
      ...acknowledges,
      ...headerLines(headers),
      ...bodyLines(body),
    ])
    this.lastRequest = method
    return xml
  }

  private cancel(headers: Message['headers']): string {
    const { cseq, branch, uri, to } = this.invite!
    this.lastRequest = 'CANCEL'
    return this.send(patience, [
      `CANCEL ${uri} SIP/2.0`,
      ...this.dialogLines(branch, `${cseq} CANCEL`, to),
      ...headerLines(headers),
      ...bodyLines(undefined),
    ])
  }

  private replied({ status, match, optional }: Replied): string {
    const toInvite = this.lastRequest === 'INVITE'
    const makesDialog = this.role === 'caller' && toInvite && status > 100 && status < 300
    const actions = [
      ...(makesDialog ? [this.save('peer', '.*', header('To'))] : []),
      ...(match && 'RSeq' in match ? [this.save('rseq', '[0-9]+', header('RSeq'))] : []),
      ...(toInvite && status === 200 ? [this.save('described', 'v=0.*', 'search_in="body"')] : []),
      ...this.matching(match),
    ]
    if (makesDialog) this.inDialog = true
    if (this.lastRequest === 'INVITE' && status >= 200) this.inviteStatus = status
    this.last = undefined
    const routes = status > 100 && status < 300 && toInvite ? ' rrs="true"' : ''
    const trying =
      toInvite && status > 100 && !optional ? '<recv response="100" optional="true"></recv>\n' : ''
    return `${trying}<recv response="${status}"${optional ? ' optional="true"' : ''}${routes}><action>\n${actions.join('\n')}\n</action></recv>`
  }

  private ack({ body }: Ack): string {
    const { cseq, branch, uri } = this.invite!
    // Of a refusal, it belongs to the INVITE's transaction (RFC 3261 17.1.1.3).
    const refused = this.inviteStatus >= 300
    return this.send('', [
      `ACK ${refused ? uri : '[next_url]'} SIP/2.0`,
      ...(refused
        ? this.dialogLines(branch, `${cseq} ACK`, '[last_To:]')
        : this.dialogLines(`${branch}-ack`, `${cseq} ACK`)),
      ...bodyLines(body),
    ])
  }

  private dialogLines(branch: string, cseq: string, to = this.peerParty): string[] {
    return [
      `Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=${branch}`,
      'Max-Forwards: 70',
      ...(this.inDialog ? ['[routes]'] : []),
      `From: ${this.ownParty}`,
      to.startsWith('[last_') ? to : `To: ${to}`,
      'Call-ID: [call_id]',
      `CSeq: ${cseq}`,
    ]
  }

  private get ownParty(): string {
    return this.role === 'caller'
      ? '"SIPp" <sip:sipp@[local_ip]:[local_port]>;tag=[pid]-[call_number]'
      : `[$${this.variable('own')}];tag=[pid]-[call_number]`
  }

  private get peerParty(): string {
    return this.role === 'caller' && !this.inDialog ? `<${firstTarget}>` : `[$${this.variable('peer')}]`
  }

  private matching(match: Match = {}): string[] {
    return Object.entries(match).map(([name, pattern]) => {
      const where =
        name === 'body' ? 'search_in="body"' : name === 'message' ? 'search_in="msg"' : header(name)
      return this.save(`match${this.variables.size}`, pattern, where, true)
    })
  }

  private save(name: string, pattern: string, where: string, must = false): string {
    return `<ereg regexp="${attribute(pattern)}" ${where}${must ? ' check_it="true"' : ''} assign_to="${this.variable(name)}"/>`
  }

  /** A party of a request, whose header may have its compact name (RFC 3261 7.3.3). */
  private saveParty(name: string, header: string): string {
    const [whole, word] = [this.variable(`${name}Line`), this.variable(`${name}Word`)]
    const pattern = `[[:cntrl:]](${header})[[:blank:]]*:[[:blank:]]*([^[:cntrl:]]+)`
    return `<ereg regexp="${pattern}" search_in="msg" assign_to="${whole},${word},${this.variable(name)}"/>`
  }

  private variable(name: string): string {
    this.variables.add(name)
    return name
  }

  private send(attributes: string, lines: readonly string[]): string {
    return `<send${attributes}><![CDATA[\n\n${lines.join('\n')}\n\n]]></send>`
  }
}

const firstTarget = 'sip:[service]@[remote_ip]:[remote_port]'
const contact = 'Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>'
/** When SIPp sends again what it gets no answer to. Nothing is lost on this way, and an ACK of floe's for each 200 that comes twice
 *  is nothing that stands on a ladder: it is not to be impatient on a busy machine. */
const patience = ' retrans="5000"'
/** With their names: a request through a proxy has several. */
const everyVia = '(Via|v)[ :]+SIP[^[:cntrl:]]+([[:cntrl:]]+(Via|v)[ :]+SIP[^[:cntrl:]]+)*'
const header = (name: string) => `search_in="hdr" header="${name}:"`
const headerLines = (headers: Message['headers'] = {}) =>
  Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
const bodyLines = (body: Body | undefined) =>
  body ? [`Content-Type: ${body.type}`, 'Content-Length: [len]', '', body.text] : ['Content-Length: 0']
const attribute = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const phrases: Record<number, string> = {
  100: 'Trying',
  180: 'Ringing',
  181: 'Call Is Being Forwarded',
  183: 'Session Progress',
  200: 'OK',
  202: 'Accepted',
  302: 'Moved Temporarily',
  401: 'Unauthorized',
  407: 'Proxy Authentication Required',
  422: 'Session Interval Too Small',
  423: 'Interval Too Brief',
  481: 'Call/Transaction Does Not Exist',
  486: 'Busy Here',
  487: 'Request Terminated',
  491: 'Request Pending',
  503: 'Service Unavailable',
  603: 'Decline',
}
