# aioice as a process of the same kind as ice-agent.mjs; nominates with its first check that succeeds. Needs python3-aioice.
import asyncio
import sys
import time

from aioice import Candidate, Connection


def out(line):
    print(line, flush=True)


def tell(name):
    out(f"ev {name} {time.monotonic_ns()}")


async def main():
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    connection = Connection(ice_controlling="--controlling" in sys.argv, use_ipv6=False)
    gathered = asyncio.Event()

    # check_complete is called for each check that ends: the first that succeeded is the first valid pair.
    check_complete = connection.check_complete
    told = False

    def on_check_complete(pair):
        nonlocal told
        if pair.state.name == "SUCCEEDED" and not told:
            told = True
            tell("first")
        check_complete(pair)

    connection.check_complete = on_check_complete

    async def start():
        await connection.gather_candidates()
        out(f"desc {connection.local_username} {connection.local_password}")
        for candidate in connection.local_candidates:
            out(f"cand candidate:{candidate.to_sdp()}")
        out("eoc")
        gathered.set()

    async def connect():
        await gathered.wait()
        tell("remote")
        await connection.connect()
        tell("connected")

    out("ready")
    tasks = []
    while line := (await lines.readline()).decode().strip():
        verb, _, rest = line.partition(" ")
        if verb == "start":
            tasks.append(loop.create_task(start()))
        elif verb == "desc":
            connection.remote_username, connection.remote_password = rest.split(" ")
        elif verb == "cand":
            await connection.add_remote_candidate(Candidate.from_sdp(rest.removeprefix("candidate:")))
        elif verb == "eoc":
            await connection.add_remote_candidate(None)
            tasks.append(loop.create_task(connect()))
        elif verb == "quit":
            return


asyncio.run(main())
