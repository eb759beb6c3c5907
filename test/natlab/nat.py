# nat.py DEVICE INSIDE-PREFIX OUTSIDE-ADDRESS MAPPING FILTERING PORTS [EXPIRY-SECONDS]: a NAT as RFC 4787 words it, on a TUN device,
# for the kinds that no kernel does.
#   MAPPING    EIM, ADM, APDM   a mapping serves every destination, every port of one address, or one address and port
#   FILTERING  EIF, ADF, APDF   a mapping lets in everybody, the addresses sent to, or the addresses and ports sent to
#   PORTS      preserve, random, sequential, or overloaded: a few ports that mappings to different destinations share
# Hairpins by showing the outside address (RFC 4787 9.2). TCP is always EIM, APDF and preserved. A fragment follows its first
# one. SIGHUP forgets every mapping, as a reboot does. Left out: ICMP, IPv6, port parity, refresh by inbound packets.
import ipaddress
import os
import random
import select
import signal
import struct
import sys
import time

from tun import open_tun

TCP, UDP = 6, 17
TCP_EXPIRY_S = 7440  # RFC 5382 REQ-5
DEFAULT_UDP_EXPIRY_S = 300  # RFC 4787 REQ-5
MOST_TRIES = 10000  # then a NAT is full, and drops
OVERLOADED_PORTS = range(40000, 40512)  # few for a household, enough for the calls of a run


class Mapping:
    def __init__(self, inside, port):
        self.inside = inside
        self.port = port
        self.sent_to = {}  # what the filter remembers -> when it forgets
        self.expires = 0.0


class Nat:
    def __init__(self, mapping, filtering, ports, expiry_s):
        self.mapping, self.filtering, self.ports, self.expiry_s = mapping, filtering, ports, expiry_s
        self.forget()

    def forget(self, *_):
        self.by_inside, self.by_outside = {}, {}
        self.next_port = 20000

    def behaviour(self, protocol):
        if protocol == TCP:
            return "EIM", "APDF", "preserve", TCP_EXPIRY_S
        return self.mapping, self.filtering, self.ports, self.expiry_s

    @staticmethod
    def narrowed(remote, how):
        """What of the remote address and port counts."""
        return {"EI": None, "AD": remote[0], "APD": remote}[how]

    def outside_key(self, protocol, port, remote):
        shared = protocol == UDP and self.ports == "overloaded"
        return (protocol, port, remote) if shared else (protocol, port)

    def taken(self, key, now):
        held = self.by_outside.get(key)
        return held is not None and held.expires > now

    def choose_port(self, protocol, ports, wanted, remote, now):
        def free(port):
            return not self.taken(self.outside_key(protocol, port, remote), now)

        if ports == "preserve" and free(wanted):
            return wanted
        for _ in range(MOST_TRIES):
            if ports in ("random", "preserve"):
                port = random.randrange(1024, 65536)
            elif ports == "overloaded":
                port = OVERLOADED_PORTS[self.next_port % len(OVERLOADED_PORTS)]
            else:
                port = self.next_port
            self.next_port = 20000 + (self.next_port - 19999) % 40000
            if free(port):
                return port
        return None

    def outbound(self, protocol, inside, remote, now):
        mapping, filtering, ports, expiry_s = self.behaviour(protocol)
        key = (protocol, inside, self.narrowed(remote, mapping[:-1]))
        found = self.by_inside.get(key)
        if found is None or found.expires <= now:
            port = self.choose_port(protocol, ports, inside[1], remote, now)
            if port is None:
                return None
            found = Mapping(inside, port)
            self.by_inside[key] = found
            self.by_outside[self.outside_key(protocol, found.port, remote)] = found
        found.expires = now + expiry_s
        found.sent_to[self.narrowed(remote, filtering[:-1])] = found.expires
        return found.port

    def inbound(self, protocol, port, remote, now):
        found = self.by_outside.get(self.outside_key(protocol, port, remote))
        if found is None or found.expires <= now:
            return None
        filtering = self.behaviour(protocol)[1]
        return found.inside if found.sent_to.get(self.narrowed(remote, filtering[:-1]), 0) > now else None


