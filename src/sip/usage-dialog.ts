// A dialog that is no call: of a subscription (RFC 6665 4.4) or of a REFER outside of calls. sip.js files it by its tags and counts.
import { Core } from 'sip.js'

export class UsageDialog extends Core.Dialog {
  constructor(
    core: Core.UserAgentCore,
    state: Core.DialogState,
    private readonly onRequest: (message: Core.IncomingRequestMessage) => void,
  ) {
    super(core, state)
  }

  override receiveRequest(message: Core.IncomingRequestMessage): void {
    if (!this.sequenceGuard(message)) return
    super.receiveRequest(message)
    this.onRequest(message)
  }

  /** The peer moves with each request of its own (RFC 6665 4.4.1). */
  refreshTarget(message: Core.IncomingRequestMessage): void {
    const contact: unknown = message.parseHeader('contact')
    if (contact instanceof Core.NameAddrHeader) this.dialogState.remoteTarget = contact.uri
  }
}
