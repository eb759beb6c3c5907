// Candidates that come after the descriptions, both ways, by INFO (RFC 8840): the peer's are given to the path that they are
// for, ours are told where the peer takes them.
import type { Candidate } from '../ice/candidate.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { IceDescription } from '../sdp/description.ts'
import { fragmentType, readFragment, writeFragment } from '../sdp/fragment.ts'
import type { Body, Session } from '../sip/session.ts'
import type { FactBody } from '../trace/facts.ts'
import { isMulticastName, resolveMulticastName } from './mdns.ts'
import type { MediaPath } from './media-path.ts'
import type { PathSuccession } from './path-succession.ts'
import { TrickledCandidates } from './trickled-candidates.ts'

/** RFC 8840 10: the Info-Package. */
export const tricklePackage = 'trickle-ice'
/** Fragments that come before the description they belong to. */
const maximumEarlyFragments = 8
/** Names of one peer that are looked up: a browser gives one for each of its interfaces. */
const maximumNames = 8

export interface FragmentsOptions {
  runtime: Runtime
  record: (fact: FactBody) => void
  paths: PathSuccession
  /** Whether the settings let us tell candidates so late. */
  enabled: boolean
  /** What both sides have agreed on, once they have. */
  agreed: () => { theirs: IceDescription | undefined; rtcpMux: boolean; mid: string | undefined } | undefined
}

export class Fragments {
  /** To send INFO through. */
  session: Pick<Session, 'info' | 'peerInfoPackages'> | undefined
  private readonly trickled: TrickledCandidates
  private readonly early: string[] = []
  private isEstablished = false
  private stopped = false

  constructor(private readonly options: FragmentsOptions) {
    this.trickled = new TrickledCandidates(options.runtime.clock, (candidates, end) =>
      this.send(candidates, end),
    )
  }

  /** Whether there are candidates that the peer has not been told of, and will not be. */
  get hasUntold(): boolean {
    return this.trickled.hasUntold
  }

  /** The dialog that INFO can be sent in from now on (RFC 8840 4.3: both ends know it once the INVITE is answered). */
  established(): void {
    this.isEstablished = true
    this.trickled.flush()
  }

  /** A description has named these candidates of the path. */
  follow(path: MediaPath, told: readonly Candidate[]): void {
    this.trickled.follow(path, told)
  }

  /** The peer's description has been read: what came before it, and waits for it, follows. */
  begin(path: MediaPath, ice: IceDescription): void {
    this.lookUpNames(path, ice.candidates)
    for (const text of this.early.splice(0)) this.read(text)
    this.trickled.flush()
  }

  /** What an INFO of the package carries. */
  receive(body: Body): void {
    if (this.options.agreed()) this.read(body.content)
    else if (this.early.length < maximumEarlyFragments) this.early.push(body.content)
  }

  canTrickleTo({ options }: IceDescription): boolean {
    const takesInfo = this.session?.peerInfoPackages.has(tricklePackage) ?? false
    return this.options.enabled && options.includes('trickle') && takesInfo
  }

  stop(): void {
    this.stopped = true
    this.trickled.stop()
  }

  private read(text: string): void {
    const { record, paths, agreed } = this.options
    const { sections, problems } = readFragment(text)
    for (const problem of problems) record({ layer: 'sdp', type: 'problem', ...problem })
    const path = paths.newest
    for (const { ufrag, candidates, endOfCandidates } of sections) {
      // Of another generation: late, or of a restart that came to nothing.
      if (ufrag !== agreed()?.theirs?.ufrag || !path?.usesIce) continue
      path.addRemoteCandidates(candidates, endOfCandidates)
      this.lookUpNames(path, candidates)
    }
  }

  private send(candidates: readonly Candidate[], endOfCandidates: boolean): boolean {
    const { session } = this
    const { record, paths, agreed } = this.options
    const { theirs, rtcpMux, mid } = agreed() ?? {}
    const { agent } = paths.newest ?? {}
    if (!session || !this.isEstablished || !theirs || !agent || mid === undefined) return false
    if (!this.canTrickleTo(theirs)) return false
    const needed = candidates.filter(({ component }) => component === 1 || !rtcpMux)
    const content = writeFragment({ ...agent.parameters, mid, candidates: needed, endOfCandidates })
    const warn = (error: unknown): void => {
      if (this.stopped) return // nobody needs them any more
      const why = error instanceof Error ? error.message : error
      record({ layer: 'call', type: 'warning', message: `late candidates were not taken: ${why}` })
    }
    session.info({ contentType: fragmentType, content }, tricklePackage).catch(warn)
    return true
  }

  /** Names that hide a private address (mDNS): looked up beside the checks of the others. */
  private lookUpNames(path: MediaPath, candidates: readonly Candidate[]): void {
    const named = candidates.filter(({ address }) => isMulticastName(address)).slice(0, maximumNames)
    for (const candidate of named)
      void resolveMulticastName(candidate.address, this.options.runtime).then((address) => {
        if (address !== undefined && !this.stopped)
          path.addRemoteCandidates([{ ...candidate, address }], false)
      })
  }
}
