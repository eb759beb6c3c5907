// floe's public API. What is not exported here is floe's own affair.
export { Conference, type ConferenceOptions, type Seat } from './audio/conference.ts'
export { EchoLine } from './audio/echo-line.ts'
export type { AudioSink, AudioSource, EncodedSink, EncodedSource } from './audio/frames.ts'
export { LiveSource } from './audio/live-source.ts'
export { type MixedInput, mixed } from './audio/mixed-source.ts'
export { type Hearing, type HearingOptions, hasHeard, type Pcm } from './audio/recognise.ts'
export { VoiceActivity, type VoiceActivityOptions } from './audio/voice-activity.ts'
export { WavReader } from './audio/wav-reader.ts'
export { WavWriter } from './audio/wav-writer.ts'
export type { Codec, Decoder, Encoder } from './codec/codec.ts'
export { opusWith } from './codec/opus.ts'
export type { OpusOptions } from './codec/opus-parameters.ts'
export type { CallReport, Verdict } from './diagnose/call-report.ts'
export { exitCodeOfReport } from './diagnose/exit-code.ts'
export { formatPairs, formatReport } from './diagnose/format-report.ts'
export { formatFact, ladder } from './diagnose/ladder.ts'
export { report as reportOfFacts } from './diagnose/report.ts'
export { type ExamineOptions, examine } from './doctor/examine.ts'
export type { Finding, Mark } from './doctor/finding.ts'
export {
  CallFailed,
  EncryptionFailed,
  type ErrorCode,
  FloeError,
  IceFailed,
  InvariantError,
  NetworkError,
  RegistrationFailed,
  RemoteError,
  RequestFailed,
  TimeoutError,
  UsageError,
} from './errors.ts'
export { type OpenedSound, openSound, openSource, type SoundOptions } from './files/open-sound.ts'
export { OpusFileReader } from './files/opus-file.ts'
export { OpusFileWriter } from './files/opus-file-writer.ts'
export type { MixedSound, Playable } from './files/playable.ts'
export type { AudioStreams, PcmOptions, PcmReadable, PcmWritable } from './phone/audio-streams.ts'
export { Call } from './phone/call.ts'
export type { HeldBy } from './phone/call-changes.ts'
export type { IncomingTransfer } from './phone/call-transfers.ts'
export type { DialogInfo } from './phone/dialog-info.ts'
export type { DtmfOptions } from './phone/dtmf-by-info.ts'
export { hearFile } from './phone/hearing.ts'
export type { MessageCounts, MessageSummary } from './phone/message-summary.ts'
export type {
  CallerOptions,
  CallOptions,
  DialOptions,
  IcePolicy,
  PhoneOptions,
  SrtpPolicy,
  TricklePolicy,
} from './phone/options.ts'
export type { PcmDuplex } from './phone/pcm-duplex.ts'
export { Phone } from './phone/phone.ts'
export type { Presence, PresenceTuple } from './phone/presence.ts'
export type { ReceivedDigit } from './phone/received-digits.ts'
export {
  type Notification,
  type SubscribeToOptions,
  Subscription,
  type UnsolicitedNotification,
} from './phone/subscription.ts'
export { formatAddress, type TransportAddress } from './runtime/address.ts'
export { nodeRuntime } from './runtime/node.ts'
export type { Clock, Millis, Network, Random, Runtime } from './runtime/runtime.ts'
export { type RunningServer, type ServeOptions, startServer } from './serve/server.ts'
export { defaultPorts, type ListeningPoint, type Protocol } from './sip/flow.ts'
export type { Peer } from './sip/peer.ts'
export type { PrivacyLevel, RegistrationState, SubscriptionState, TextMessage } from './sip/session.ts'
export type { TlsSettings } from './sip/tls-settings.ts'
export type { Levels } from './stream/audio-stream.ts'
export type { Fact, StreamStatistics } from './trace/facts.ts'
export { Trace } from './trace/trace.ts'
export type { IceServer, IceServerConfig } from './turn/ice-servers.ts'
