# aioice as an agent that speaks the lines of ../agent.ts. Needs python3-aioice. It gathers in one step, is never lite, and has
# no restart; what it is told late it takes.
import argparse
import asyncio
import sys

from aioice import Candidate, Connection

flags = argparse.ArgumentParser()
for name in ("--controlling", "--controlled", "--remote-lite", "--trickle"):
    flags.add_argument(name, action="store_true")
flags.add_argument("--components", type=int, default=1)
flags.add_argument("--stun")
options = flags.parse_args()


def tell(*words):
    print(*words, flush=True)


def stun_server():
    if options.stun is None:
        return None
    host, port = options.stun.rsplit(":", 1)
    return host, int(port)


async def receive(connection):
    while True:
        data, component = await connection.recvfrom()
        tell("data", component, data.hex())


async def connect(connection):
    try:
        await connection.connect()
    except ConnectionError as error:
        tell("failed", error)
        return
    for component, pair in connection._nominated.items():
        tell("selected", component, "%s:%d" % pair.local_addr, "%s:%d" % pair.remote_addr)
    await receive(connection)



async def main():
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    connection = Connection(
        ice_controlling=options.controlling,
        components=options.components,
        stun_server=stun_server(),
        use_ipv6=False,
    )
    connection.remote_is_lite = options.remote_lite
    tasks = set()
    tell("ready")
    while line := (await lines.readline()).decode().strip():
        verb, _, rest = line.partition(" ")
        if verb == "start":
            await connection.gather_candidates()
            tell("desc", connection.local_username, connection.local_password)
            for candidate in connection.local_candidates:
                tell("cand", "candidate:" + candidate.to_sdp())
            tell("eoc")
        elif verb == "desc":
            connection.remote_username, connection.remote_password = rest.split(" ")
        elif verb == "cand":
            await connection.add_remote_candidate(Candidate.from_sdp(rest.removeprefix("candidate:")))
        elif verb == "eoc":
            await connection.add_remote_candidate(None)
            tasks.add(loop.create_task(connect(connection)))
        elif verb == "send":
            component, data = rest.split(" ")
            await connection.sendto(bytes.fromhex(data), int(component))


asyncio.run(main())
