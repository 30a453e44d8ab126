"""What torch_step.py and jax_step.py share: a step timed over and over, told as one line of JSON."""
import json
import os
import resource
import time

FEWEST, WARM_UP = 5, 3


def seconds_running():
    """Since this process was started."""
    ticks = float(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
    return float(open("/proc/uptime").read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def tell(name, step, seconds):
    """Runs step(number), which waits for its results: the first, some to warm up, then for so many seconds, five at least.

    Prints the median time, how long after the start of the process the first step was done, and the peak of memory."""
    step(0)
    first = seconds_running()
    for number in range(1, 1 + WARM_UP):
        step(number)
    times = []
    while len(times) < FEWEST or sum(times) < seconds:
        before = time.perf_counter()
        step(1 + WARM_UP + len(times))
        times.append(time.perf_counter() - before)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"name": name, "ms": 1e3 * sorted(times)[len(times) // 2], "first": first, "memory": memory}))
