// One account of the phone: its library Phone, and how its registration goes. What fails leaves the account where it is,
// marked as failed: a registration is tried again by the library, a phone that could not start (a port in use) by `start`.
import { FloeError, NetworkError, Phone, type PhoneOptions, type RegistrationState } from '../../index.ts'

export class Account {
  /** "alice@pbx.example"; "anonymous" where the phone has no account and is only called by address. */
  readonly name: string
  phone: Phone | undefined
  registration: RegistrationState = { state: 'unregistered' }
  onChange: (() => void) | undefined
  onPhone: ((phone: Phone) => void) | undefined
  private starting: Promise<void> | undefined
  private readonly giveUp = new AbortController()

  constructor(private readonly options: PhoneOptions) {
    this.name = options.account?.replace(/^sips?:/i, '') ?? 'anonymous'
  }

  get registers(): boolean {
    return this.options.account !== undefined
  }

  /** Listens and registers. Never rejects: how it went is the registration's state. */
  async start(): Promise<void> {
    this.starting ??= this.open().finally(() => {
      this.starting = undefined
    })
    await this.starting
  }

  /** The phone, once it has started. Throws where it could not. */
  async ready(): Promise<Phone> {
    await this.starting
    if (this.phone) return this.phone
    const { registration } = this
    const why = registration.state === 'failed' ? registration.reason : 'it has not been started'
    throw new NetworkError(`${this.name} cannot be used: ${why}`, this.name)
  }

  /** Starts the phone where it could not be before, and registers. */
  async register(): Promise<void> {
    if (this.phone) await this.phone.register()
    else await this.start()
  }

  async stop(): Promise<void> {
    this.giveUp.abort()
    await this.starting
    await this.phone?.stop()
    if (this.registers && this.registration.state === 'registered') this.become({ state: 'unregistered' })
  }

  private async open(): Promise<void> {
    if (this.registers) this.become({ state: 'registering' })
    try {
      // It is there for calls while the registration is tried again and again.
      const phone = await Phone.start({
        ...this.options,
        register: 'in-background',
        signal: this.giveUp.signal,
      })
      this.phone = phone
      phone.onRegistration = (state) => this.become(state)
      this.onPhone?.(phone)
      if (phone.registrationState) this.become(phone.registrationState)
    } catch (error) {
      if (!(error instanceof FloeError)) throw error
      this.become({ state: 'failed', status: 0, reason: error.message })
    }
  }

  /** A registration that was renewed is no news. */
  private become(state: RegistrationState): void {
    const before = this.registration
    this.registration = state
    const isRenewed =
      before.state === 'registered' &&
      state.state === 'registered' &&
      before.contact === state.contact &&
      before.registrar === state.registrar
    if (!isRenewed) this.onChange?.()
  }
}
