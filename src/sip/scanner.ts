// Programs that look for telephones to abuse, by the name that they give themselves. It is searched for in the octets of a request,
// before anything is parsed; who hides the name is found by what it does (offenders.ts). Names of tools that honest people use for
// tests as well (sipsak, SIPp) are not among them.

const names = [
  'friendly-scanner',
  'friendly-request',
  'sipvicious',
  'sundayddr',
  'sipcli',
  'sip-scan',
  'sipscan',
  'siparmyknife',
  'sipptk',
  'vaxsipuseragent',
  'vaxipuseragent',
  'pplsip',
  'smap',
  'iwar',
  'sivus',
  'gulp',
  'cyberscan',
]

const headers = ['\nUser-Agent:', '\nuser-agent:', '\nUser-agent:', '\nUSER-AGENT:']
/** What stands in it is a product name and a version. */
const longestNameBytes = 64
/** The header stands before the body and near the start. */
const searchedBytes = 4_096

/** The scanner that sent this request; undefined where it does not say so. */
export function scannerOf(request: Uint8Array): string | undefined {
  const octets = Buffer.from(request.buffer, request.byteOffset, Math.min(request.length, searchedBytes))
  for (const header of headers) {
    const at = octets.indexOf(header, 0, 'latin1')
    if (at < 0) continue
    const from = at + header.length
    const line = octets.toString('latin1', from, Math.min(octets.length, from + longestNameBytes))
    const product = line
      .split(/[\r\n]/, 1)[0]!
      .trim()
      .toLowerCase()
    return names.find((name) => product.startsWith(name))
  }
  return undefined
}
