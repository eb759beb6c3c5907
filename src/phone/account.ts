// The account of a phone as the signalling layer takes it, and how long starting waits for its registration.
import { RegistrationFailed } from '../errors.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { instanceOf, serversOf } from '../sip/registration.ts'
import type { Account, RegistrationState, SipRegistration } from '../sip/session.ts'
import { serverUri } from '../sip/uri.ts'
import type { PhoneOptions } from './options.ts'

const withScheme = (uri: string): string => (/^sips?:/i.test(uri) ? uri : `sip:${uri}`)

export function accountOf(options: PhoneOptions, { machine }: Runtime): Account | undefined {
  const { account, displayName, username, password, server, route } = options
  if (account === undefined) return undefined
  const aor = withScheme(account)
  const instanceId = options.instanceId ?? instanceIdOf(aor, options.listen, machine)
  return {
    aor,
    ...(displayName !== undefined && { displayName }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(server !== undefined && { server: [server].flat().map(serverUri) }),
    ...(route && { route: route.map(serverUri) }),
    ...(instanceId !== undefined && { instanceId }),
  }
}

/** The same at each start where a port of its own tells this phone from others on the machine, without a file to remember it:
 *  nobody else can hold that port meanwhile. Else none. */
function instanceIdOf(
  aor: string,
  listen: PhoneOptions['listen'],
  machine: string | undefined,
): string | undefined {
  const own = listen?.filter(({ port }) => port !== 0).map((point) => Object.values(point).join(' '))
  return machine && own?.length ? instanceOf(machine, aor, ...own.sort()) : undefined
}

/** The server that calls of the account go to: of several the one it is registered at. */
export function serverInUse(
  account: Account | undefined,
  state: RegistrationState | undefined,
): string | undefined {
  const servers = account ? serversOf(account) : []
  return state?.state === 'registered' && servers.includes(state.server) ? state.server : servers[0]
}

/** Resolves once registered; rejects with RegistrationFailed at the first failure. Every state is told first. */
export const firstRegistered = (
  registration: SipRegistration,
  { aor }: Account,
  tell: (state: RegistrationState) => void,
): Promise<void> =>
  new Promise((resolve, reject) => {
    registration.onState = (state) => {
      tell(state)
      if (state.state === 'registered') resolve()
      else if (state.state === 'failed') {
        const { status, reason, unanswered } = state
        const said = unanswered ? reason : `${status} ${reason}`
        reject(new RegistrationFailed(`${aor} could not register: ${said}`, status, reason))
      }
    }
  })
