// The extensions of the throw-away Asterisk, in Asterisk's own language.

export interface DialplanPlace {
  /** Recordings and the prompt. */
  readonly folder: string
  /** host:port of SIP. */
  readonly address: string
}

export const dialplan = ({ folder, address }: DialplanPlace): string => `[general]
static=yes
writeprotect=yes
[default]
exten => echo,1,Answer()
 same => n,Echo()
exten => prompt,1,Answer()
 same => n,Wait(0.3)
 same => n,Playback(${folder}/prompt)
 same => n,Hangup()
exten => milliwatt,1,Answer()
 same => n,Milliwatt()
exten => record,1,Answer()
 same => n,MixMonitor(${folder}/mixed.wav,r(${folder}/recorded.wav))
 same => n,Milliwatt()
exten => read-dtmf,1,Answer()
 same => n,Read(DIGITS,,4,,1,10)
 same => n,Log(NOTICE,read digits=\${DIGITS})
 same => n,Playback(${folder}/prompt)
 same => n,Hangup()
exten => send-dtmf,1,Answer()
 same => n,Wait(0.5)
 same => n,SendDTMF(1234*#,200,120)
 same => n,Playback(${folder}/prompt)
 same => n,Hangup()
exten => busy,1,Busy(10)
exten => congestion,1,Congestion(10)
exten => ringing,1,Ringing()
 same => n,Wait(60)
exten => early-media,1,Progress()
 same => n,Playtones(440)
 same => n,Wait(4)
 same => n,Answer()
 same => n,Echo()
; the caller's side of a call that Asterisk makes: plays the prompt and keeps what it hears
exten => play-and-record,1,Answer()
 same => n,MixMonitor(${folder}/mixed.wav,r(${folder}/recorded.wav))
 same => n,Wait(0.3)
 same => n,Playback(${folder}/prompt)
 same => n,Wait(1)
 same => n,Hangup()
; sends whoever calls on to echo, by REFER
exten => transfer,1,Answer()
 same => n,Wait(0.5)
 same => n,Transfer(PJSIP/sip:echo@${address})
 same => n,Log(NOTICE,transfer \${TRANSFERSTATUS})
 same => n,Hangup()
; as if 1999 had forwarded its calls, with a name of the exchange's own
exten => _divert.,1,Set(CALLERID(name)=Asserted Name)
 same => n,Set(CALLERID(num)=1998)
 same => n,Set(REDIRECTING(from-num,i)=1999)
 same => n,Set(REDIRECTING(from-name,i)=Forwarder)
 same => n,Set(REDIRECTING(reason,i)=cfu)
 same => n,Set(REDIRECTING(count,i)=1)
 same => n,Dial(PJSIP/\${EXTEN:6},30)
; tells, in the call, that somebody else is at the far end now
exten => connected-line,1,Answer()
 same => n,Wait(0.5)
 same => n,Set(CONNECTEDLINE(name,i)=Somebody Else)
 same => n,Set(CONNECTEDLINE(num,i)=1997)
 same => n,Set(CONNECTEDLINE(num-pres)=allowed)
 same => n,Echo()
; both ends may transfer; who is held hears music
exten => _1XXX,1,Dial(PJSIP/\${EXTEN},30)
 same => n,Log(NOTICE,dial \${DIALSTATUS})
 same => n,Hangup()
exten => _1XXX,hint,PJSIP/\${EXTEN}
[messages]
exten => _1XXX,1,MessageSend(pjsip:\${EXTEN},\${MESSAGE(from)})
 same => n,Log(NOTICE,message \${MESSAGE_SEND_STATUS})
exten => _[a-z].,1,Log(NOTICE,message for \${EXTEN}: \${MESSAGE(body)})
`
