// Whom to dial, from what people write: a whole URI, "bob@pbx.example", or a name or number at the account's domain. A tel: URI
// becomes a number there (RFC 3261 19.1.6). Leaves out: numbering plans.

/** @param aor of the account, where there is one */
export function completeTarget(target: string, aor: string | undefined): string {
  const [, scheme = 'sip', domain] = /^(sips?):(?:[^@]*@)?([^;?]+)/i.exec(aor ?? '') ?? []
  const number = /^tel:([+\d*#(][-.()\dA-F*#]*)(;.*)?$/i.exec(target)
  // Signs between the digits are for the eye alone (RFC 3966 5.1.1).
  if (number && domain) {
    const digits = number[1]!.replace(/[-.()]/g, '')
    return `${scheme}:${digits}${number[2] ?? ''}@${domain};user=phone`
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(target) && !/^(?!tel:)[^:@]+:\d+$/i.test(target)) return target
  if (target.includes('@') || !domain || target.includes('.')) return `sip:${target}`
  return `${scheme}:${target}@${domain}`
}
