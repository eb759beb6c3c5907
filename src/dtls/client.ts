// The client's half of the handshake (RFC 5246 7.3, RFC 6347 4.2): the active end of a=setup.
import type { Millis } from '../runtime/runtime.ts'
import { cipherSuites } from './cipher-suites.ts'
import { DtlsEndpoint } from './endpoint.ts'
import {
  type HandshakeMessage,
  readCertificate,
  readCertificateRequest,
  readHelloVerifyRequest,
  readServerHello,
  readServerKeyExchange,
  writeCertificate,
  writeClientHello,
  writeMessage,
  writeSignature,
} from './handshake-messages.ts'
import { createKeyShare, groups } from './key-exchange.ts'
import { alertDescription, dtls12, handshakeType } from './numbers.ts'
import { vector } from './octets.ts'
import { isSignedBy, ownScheme, signatureSchemes, signWith } from './signature.ts'

export class DtlsClient extends DtlsEndpoint {
  protected readonly role = 'client'
  protected expected: 'hello' | 'certificate' | 'keys' | 'request or done' | 'done' | 'finished' = 'hello'
  private serverKeys: { group: number; publicKey: Uint8Array } | undefined
  /** Whether the server asks for our certificate. */
  private requested = false
  private verified = false

  override start(now: Millis): void {
    super.start(now)
    this.clientRandom = this.options.random.bytes(32)
    this.sayHello(now, new Uint8Array(0))
  }

  private sayHello(now: Millis, cookie: Uint8Array): void {
    const body = writeClientHello({
      version: dtls12,
      random: this.clientRandom,
      cookie,
      suites: cipherSuites.map(({ number }) => number),
      groups: [...groups],
      signatureSchemes: [...signatureSchemes],
      srtpProfiles: this.options.srtpProfiles.map(({ number }) => number),
    })
    // RFC 6347 4.2.1: what came before the cookie is not part of the handshake.
    this.transcript = []
    this.sendFlight(now, [this.say(handshakeType.clientHello, body)])
  }

  protected receive(now: Millis, message: HandshakeMessage): void {
    const { type, body } = message
    const { expected } = this
    if (expected === 'hello' && type === handshakeType.helloVerifyRequest && !this.verified) {
      this.verified = true
      this.sayHello(now, readHelloVerifyRequest(body))
      return
    }
    if (expected === 'hello' && type === handshakeType.serverHello) this.receiveHello(body)
    else if (expected === 'certificate' && type === handshakeType.certificate) {
      this.takeCertificate(readCertificate(body))
      this.expected = 'keys'
    } else if (expected === 'keys' && type === handshakeType.serverKeyExchange) this.receiveKeys(body)
    else if (expected === 'request or done' && type === handshakeType.certificateRequest) {
      if (!readCertificateRequest(body).includes(ownScheme))
        this.refuse(
          alertDescription.handshakeFailure,
          'the far end takes no certificate of ours (ECDSA on P-256)',
        )
      this.requested = true
      this.expected = 'done'
    } else if (
      (expected === 'request or done' || expected === 'done') &&
      type === handshakeType.serverHelloDone
    ) {
      this.transcript.push(writeMessage(message))
      this.answer(now)
      return
    } else if (expected === 'finished' && type === handshakeType.finished) {
      if (this.isFinishedBy('server', message)) this.finish()
      else this.refuse(alertDescription.decryptError, 'the far end has seen another handshake than we have')
    } else this.unexpected(message)
    this.transcript.push(writeMessage(message))
  }

  private receiveHello(body: Uint8Array): void {
    const hello = readServerHello(body)
    this.serverRandom = hello.random
    this.requested = false
    this.suite = cipherSuites.find(({ number }) => number === hello.suite)
    this.srtpProfile = this.options.srtpProfiles.find(({ number }) => number === hello.srtpProfile)
    this.expected = 'certificate'
    if (hello.version !== dtls12)
      this.refuse(alertDescription.protocolVersion, 'the far end speaks another version of DTLS than 1.2')
    else if (!this.suite)
      this.refuse(alertDescription.illegalParameter, 'the far end chose a cipher suite that was not offered')
    else if (!hello.extendedMasterSecret)
      this.refuse(alertDescription.handshakeFailure, 'the far end has no extended master secret (RFC 7627)')
    else if (!this.srtpProfile)
      this.refuse(alertDescription.insufficientSecurity, 'the far end chose no SRTP profile of ours')
  }

  private receiveKeys(body: Uint8Array): void {
    const { group, publicKey, parameters, scheme, signature } = readServerKeyExchange(body)
    const signed = Buffer.concat([this.clientRandom, this.serverRandom, parameters])
    const key = this.peerCertificate!.publicKey
    const fits = key.asymmetricKeyType === (this.suite!.signedBy === 'ecdsa' ? 'ec' : 'rsa')
    this.serverKeys = { group, publicKey }
    this.expected = 'request or done'
    if (!groups.includes(group))
      this.refuse(alertDescription.illegalParameter, 'the far end chose a curve that was not offered')
    else if (!fits || !isSignedBy(key, scheme, signed, signature))
      this.refuse(
        alertDescription.decryptError,
        'the far end does not hold the key of the certificate that it shows',
      )
  }

  private answer(now: Millis): void {
    const { certificate } = this.options
    const { group, publicKey } = this.serverKeys!
    const share = createKeyShare(group)
    const shared = share.sharedSecret(publicKey)
    const flight = this.requested
      ? [this.say(handshakeType.certificate, writeCertificate(certificate.der))]
      : []
    flight.push(this.say(handshakeType.clientKeyExchange, vector(1, share.publicKey)))
    this.deriveKeys(shared)
    if (this.requested) {
      const signature = signWith(certificate.privateKey, Buffer.concat(this.transcript))
      flight.push(this.say(handshakeType.certificateVerify, writeSignature(ownScheme, signature)))
    }
    this.expected = 'finished'
    this.sendFlight(now, [...flight, ...this.sayFinished()])
  }
}
