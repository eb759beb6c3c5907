// The server's half of the handshake (RFC 5246 7.3, RFC 6347 4.2): the passive end of a=setup. It sends no HelloVerifyRequest:
// ICE has verified the address of whoever speaks.
import type { Millis } from '../runtime/runtime.ts'
import { cipherSuites } from './cipher-suites.ts'
import { DtlsEndpoint } from './endpoint.ts'
import {
  type HandshakeMessage,
  readCertificate,
  readClientHello,
  readSignature,
  writeCertificate,
  writeCertificateRequest,
  writeKeyShare,
  writeMessage,
  writeServerHello,
  writeSignature,
} from './handshake-messages.ts'
import { createKeyShare, groups, type KeyShare } from './key-exchange.ts'
import { alertDescription, dtls12, handshakeType } from './numbers.ts'
import { Reader } from './octets.ts'
import { isSignedBy, ownScheme, signatureSchemes, signWith } from './signature.ts'

export class DtlsServer extends DtlsEndpoint {
  protected readonly role = 'server'
  protected expected: 'hello' | 'certificate' | 'keys' | 'signature' | 'finished' = 'hello'
  private share: KeyShare | undefined

  protected receive(now: Millis, message: HandshakeMessage): void {
    const { type, body } = message
    const { expected } = this
    if (expected === 'hello' && type === handshakeType.clientHello) {
      this.transcript.push(writeMessage(message))
      this.receiveHello(now, body)
      return
    }
    if (expected === 'certificate' && type === handshakeType.certificate) {
      this.takeCertificate(readCertificate(body))
      this.expected = 'keys'
    } else if (expected === 'keys' && type === handshakeType.clientKeyExchange) {
      const reader = new Reader(body)
      const shared = this.share!.sharedSecret(reader.vector(1))
      this.transcript.push(writeMessage(message))
      this.deriveKeys(shared)
      this.expected = 'signature'
      return
    } else if (expected === 'signature' && type === handshakeType.certificateVerify) {
      const { scheme, signature } = readSignature(new Reader(body))
      this.expected = 'finished'
      if (!isSignedBy(this.peerCertificate!.publicKey, scheme, Buffer.concat(this.transcript), signature))
        this.refuse(
          alertDescription.decryptError,
          'the far end does not hold the key of the certificate that it shows',
        )
    } else if (expected === 'finished' && type === handshakeType.finished) {
      this.receiveFinished(now, message)
      return
    } else this.unexpected(message)
    this.transcript.push(writeMessage(message))
  }

  private receiveHello(now: Millis, body: Uint8Array): void {
    const hello = readClientHello(body)
    const { options } = this
    this.clientRandom = Uint8Array.from(hello.random)
    this.suite = cipherSuites.find(
      ({ number, signedBy }) => signedBy === 'ecdsa' && hello.suites.includes(number),
    )
    this.srtpProfile = options.srtpProfiles.find(({ number }) => hello.srtpProfiles.includes(number))
    const group = groups.find((one) => hello.groups.includes(one))
    // The versions count downwards.
    if (hello.version >> 8 !== 0xfe || hello.version > dtls12)
      this.refuse(alertDescription.protocolVersion, 'the far end does not speak DTLS 1.2')
    else if (!this.suite || group === undefined || !hello.signatureSchemes.includes(ownScheme))
      this.refuse(
        alertDescription.handshakeFailure,
        'the far end offers no cipher suite, curve and signature that we have',
      )
    else if (!hello.extendedMasterSecret)
      this.refuse(alertDescription.handshakeFailure, 'the far end has no extended master secret (RFC 7627)')
    else if (!this.srtpProfile)
      this.refuse(alertDescription.insufficientSecurity, 'the far end offers no SRTP profile of ours')
    else this.answer(now, group, hello.renegotiationInfo)
  }

  private answer(now: Millis, group: number, renegotiationInfo: boolean): void {
    const { random, certificate } = this.options
    this.serverRandom = random.bytes(32)
    this.share = createKeyShare(group)
    const hello = writeServerHello(
      {
        version: dtls12,
        random: this.serverRandom,
        suite: this.suite!.number,
        srtpProfile: this.srtpProfile!.number,
        extendedMasterSecret: true,
      },
      renegotiationInfo,
    )
    const parameters = writeKeyShare(group, this.share.publicKey)
    const signature = signWith(
      certificate.privateKey,
      Buffer.concat([this.clientRandom, this.serverRandom, parameters]),
    )
    this.expected = 'certificate'
    this.sendFlight(now, [
      this.say(handshakeType.serverHello, hello),
      this.say(handshakeType.certificate, writeCertificate(certificate.der)),
      this.say(
        handshakeType.serverKeyExchange,
        Buffer.concat([parameters, writeSignature(ownScheme, signature)]),
      ),
      this.say(handshakeType.certificateRequest, writeCertificateRequest(signatureSchemes)),
      this.say(handshakeType.serverHelloDone, new Uint8Array(0)),
    ])
  }

  private receiveFinished(now: Millis, message: HandshakeMessage): void {
    if (!this.isFinishedBy('client', message))
      this.refuse(alertDescription.decryptError, 'the far end has seen another handshake than we have')
    this.transcript.push(writeMessage(message))
    this.sendFlight(now, this.sayFinished(), { final: true })
    this.finish()
  }
}
