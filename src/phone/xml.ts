// XML as the bodies of notifications carry it: elements by their local names, whatever their prefixes. Documents come from
// strangers: nothing is fetched, entities are the five of XML alone, a DOCTYPE is refused, size and depth are bounded.
import sax from 'sax'

export interface XmlElement {
  /** Without prefix. */
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  /** All text directly in it, trimmed. */
  readonly text: string
}

/** No entities of HTML: an option that the types do not know. */
const strict = { strictEntities: true } as sax.SAXOptions
const maximumLength = 65_536
const maximumElements = 5_000
const maximumDepth = 32

interface Open {
  name: string
  attributes: Record<string, string>
  children: XmlElement[]
  text: string
}

const localName = (name: string): string => name.slice(name.indexOf(':') + 1)

/** The root; undefined where the text is no document, or one that floe does not read. Never throws. */
export function parseXml(text: string): XmlElement | undefined {
  if (text.length > maximumLength) return undefined
  const parser = sax.parser(true, strict)
  const path: Open[] = []
  let root: XmlElement | undefined
  let elements = 0
  let broken = false
  const fail = (): void => {
    broken = true
  }
  parser.onerror = fail
  parser.ondoctype = fail
  parser.onopentag = ({ name, attributes }): void => {
    const second = root !== undefined
    if (broken || second || ++elements > maximumElements || path.length >= maximumDepth) {
      fail()
      return
    }
    const named = Object.entries(attributes).map(([key, value]) => [localName(key), String(value)] as const)
    path.push({ name: localName(name), attributes: Object.fromEntries(named), children: [], text: '' })
  }
  const addText = (more: string): void => {
    const open = path.at(-1)
    if (open && !broken) open.text += more
  }
  parser.ontext = addText
  parser.oncdata = addText
  parser.onclosetag = (): void => {
    const open = path.pop()
    if (!open || broken) return
    const element = { ...open, text: open.text.trim() }
    const parent = path.at(-1)
    if (parent) parent.children.push(element)
    else root ??= element
  }
  try {
    parser.write(text).close()
  } catch {
    return undefined
  }
  return broken ? undefined : root
}

export const childrenOf = (element: XmlElement | undefined, name: string): XmlElement[] =>
  element?.children.filter((child) => child.name === name) ?? []

export const childOf = (element: XmlElement | undefined, name: string): XmlElement | undefined =>
  element?.children.find((child) => child.name === name)

/** The text of a child; undefined where it is absent or empty. */
export const textOf = (element: XmlElement | undefined, name: string): string | undefined =>
  childOf(element, name)?.text || undefined
