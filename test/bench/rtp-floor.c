/* The floor of this machine: ready RTP packets of STREAMS streams to PORT, one wheel spread over 20 ms, a thread that sleeps to the
 * exact deadline, no codec: rtp-floor STREAMS PORT. Runs until standard input ends. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const long period_ns = 20000000;
/* Streams of a slot leave together. */
static const int slots = 50;

static void later(struct timespec *time, long ns) {
  time->tv_nsec += ns;
  for (; time->tv_nsec >= 1000000000; time->tv_nsec -= 1000000000) time->tv_sec++;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int streams = atoi(argv[1]);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int *fds = calloc(streams, sizeof *fds);
  for (int i = 0; i < streams; i++) {
    fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fds[i], (struct sockaddr *)&to, sizeof to)) return perror("connect"), 1;
  }
  puts("{}");
  fflush(stdout);
  uint8_t packet[172];
  memset(packet, 0xff, sizeof packet);
  packet[0] = 0x80;
  packet[1] = 0;
  struct timespec due;
  clock_gettime(CLOCK_MONOTONIC, &due);
  struct pollfd parent = {0, POLLIN, 0};
  for (uint32_t frame = 0; poll(&parent, 1, 0) == 0; frame++)
    for (int slot = 0; slot < slots; slot++, later(&due, period_ns / slots)) {
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
      for (int i = slot; i < streams; i += slots) {
        uint16_t sequence = htons(frame);
        uint32_t timestamp = htonl(frame * 160), ssrc = htonl(i + 1);
        memcpy(packet + 2, &sequence, 2);
        memcpy(packet + 4, &timestamp, 4);
        memcpy(packet + 8, &ssrc, 4);
        send(fds[i], packet, sizeof packet, 0);
      }
    }
}
