// What an RTCPeerConnection, of whatever implementation, does for the lines of ../agent.ts. The peer's description is written
// around its ICE attributes: one m-line for data, DTLS to be begun by us, with a certificate that nobody holds, so that
// what flows on the pair is DTLS that never ends. Who controls is who offers.

/** Runs in the page of a browser too: uses nothing from outside. */
export function webrtcPeer(RTCPeerConnection, options, tell) {
  let connection
  let remote
  let version = 0
  const untold = []
  let described = false

  const tellCandidate = (candidate) => {
    if (!described) untold.push(candidate)
    else if (candidate) tell('cand', candidate)
    else tell('eoc')
  }

  const tellPair = () => {
    const pair = connection.sctp?.transport.iceTransport.getSelectedCandidatePair?.()
    const text = ({ address, port }) => `${address}:${port}`
    if (pair) tell('selected', 1, text(pair.local), text(pair.remote))
  }

  const create = () => {
    const servers = options.stun ? [{ urls: `stun:${options.stun}` }] : []
    connection = new RTCPeerConnection({ iceServers: servers })
    connection.onicecandidate = ({ candidate }) => {
      if (options.trickle) tellCandidate(candidate?.candidate || undefined)
    }
    connection.oniceconnectionstatechange = () => {
      if (connection.iceConnectionState === 'failed') tell('failed', 'state')
      else if (/connected|completed/.test(connection.iceConnectionState)) {
        tellPair()
        const { iceTransport } = connection.sctp?.transport ?? {}
        if (iceTransport) iceTransport.onselectedcandidatepairchange = tellPair
      }
    }
  }

  const describe = async (description) => {
    described = false
    await connection.setLocalDescription(description)
    while (!options.trickle && connection.iceGatheringState !== 'complete')
      await new Promise((resolve) => setTimeout(resolve, 5))
    const { sdp } = connection.localDescription
    const value = (name) => new RegExp(`^a=${name}:(.*?)\r?$`, 'm').exec(sdp)[1]
    tell('desc', value('ice-ufrag'), value('ice-pwd'))
    described = true
    if (options.trickle) untold.splice(0).forEach(tellCandidate)
    else {
      for (const [, candidate] of sdp.matchAll(/^a=(candidate:.*?)\r?$/gm)) tell('cand', candidate)
      tell('eoc')
    }
  }

  const offer = async () => describe(await connection.createOffer({ iceRestart: version > 0 }))

  const remoteDescription = (type) => {
    const lines = [
      ...['v=0', `o=- 1 ${++version} IN IP4 0.0.0.0`, 's=-', 't=0 0', 'a=group:BUNDLE 0'],
      ...(options.remoteLite ? ['a=ice-lite'] : []),
      ...['m=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 0.0.0.0', 'a=mid:0'],
      ...[`a=ice-ufrag:${remote.ufrag}`, `a=ice-pwd:${remote.pwd}`],
      ...(options.trickle ? ['a=ice-options:trickle'] : []),
      ...[`a=fingerprint:sha-256 ${Array(32).fill('00').join(':')}`, 'a=setup:passive', 'a=sctp-port:5000'],
      ...remote.candidates.map((candidate) => `a=${candidate}`),
      ...(options.trickle ? [] : ['a=end-of-candidates']),
    ]
    return { type, sdp: lines.map((line) => `${line}\r\n`).join('') }
  }

  const useRemote = async () => {
    if (options.controlling) return connection.setRemoteDescription(remoteDescription('answer'))
    await connection.setRemoteDescription(remoteDescription('offer'))
    await describe(await connection.createAnswer())
  }

  return {
    async start() {
      create()
      if (!options.controlling) return
      connection.createDataChannel('data')
      await offer()
    },
    // Who answers is told to restart by the offer.
    restart: async () => options.controlling && offer(),
    async desc(ufrag, pwd) {
      remote = { ufrag, pwd, candidates: [] }
      if (options.trickle) await useRemote()
    },
    async cand(...words) {
      const candidate = words.join(' ')
      if (!options.trickle) remote.candidates.push(candidate)
      else await connection.addIceCandidate({ candidate, sdpMid: '0', sdpMLineIndex: 0 })
    },
    async eoc() {
      if (!options.trickle) await useRemote()
    },
  }
}
