# ice-link.py: an internet of two ends and a STUN server, in user space: three TUN devices, and between them a delay, loss and
# a filter that the lines on stdin set. Tells what STUN messages went over it and when, which measures all implementations alike.
#
#   stdin   set {"delayMs": 25, "loss": 0.05, "seed": 1, "only": ["10.1.4.1", "10.2.0.1"]}    forgets what went before
#           report
#   stdout  ready | one JSON array a report: [side, read_ns, delivered_ns or null, first 20 octets and attribute types, from, to]
#
# 10.1.0.0/16 is on the left, 10.2.0.0/16 on the right, all else at the server. Times are of CLOCK_MONOTONIC.
import json
import os
import random
import select
import sys
import time
from collections import deque

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../natlab"))
from tun import open_tun  # noqa: E402

names = ["left", "right", "server"]
tuns = [open_tun(name) for name in names]
side_of = {tun: side for side, tun in enumerate(tuns)}
waiting = deque()
told = []
settings = {}


def configure(given):
    global settings
    settings = {"delayMs": 0, "loss": 0, "seed": 0, "only": None, **given}
    settings["random"] = random.Random(settings["seed"])
    told.clear()


def stun_of(packet):
    """Of an IPv4 packet: ports and the STUN message in it, if it is one."""
    if packet[0] >> 4 != 4 or packet[9] != 17:
        return None
    payload = packet[(packet[0] & 15) * 4 + 8 :]
    if payload[4:8] != b"\x21\x12\xa4\x42":
        return None
    at, types = 20, []
    while at + 4 <= len(payload):
        types.append(int.from_bytes(payload[at : at + 2], "big"))
        at += 4 + (int.from_bytes(payload[at + 2 : at + 4], "big") + 3 & ~3)
    return payload[:20].hex(), types


def address(packet, at, port_at):
    ports = (packet[0] & 15) * 4
    host = ".".join(map(str, packet[at : at + 4]))
    return f"{host}:{int.from_bytes(packet[ports + port_at : ports + port_at + 2], 'big')}"


def take(side, packet):
    now = time.monotonic_ns()
    if packet[0] >> 4 != 4:
        return
    entry = None
    to = 0 if packet[16:18] == b"\x0a\x01" else 1 if packet[16:18] == b"\x0a\x02" else 2
    stun = stun_of(packet)
    if stun and side != 2 and to != 2:
        entry = [side, now, None, *stun, address(packet, 12, 0), address(packet, 16, 2)]
        told.append(entry)
    if settings["random"].random() < settings["loss"]:
        return
    if settings["only"] and side != 2 and to != 2:
        ends = {address(packet, 12, 0).split(":")[0], address(packet, 16, 2).split(":")[0]}
        if ends != set(settings["only"]):
            return
    delay_ms = settings["delayMs"] if to != 2 and side != 2 else 0
    waiting.append((now + int(delay_ms * 1e6), tuns[to], packet, entry))


def deliver():
    while waiting and waiting[0][0] <= time.monotonic_ns():
        _, tun, packet, entry = waiting.popleft()
        if entry:
            entry[2] = time.monotonic_ns()
        try:
            os.write(tun, packet)
        except OSError:
            pass


configure({})
print("ready", flush=True)
while True:
    timeout = max(0.0, (waiting[0][0] - time.monotonic_ns()) / 1e9) if waiting else None
    readable, _, _ = select.select([*tuns, sys.stdin], [], [], timeout)
    for source in readable:
        if source is sys.stdin:
            verb, _, rest = sys.stdin.readline().strip().partition(" ")
            if verb == "set":
                configure(json.loads(rest))
                print("set", flush=True)
            elif verb == "report":
                print(json.dumps(told), flush=True)
            else:
                sys.exit(0)
            continue
        try:
            while True:
                take(side_of[source], os.read(source, 65536))
        except OSError:
            pass
    deliver()
