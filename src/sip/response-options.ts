// Status and reason of a response in sip.js's form.
import type { Core } from 'sip.js'

export const responseOptions = (status: number, reason?: string): Core.ResponseOptions =>
  reason === undefined
    ? { statusCode: status }
    : { statusCode: status, reasonPhrase: reason.replace(/[\r\n]+/g, ' ') }
