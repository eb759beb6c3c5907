// The import directions of "How floe is built" in the README: a folder may import only folders of a lower rank.
const ranks = [
  ['errors', 'runtime', 'trace'],
  ['stun', 'wire', 'sdp', 'rtp', 'srtp', 'dtls', 'codec', 'audio', 'diagnose'],
  ['rtcp', 'turn', 'files'],
  ['ice', 'stream', 'sip'],
  ['phone', 'sim', 'serve'],
  ['testkit', 'doctor'],
  ['cli', 'index'],
]
const place = (name) => `^src/${name}(/|\\.ts$)`
/** Same-rank imports that are part of the design. */
const sideways = {
  codec: ['audio'],
  runtime: ['errors'],
  trace: ['runtime', 'errors'],
  rtcp: [],
  files: [],
  cli: ['index'],
}

const rankRules = ranks.flatMap((names, rank) =>
  names.map((name) => ({
    name: `rank-${name}`,
    severity: 'error',
    comment: `src/${name} may import only what stands below it`,
    from: { path: place(name) },
    to: {
      path: '^src/',
      pathNot: [place(name), ...(sideways[name] ?? []).map(place), ...ranks.slice(0, rank).flat().map(place)],
    },
  })),
)
/** Neighbours of a lower rank that a folder still must not see. */
const never = [
  ['stream', ['ice', 'stun', 'sip', 'sdp']],
  ['sip', ['sdp', 'ice', 'stream', 'rtp', 'rtcp', 'codec', 'audio', 'diagnose']],
  ['ice', ['sdp', 'wire', 'rtp', 'rtcp', 'codec', 'audio', 'diagnose']],
  ['turn', ['wire', 'sdp', 'rtp', 'codec', 'audio', 'diagnose']],
  ['diagnose', ['stun', 'wire', 'sdp', 'rtp', 'codec', 'audio']],
]
const owner = (module, folders) => ({
  name: `only-${folders[0]}-imports-${module}`,
  severity: 'error',
  from: { path: '^src/', pathNot: folders.map(place) },
  to: { path: `(^|/)node_modules/${module}/` },
})

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'not-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...rankRules,
    ...never.map(([name, others]) => ({
      name: `${name}-does-not-see-${others[0]}`,
      severity: 'error',
      from: { path: place(name) },
      to: { path: others.map(place) },
    })),
    owner('sip\\.js', ['sip']),
    owner('sdp-transform', ['sdp']),
    owner('sax', ['phone']),
    owner('commander', ['cli']),
    owner('ws', ['runtime']),
    owner('yaml', ['testkit', 'cli']),
    owner('vitest', ['testkit']),
    {
      name: 'io-only-in-runtime-node',
      comment:
        'Node I/O lives in src/runtime and the command line alone; hashes, streams and path arithmetic are not I/O',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/runtime/(node[-a-z]*|dns)\\.ts$', place('cli')] },
      to: { dependencyTypes: ['core'], pathNot: ['^(node:)?(crypto|buffer|util|path|stream)$'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
}
