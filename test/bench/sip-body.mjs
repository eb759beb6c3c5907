// The session description of both ends of the signalling benchmark; nobody reads it.
export const body = {
  contentType: 'application/sdp',
  content: `${[
    'v=0',
    'o=floe 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    'm=audio 40000 RTP/AVP 0',
    'a=rtpmap:0 PCMU/8000',
  ].join('\r\n')}\r\n`,
}
