# delay.py DEVICE MILLISECONDS: every packet that is routed to the TUN device comes back out of it so much later, in order.
# The kernels of the machines that run the tests have no netem.
import os
import select
import sys
import time
from collections import deque

from tun import open_tun

device, delay_s = sys.argv[1], float(sys.argv[2]) / 1000
tun = open_tun(device)
waiting = deque()
print("ready", flush=True)
while True:
    timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
    readable, _, _ = select.select([tun], [], [], timeout)
    now = time.monotonic()
    while readable:
        try:
            waiting.append((now + delay_s, os.read(tun, 65536)))
        except BlockingIOError:
            break
    while waiting and waiting[0][0] <= now:
        os.write(tun, waiting.popleft()[1])
