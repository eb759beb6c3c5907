// Which calls somebody has (RFC 4235): application/dialog-info+xml, and the table that full and partial documents keep.
import { childOf, childrenOf, parseXml, textOf, type XmlElement } from './xml.ts'

export interface DialogInfo {
  readonly id: string
  readonly state: 'trying' | 'proceeding' | 'early' | 'confirmed' | 'terminated'
  /** As the watched one sees it. */
  readonly direction?: 'initiator' | 'recipient'
  readonly callId?: string
  readonly localTag?: string
  readonly remoteTag?: string
  readonly local?: string
  readonly remote?: string
  readonly remoteName?: string
}

export interface DialogInfoDocument {
  readonly entity: string
  readonly version: number
  /** Whether it replaces what was known. */
  readonly full: boolean
  readonly dialogs: readonly DialogInfo[]
}

const states = new Set(['trying', 'proceeding', 'early', 'confirmed', 'terminated'])

/** Undefined where the text is no such document. */
export function parseDialogInfo(text: string): DialogInfoDocument | undefined {
  const root = parseXml(text)
  if (root?.name !== 'dialog-info') return undefined
  const version = Number(root.attributes['version'])
  if (!Number.isInteger(version) || version < 0) return undefined
  return {
    entity: root.attributes['entity'] ?? '',
    version,
    full: root.attributes['state'] !== 'partial',
    dialogs: childrenOf(root, 'dialog').flatMap((element) => readDialog(element) ?? []),
  }
}

function readDialog(element: XmlElement): DialogInfo | undefined {
  const { id, direction } = element.attributes
  const state = textOf(element, 'state')?.toLowerCase()
  if (!id || state === undefined || !states.has(state)) return undefined
  const local = childOf(element, 'local')
  const remote = childOf(element, 'remote')
  const optional = {
    callId: element.attributes['call-id'],
    localTag: element.attributes['local-tag'],
    remoteTag: element.attributes['remote-tag'],
    local: textOf(local, 'identity'),
    remote: textOf(remote, 'identity'),
    remoteName: childOf(remote, 'identity')?.attributes['display'],
  }
  return {
    id,
    state: state as DialogInfo['state'],
    ...((direction === 'initiator' || direction === 'recipient') && { direction }),
    ...Object.fromEntries(
      Object.entries(optional).filter(([, value]) => value !== undefined && value !== ''),
    ),
  }
}

/** More calls than that nobody has who is watched. */
const maximumDialogs = 1_000

/** RFC 4235 4.3: what is known after any number of documents. */
export class DialogTable {
  private version = -1
  private readonly dialogs = new Map<string, DialogInfo>()

  /** Every dialog that is not over. A document that comes too late changes nothing. */
  update({ version, full, dialogs }: DialogInfoDocument): DialogInfo[] {
    // A new subscription counts from 0 again.
    if (version > this.version || full) {
      this.version = version
      if (full) this.dialogs.clear()
      for (const dialog of dialogs) {
        if (dialog.state === 'terminated') this.dialogs.delete(dialog.id)
        else if (this.dialogs.size < maximumDialogs || this.dialogs.has(dialog.id))
          this.dialogs.set(dialog.id, dialog)
      }
    }
    return [...this.dialogs.values()]
  }
}
