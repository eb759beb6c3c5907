// A REFER outside of any call (RFC 3515): somebody wants us to call somebody. The dialog that it creates carries nothing but the
// reports of how that goes. Leaves out: refreshing and ending it by SUBSCRIBE, which is refused.
import { Core } from 'sip.js'
import type { AgentContext, Identity } from './agent-context.ts'
import type { DialogOutlet } from './dialog-requests.ts'
import { sendInDialog } from './in-dialog-request.ts'
import { Referee } from './referee.ts'
import type { IncomingRefer } from './session.ts'
import { contactUri, randomToken } from './sipjs-core.ts'
import { setLocalTag } from './sipjs-corrections.ts'
import type { IncomingRequest } from './sipjs-messages.ts'
import { sipUri } from './uri.ts'
import { UsageDialog } from './usage-dialog.ts'

/** The dialog is forgotten when the reports are over, or when nobody answers them. */
export function receiveStrangersRefer(
  context: AgentContext,
  identity: Identity,
  message: IncomingRequest,
  onRefer: (refer: IncomingRefer) => void,
): void {
  const core = context.core.through({ contact: contactUri(sipUri(message.wire.uriText)?.user) })
  const server = new Core.ReferUserAgentServer(core, message)
  const tag = randomToken(context.random)
  setLocalTag(server, tag)
  let dialog: UsageDialog | undefined
  const refuse = (request: Core.IncomingRequestMessage): void => {
    core.replyStateless(request, { statusCode: 405, toTag: tag })
  }
  const outlet: DialogOutlet = {
    contactHeader: `Contact: ${core.configuration.contact.toString()}`,
    send: (method, body, headers, onFinal) => {
      dialog ??= new UsageDialog(core, Core.Dialog.initialDialogStateForUserAgentServer(message, tag), refuse)
      const challenger = message.flow.remote.address
      sendInDialog(
        { context, core, identity, dialog, challenger },
        method,
        body,
        [outlet.contactHeader, ...headers],
        (status, reason, response) => {
          onFinal(status, reason, response)
          if (status >= 300 || headers.some((header) => header.includes('terminated'))) dialog?.dispose()
        },
      )
    },
    gone: () => dialog?.dispose(),
  }
  new Referee(context, outlet).receive(server as Core.IncomingReferRequest, onRefer)
}
