"""What the peers of `tapir bench peers` in Python have in common.

A peer reads one JSON document per line on stdin and answers one per line on stdout. The first describes the problem; the
answer names the peer, its variants and the BLAS it found. Then {"check": variant} -> losses, gradient and the nanoseconds
of that first call; {"time": variant, "calls": n} -> nanoseconds a call, by the clock and of the processor.
"""

import ctypes
import json
import os
import re
import sys
import time

answers, sys.stdout = sys.stdout, sys.stderr


def answer(**what):
    answers.write(json.dumps(what) + "\n")
    answers.flush()


def missing(why):
    answer(missing=why)
    sys.exit(0)


def failed(error):
    answer(failed=f"{type(error).__name__}: {error}".split("\n")[0])


def blas(torch):
    """Facts, not a judgement: libraries mapped after a product, what PyTorch was built with, threads of OpenBLAS."""
    torch.ones(64, 64) @ torch.ones(64, 64)
    libraries = set()
    if os.path.exists("/proc/self/maps"):
        with open("/proc/self/maps") as maps:
            paths = {line.split(None, 5)[-1].strip() for line in maps}
        libraries = {path for path in paths if re.search(r"blas|mkl|blis|atlas|armpl", os.path.basename(path))}
    built = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    facts = {"libraries": sorted(libraries), "built": built.group(1) if built else ""}
    for path in libraries:
        try:
            facts["threads"] = ctypes.CDLL(path).openblas_get_num_threads()
        except (OSError, AttributeError):
            pass
    return facts


def serve(variants, wait=lambda: None):
    """Answers until stdin ends. `variants[name](want)` does the work once; gives (losses, gradient) as lists if wanted."""
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            call = variants[asked.get("check") or asked["time"]]
            calls = asked.get("calls", 1)
            wall, processor = time.perf_counter_ns(), time.process_time_ns()
            if "check" in asked:
                losses, gradient = call(True)
                answer(losses=losses, gradient=gradient, firstNs=time.perf_counter_ns() - wall)
                continue
            for _ in range(calls):
                call(False)
            wait()
            wall, processor = time.perf_counter_ns() - wall, time.process_time_ns() - processor
            answer(ns=wall / calls, cpuNs=processor / calls)
        except Exception as error:
            failed(error)