def corrected(checksum, old, new):
    """RFC 1624: the checksum after `old` has become `new`; both hold whole 16-bit words."""
    total = ~checksum & 0xFFFF
    for (word,) in struct.iter_unpack("!H", old):
        total += ~word & 0xFFFF
    for (word,) in struct.iter_unpack("!H", new):
        total += word
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Packet:
    """An IPv4 packet whose two ends may be rewritten; `ports` is None in a fragment that is not the first."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.header_bytes = (data[0] & 0x0F) * 4
        self.protocol = data[9]
        fragment = struct.unpack_from("!H", data, 6)[0]
        self.fragmented, self.is_first = fragment & 0x3FFF != 0, fragment & 0x1FFF == 0
        self.source, self.destination = bytes(data[12:16]), bytes(data[16:20])
        self.ports = struct.unpack_from("!HH", data, self.header_bytes) if self.is_first else None

    @property
    def family_of_fragments(self):
        return self.source, self.destination, self.protocol, bytes(self.data[4:6])

    def rewrite(self, end, address, port):
        """`end` 0 is the source, 1 the destination; a port of None stays out (a later fragment has none)."""
        self.put(12 + 4 * end, address, covered_by_transport=True)
        if port is not None:
            self.put(self.header_bytes + 2 * end, struct.pack("!H", port), covered_by_transport=True)

    def put(self, at, new, covered_by_transport):
        old = bytes(self.data[at : at + len(new)])
        self.data[at : at + len(new)] = new
        if at < self.header_bytes:
            self.correct(10, old, new)
        if covered_by_transport and self.is_first:
            place = self.header_bytes + (6 if self.protocol == UDP else 16)
            if self.protocol == TCP or self.data[place : place + 2] != b"\0\0":
                self.correct(place, old, new)

    def correct(self, place, old, new):
        checksum = struct.unpack_from("!H", self.data, place)[0]
        struct.pack_into("!H", self.data, place, corrected(checksum, old, new))


class Router:
    def __init__(self, inside_prefix, outside, nat):
        self.prefix, self.outside, self.nat = ipaddress.ip_network(inside_prefix), outside, nat
        self.fragments = {}  # what was done to the first one: (end, address) pairs

    def is_inside(self, address):
        return ipaddress.ip_address(address) in self.prefix

    def translate(self, data, now):
        """The packet to send on, or None."""
        if len(data) < 20 or data[0] >> 4 != 4 or data[9] not in (TCP, UDP):
            return None
        packet = Packet(data)
        key = packet.family_of_fragments
        if not packet.is_first:
            for end, address in self.fragments.get(key, ()):
                packet.rewrite(end, address, None)
            return bytes(packet.data) if key in self.fragments else None
        changes = self.changes(packet, now)
        for end, address, port in changes:
            packet.rewrite(end, address, port)
        if packet.fragmented:
            if len(self.fragments) > 1000:
                self.fragments.clear()
            self.fragments[key] = [(end, address) for end, address, _ in changes]
        return bytes(packet.data) if changes else None

    def changes(self, packet, now):
        (source_port, destination_port), changes = packet.ports, []
        source = (packet.source, source_port)
        if self.is_inside(packet.source):
            port = self.nat.outbound(packet.protocol, source, (packet.destination, destination_port), now)
            if port is None:
                return []
            source = (self.outside, port)
            changes.append((0, *source))
        if packet.destination == self.outside:
            inside = self.nat.inbound(packet.protocol, destination_port, source, now)
            if inside is None:
                return []
            changes.append((1, *inside))
        return changes


def main():
    device, inside_prefix, outside, mapping, filtering, ports = sys.argv[1:7]
    expiry_s = float(sys.argv[7]) if len(sys.argv) > 7 else DEFAULT_UDP_EXPIRY_S
    nat = Nat(mapping, filtering, ports, expiry_s)
    router = Router(inside_prefix, ipaddress.ip_address(outside).packed, nat)
    signal.signal(signal.SIGHUP, nat.forget)
    tun = open_tun(device)
    print("ready", flush=True)
    while True:
        select.select([tun], [], [])
        translated = router.translate(os.read(tun, 65536), time.monotonic())
        if translated is not None:
            os.write(tun, translated)


main()
