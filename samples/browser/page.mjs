// A softphone in a browser: sip.js over a WebSocket. It says a tone, and measures what it hears; a microphone would be
// `navigator.mediaDevices.getUserMedia({ audio: true })` in the place of `mouth.stream`.
import { Invitation, Inviter, Registerer, RegistererState, SessionState, UserAgent, Web } from 'sip.js'

const element = (id) => document.getElementById(id)
const show = (state) => {
  element('state').value = state
}

// ── sound ────────────────────────────────────────────────────────────────────────────────────────

const audio = new AudioContext()
const tone = new OscillatorNode(audio, { frequency: 440 })
const quieter = new GainNode(audio, { gain: 0.5 })
const mouth = new MediaStreamAudioDestinationNode(audio)
tone.connect(quieter).connect(mouth)
tone.start()

const ear = new AnalyserNode(audio, { fftSize: 8192 })
const samples = new Float32Array(ear.fftSize)

const speaker = new Audio()
speaker.autoplay = true

function listenTo(stream) {
  speaker.srcObject = stream // Chromium gives WebAudio nothing of a stream that nobody plays
  audio.createMediaStreamSource(stream).connect(ear)
}

/** How much of what was heard last is a tone of that frequency: 0 to 1 (Goertzel). 0 in silence. */
function shareOf(hz) {
  ear.getFloatTimeDomainData(samples)
  const turn = 2 * Math.cos((2 * Math.PI * hz) / audio.sampleRate)
  let [before, last, power] = [0, 0, 0]
  for (const sample of samples) {
    ;[before, last] = [last, sample + turn * last - before]
    power += sample * sample
  }
  const atTone = before * before + last * last - turn * before * last
  return power / samples.length < 1e-6 ? 0 : (2 * atTone) / (samples.length * power)
}

// ── calls ────────────────────────────────────────────────────────────────────────────────────────

let agent
let session

/** Connects to `server` ("wss://host:port"), and registers there unless told not to. */
async function start({ server, user, register = true }) {
  const domain = new URL(server).hostname
  agent = new UserAgent({
    uri: UserAgent.makeURI(`sip:${user}@${domain}`),
    transportOptions: { server },
    // A call ends by stopping its tracks: each gets its own.
    sessionDescriptionHandlerFactory: Web.defaultSessionDescriptionHandlerFactory(async () =>
      mouth.stream.clone(),
    ),
    sessionDescriptionHandlerFactoryOptions: {
      iceGatheringTimeout: 1000,
      peerConnectionConfiguration: { iceServers: [] },
    },
    delegate: { onInvite: follow },
  })
  await audio.resume()
  await agent.start()
  show('connected')
  if (!register) return
  const registerer = new Registerer(agent)
  registerer.stateChange.addListener((state) => {
    if (state === RegistererState.Registered) show('registered')
  })
  await registerer.register()
}

function follow(next) {
  session = next
  show(session instanceof Invitation ? 'somebody calls' : 'calling')
  session.stateChange.addListener((state) => {
    if (state === SessionState.Established) listenTo(session.sessionDescriptionHandler.remoteMediaStream)
    if (state === SessionState.Established) show('in a call')
    if (state === SessionState.Terminated) show('the call is over')
  })
}

async function call(target) {
  await audio.resume()
  const uri = target.includes('@') ? `sip:${target}` : `sip:${target}@${agent.configuration.uri.host}`
  follow(new Inviter(agent, UserAgent.makeURI(uri)))
  await session.invite()
}

async function answer() {
  await audio.resume()
  await session.accept()
}

/** Resolves when the far end has agreed. */
function reinvite(options) {
  session.sessionDescriptionHandlerOptionsReInvite = options // also for re-INVITEs of the far end
  return new Promise((resolve, reject) => {
    const onReject = ({ message }) => reject(new Error(`refused: ${message.statusCode}`))
    session.invite({ requestDelegate: { onAccept: () => resolve(), onReject } }).catch(reject)
  })
}

async function hangUp() {
  if (session.state === SessionState.Established) await session.bye()
  else if (session instanceof Inviter) await session.cancel()
  else await session.reject()
}

const softphone = {
  start,
  call,
  answer,
  hold: () => reinvite({ hold: true }),
  resume: () => reinvite({ hold: false }),
  mute: async () => session.sessionDescriptionHandler.enableSenderTracks(false),
  unmute: async () => session.sessionDescriptionHandler.enableSenderTracks(true),
  restartIce: () => reinvite({ offerOptions: { iceRestart: true } }),
  press: (digits) => session.sessionDescriptionHandler.sendDtmf(digits),
  hangUp,
  farEndSays: () => session.sessionDescriptionHandler.peerConnection.remoteDescription.sdp,
  shareOf,
  say: (hz) => {
    tone.frequency.value = hz
  },
  state: () => element('state').value,
}
globalThis.softphone = softphone

// ── what is on the page ──────────────────────────────────────────────────────────────────────────

/** serve.mjs has its SIP server on the next port. */
const server = () => {
  const { protocol, hostname, port } = location
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${hostname}:${Number(port) + 1}`
}
const buttons = {
  start: () => start({ server: server(), user: element('user').value }),
  call: () => call(element('target').value),
}
for (const id of ['start', 'call', 'answer', 'hold', 'resume', 'mute', 'unmute', 'hangUp'])
  element(id).onclick = () => (buttons[id] ?? softphone[id])().catch((error) => show(error.message))
element('tone').onchange = ({ target }) => softphone.say(target.value)
const spectrum = new Float32Array(ear.frequencyBinCount)
setInterval(() => {
  ear.getFloatFrequencyData(spectrum)
  const loudest = spectrum.indexOf(Math.max(...spectrum))
  const hz = Math.round((loudest * audio.sampleRate) / ear.fftSize)
  element('heard').value = spectrum[loudest] > -60 ? `something at about ${hz} Hz` : 'nothing'
}, 250)
