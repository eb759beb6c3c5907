// What an account's mailbox holds (RFC 3842 3.5): application/simple-message-summary.

export interface MessageCounts {
  new: number
  old: number
  newUrgent: number
  oldUrgent: number
}

export interface MessageSummary {
  waiting: boolean
  /** Whose mailbox, or where to call for it. */
  account?: string
  voice?: MessageCounts
  /** By what the body calls them, lower case: "voice", "fax", "pager", "multimedia", "text". */
  counts: Record<string, MessageCounts>
}

const classes = new Set(['voice', 'fax', 'pager', 'multimedia', 'text', 'none'])
/** Four numbers of at most nine digits. */
const countLine = /^\s*(\d{1,9})\s*\/\s*(\d{1,9})\s*(?:\(\s*(\d{1,9})\s*\/\s*(\d{1,9})\s*\))?\s*$/

/** Undefined where the text does not say whether messages wait. */
export function parseMessageSummary(text: string): MessageSummary | undefined {
  let waiting: boolean | undefined
  let account: string | undefined
  const counts: Record<string, MessageCounts> = {}
  for (const line of text.split(/\r?\n/)) {
    // Headers of single messages follow after an empty line.
    if (line.trim() === '' && waiting !== undefined) break
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === 'messages-waiting') waiting = value.toLowerCase() === 'yes'
    else if (name === 'message-account') account = value
    else if (name.endsWith('-message') && classes.has(name.slice(0, -8))) {
      const [, fresh, old, freshUrgent = '0', oldUrgent = '0'] = countLine.exec(value) ?? []
      if (fresh === undefined || old === undefined) continue
      counts[name.slice(0, -8)] = {
        new: Number(fresh),
        old: Number(old),
        newUrgent: Number(freshUrgent),
        oldUrgent: Number(oldUrgent),
      }
    }
  }
  if (waiting === undefined) return undefined
  const { voice } = counts
  return { waiting, ...(account !== undefined && { account }), ...(voice && { voice }), counts }
}
