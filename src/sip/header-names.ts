// Canonical header names and the compact forms of the IANA "SIP Header Fields" registry. A name that is not here keeps
// the spelling it came with; all comparison is case-insensitive through `canonicalName`.

/** Every compact form of the registry (RFC 3261 7.3.3, 3515, 3841, 3892, 4028, 4474, 6665, 8224). */
const compactForms: Record<string, string> = {
  a: 'Accept-Contact',
  b: 'Referred-By',
  c: 'Content-Type',
  d: 'Request-Disposition',
  e: 'Content-Encoding',
  f: 'From',
  i: 'Call-ID',
  j: 'Reject-Contact',
  k: 'Supported',
  l: 'Content-Length',
  m: 'Contact',
  n: 'Identity-Info',
  o: 'Event',
  r: 'Refer-To',
  s: 'Subject',
  t: 'To',
  u: 'Allow-Events',
  v: 'Via',
  x: 'Session-Expires',
  y: 'Identity',
}

const longForms =
  `Accept Accept-Encoding Accept-Language Alert-Info Allow Authentication-Info Authorization Call-Info
CSeq Date Diversion Error-Info Expires Feature-Caps Flow-Timer Geolocation History-Info In-Reply-To Info-Package Join
Max-Breadth Max-Forwards MIME-Version Min-Expires Min-SE Organization P-Access-Network-Info P-Asserted-Identity
P-Associated-URI P-Called-Party-ID P-Preferred-Identity Path Permission-Missing Priority Privacy Proxy-Authenticate
Proxy-Authorization Proxy-Require RAck Reason Record-Route Recv-Info Remote-Party-ID Replaces Reply-To Require Retry-After
Route RSeq Server Service-Route Session-ID SIP-ETag SIP-If-Match Subscription-State Target-Dialog Timestamp Trigger-Consent
Unsupported User-Agent Warning WWW-Authenticate`.split(/\s+/)

const byLowerCase = new Map<string, string>()
for (const name of [...longForms, ...Object.values(compactForms)]) byLowerCase.set(name.toLowerCase(), name)
for (const [compact, name] of Object.entries(compactForms)) byLowerCase.set(compact, name)

/** The usual spellings, so that the usual message needs no lower-casing. */
const asWritten = new Map<string, string>()
for (const [lower, name] of byLowerCase) {
  asWritten.set(name, name)
  asWritten.set(lower, name)
}

const compactOf = new Map(Object.entries(compactForms).map(([compact, name]) => [name, compact]))

/** The shortest spelling (RFC 3261 7.3.3). */
export const compactName = (name: string): string => compactOf.get(name) ?? name

/** "v" and "VIA" become "Via"; an unknown name stays as it is. */
export const canonicalName = (name: string): string =>
  asWritten.get(name) ?? byLowerCase.get(name.toLowerCase()) ?? name
