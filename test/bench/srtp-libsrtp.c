/* Packets a second of libsrtp: srtp-libsrtp PACKETS. For each suite one line of JSON: microseconds to protect and to unprotect one
 * RTP packet with 160 octets of payload. */
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAYLOAD 160

static double now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void measure(const char *name, void (*rtp)(srtp_crypto_policy_t *), void (*rtcp)(srtp_crypto_policy_t *), long packets) {
  static unsigned char key[64];
  for (int i = 0; i < 64; i++) key[i] = i * 7;
  srtp_policy_t policy = {0};
  rtp(&policy.rtp);
  rtcp(&policy.rtcp);
  policy.key = key;
  policy.window_size = 128;
  srtp_t sender, receiver;
  policy.ssrc.type = ssrc_any_outbound;
  if (srtp_create(&sender, &policy)) return;
  policy.ssrc.type = ssrc_any_inbound;
  if (srtp_create(&receiver, &policy)) return;
  double protect_us = 0, unprotect_us = 0;
  unsigned char batch[256][12 + PAYLOAD + SRTP_MAX_TRAILER_LEN];
  int lengths[256];
  for (long sent = 0; sent < packets; sent += 256) {
    for (int i = 0; i < 256; i++) {
      memset(batch[i], 0x55, 12 + PAYLOAD);
      unsigned char header[12] = {0x80, 0, (sent + i) >> 8, sent + i, 0, 0, 0, 0, 1, 2, 3, 4};
      memcpy(batch[i], header, 12);
      lengths[i] = 12 + PAYLOAD;
    }
    double from = now_us();
    for (int i = 0; i < 256; i++) if (srtp_protect(sender, batch[i], lengths + i)) exit(1);
    double between = now_us();
    for (int i = 0; i < 256; i++) if (srtp_unprotect(receiver, batch[i], lengths + i)) exit(1);
    unprotect_us += now_us() - between;
    protect_us += between - from;
  }
  printf("{\"suite\":\"%s\",\"protect\":%.4f,\"unprotect\":%.4f}\n", name, protect_us / packets, unprotect_us / packets);
}

int main(int argc, char **argv) {
  long packets = argc > 1 ? atol(argv[1]) : 200000;
  if (srtp_init()) return 1;
  measure("AES_CM_128_HMAC_SHA1_80", srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtcp_default, packets);
  measure("AEAD_AES_128_GCM", srtp_crypto_policy_set_aes_gcm_128_16_auth, srtp_crypto_policy_set_aes_gcm_128_16_auth, packets);
  measure("AEAD_AES_256_GCM", srtp_crypto_policy_set_aes_gcm_256_16_auth, srtp_crypto_policy_set_aes_gcm_256_16_auth, packets);
}
