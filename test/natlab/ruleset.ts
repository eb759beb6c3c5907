// The kernel's routers as nft rules.
import type { KernelRouter, UserNat } from './networks.ts'

export const isKernelRouter = (access: KernelRouter | UserNat): access is KernelRouter => 'input' in access

/** The input chain matters: an unsolicited packet that reaches the router's own input makes a conntrack entry, which takes
 *  the tuple, and the NAT turns symmetric for that peer. */
export function ruleset({ masquerade, input, open, forward = [], dropFragments }: KernelRouter): string {
  const chains = [
    input === 'dropped' &&
      chain('input', 'filter hook input priority 0', 'iifname "outside" meta l4proto udp drop'),
    chain(
      'forward',
      'filter hook forward priority 0',
      'iifname "inside*" oifname "inside*" drop',
      ...(open ? ['accept'] : []),
      ...forward,
      'ct state established,related accept',
      'iifname "inside*" accept',
      'drop',
    ),
    masquerade !== undefined &&
      chain(
        'postrouting',
        'nat hook postrouting priority 100',
        `oifname "outside" meta nfproto ipv4 masquerade ${masquerade === 'fully-random' ? 'random,fully-random' : ''}`,
      ),
    dropFragments &&
      chain('fragments', 'filter hook prerouting priority -450', 'ip frag-off & 0x3fff != 0 drop'),
    // A path with a small MTU lets TCP know it, as routers on such lines do.
    dropFragments &&
      chain('clamp', 'filter hook forward priority -10', 'tcp flags syn tcp option maxseg size set 1240'),
  ]
  return `table inet lab {\n${chains.filter((text) => text !== false && text !== undefined).join('\n')}\n}`
}

const chain = (name: string, type: string, ...rules: string[]): string =>
  [`chain ${name} {`, `type ${type}`, ...rules, '}'].join('\n')
