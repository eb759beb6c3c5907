/* Notes when each packet of each RTP stream arrives, by the kernel's own clock (SO_TIMESTAMPNS).
 * Prints its port. "measure" on standard input begins afresh, "report" is answered with one line of JSON: by how much the time
 * between two packets of a stream differs from 20 ms. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 8192
#define MOST 4000000
static const double ptime_ms = 20;

struct stream {
  uint32_t ssrc;
  uint16_t sequence;
  int known;
  double at;
};
static struct stream streams[SLOTS];
static float deviations[MOST];
static long count, missing, known;

static int ascending(const void *one, const void *other) {
  const float a = *(const float *)one, b = *(const float *)other;
  return (a > b) - (a < b);
}

static void note(const uint8_t *packet, double now) {
  /* SR and RR are not media (RFC 5761 4). */
  if (packet[1] >= 192 && packet[1] <= 223) return;
  uint16_t sequence = packet[2] << 8 | packet[3];
  uint32_t ssrc;
  memcpy(&ssrc, packet + 8, 4);
  unsigned slot = ssrc * 2654435761u % SLOTS;
  while (streams[slot].known && streams[slot].ssrc != ssrc) slot = (slot + 1) % SLOTS;
  struct stream *stream = streams + slot;
  if (!stream->known) {
    *stream = (struct stream){ssrc, sequence, 1, now};
    known++;
    return;
  }
  uint16_t gap = sequence - stream->sequence;
  missing += (uint16_t)(gap - 1);
  double off = now - stream->at - ptime_ms * gap;
  if (count < MOST) deviations[count++] = off < 0 ? -off : off;
  stream->at = now;
  stream->sequence = sequence;
}

static void report(void) {
  qsort(deviations, count, sizeof *deviations, ascending);
  double q[3] = {0.5, 0.99, 1};
  for (int i = 0; i < 3; i++) {
    long at = q[i] * count;
    q[i] = count ? deviations[at < count ? at : count - 1] : 0;
  }
  printf("{\"streams\":%ld,\"packets\":%ld,\"missing\":%ld,\"p50\":%.4f,\"p99\":%.4f,\"max\":%.4f}\n", known, count, missing, q[0],
         q[1], q[2]);
  fflush(stdout);
}

int main(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1, size = 8 << 20;
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof own;
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (bind(fd, (struct sockaddr *)&own, sizeof own)) return perror("bind"), 1;
  getsockname(fd, (struct sockaddr *)&own, &length);
  printf("{\"port\":%d}\n", ntohs(own.sin_port));
  fflush(stdout);

  struct pollfd watched[2] = {{0, POLLIN, 0}, {fd, POLLIN, 0}};
  while (poll(watched, 2, -1) >= 0) {
    if (watched[1].revents) {
      uint8_t packet[2048], control[128];
      struct iovec data = {packet, sizeof packet};
      struct msghdr message = {NULL, 0, &data, 1, control, sizeof control, 0};
      for (ssize_t got; (got = recvmsg(fd, &message, MSG_DONTWAIT)) >= 12; message.msg_controllen = sizeof control) {
        struct timespec at = {0};
        struct cmsghdr *stamp = CMSG_FIRSTHDR(&message);
        if (stamp) memcpy(&at, CMSG_DATA(stamp), sizeof at);
        note(packet, at.tv_sec * 1e3 + at.tv_nsec / 1e6);
      }
    }
    if (watched[0].revents) {
      char line[64];
      if (!fgets(line, sizeof line, stdin)) return 0;
      if (line[0] == 'r') report();
      else puts("{}"), fflush(stdout);
      count = missing = 0;
    }
  }
}
