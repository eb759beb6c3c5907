// Whether somebody can be reached (RFC 3856, RFC 3863): application/pidf+xml, with the notes that people write into it and the
// activities of RFC 4480. Other extensions are passed over.
import { childOf, childrenOf, parseXml, textOf, type XmlElement } from './xml.ts'

export interface PresenceTuple {
  readonly id: string
  /** Absent where the document does not say. */
  readonly open?: boolean
  readonly contact?: string
  readonly note?: string
}

export interface Presence {
  /** Whose: "pres:bob@example.com" or a SIP URI. */
  readonly entity: string
  /** Whether any of the tuples is open. */
  readonly open: boolean
  readonly tuples: readonly PresenceTuple[]
  /** What is said in words, of the person and of tuples. */
  readonly notes: readonly string[]
  /** "on-the-phone", "away", "meeting" ... */
  readonly activities: readonly string[]
}

/** Undefined where the text is no such document. */
export function parsePresence(text: string): Presence | undefined {
  const root = parseXml(text)
  if (root?.name !== 'presence') return undefined
  const tuples = childrenOf(root, 'tuple').map(readTuple)
  const people = childrenOf(root, 'person')
  const noted = [root, ...people, ...childrenOf(root, 'tuple')]
  return {
    entity: root.attributes['entity'] ?? '',
    open: tuples.some(({ open }) => open === true),
    tuples,
    notes: [
      ...new Set(noted.flatMap((element) => childrenOf(element, 'note')).map(({ text }) => text)),
    ].filter(Boolean),
    activities: people
      .flatMap((person) => childrenOf(person, 'activities'))
      .flatMap(({ children }) => children.map(({ name }) => name)),
  }
}

function readTuple(element: XmlElement): PresenceTuple {
  const basic = textOf(childOf(element, 'status'), 'basic')?.toLowerCase()
  const contact = textOf(element, 'contact')
  const note = textOf(element, 'note')
  return {
    id: element.attributes['id'] ?? '',
    ...((basic === 'open' || basic === 'closed') && { open: basic === 'open' }),
    ...(contact !== undefined && { contact }),
    ...(note !== undefined && { note }),
  }
}
