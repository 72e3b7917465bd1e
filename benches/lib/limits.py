"""Memory, the time to start, and the time to go on."""

import json
import signal
import statistics
import subprocess
import time

from . import servers, tools
from .bench import GIB, peak_memory, remove
from .report import Claim, Figure

MIB = 1 << 20


def memory(bench):
    size = GIB // 4 if bench.quick else 4 * GIB
    output = bench.disk / "out"
    rows, claims = [], []
    with servers.faulty(bench, "--size", size) as server:
        for connections in (1, 8, 16):
            peak = peak_memory(tools.piton(bench, server.url, output, connections))
            remove(output)
            rows.append([f"-x {connections}", f"{peak / MIB:.1f}"])
    claims.append(Claim(f"Peak memory with 16 connections, {size / GIB:g} GiB",
                        f"{peak / MIB:.1f} MiB", "≤ 32 MiB", peak <= 32 * MIB))
    about = f"Peak resident memory while downloading {size / GIB:g} GiB to a disk, plain HTTP."
    return [Figure("Memory", about, ["connections", "MiB"], rows, claims)]


def start(bench):
    times = []
    for _ in range(50):
        begin = time.monotonic()
        subprocess.run([bench.piton, "--version"], stdout=subprocess.DEVNULL, check=True)
        times.append((time.monotonic() - begin) * 1000)
    median = statistics.median(times)
    rows = [["`piton --version`", f"{median:.1f}", f"{min(times):.1f}"]]
    claim = Claim("`piton --version`", f"{median:.1f} ms", "≤ 10 ms", median <= 10)
    return [Figure("Start", "50 runs, including the time to start a process.",
                   ["", "median, ms", "least, ms"], rows, [claim])]


def resume(bench):
    """Fetches nearly all of a long file, stops, and times how soon the rest is asked for."""
    wanted = GIB if bench.quick else 20 * GIB
    size = min(wanted, (bench.room() - 2 * GIB) // GIB * GIB)
    if size < GIB:
        raise SystemExit("too little room on the disk for the resume of a long part")
    output = bench.disk / "long"
    rows, claims = [], []
    with servers.faulty(bench, "--size", size, "--log") as server:
        # Slow enough that it can be stopped in time; slower still once only little is missing.
        command = tools.piton(bench, server.url, output, 1, options=["--limit-rate", "300MB"])
        fetch_most(command, size - min(size // 4, 512 * MIB), signal.SIGINT)
        server.next_request()
        command = tools.piton(bench, server.url, output, 1, options=["--limit-rate", "30MB"])
        for how, stop in (("Ctrl-C", signal.SIGINT), ("kill -9", signal.SIGKILL)):
            times = []
            for _ in range(5):
                begin = time.time()
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL)
                when, asked = server.next_request()
                first = int(asked.removeprefix("bytes=").split("-")[0])
                if first < size // 2:
                    raise SystemExit(f"asked for {asked}: that is no resume")
                times.append((when - begin) * 1000)
                # Some bytes come in that a kill leaves unsynced, and the next run must compare.
                time.sleep(0.2)
                process.send_signal(stop)
                process.wait()
                if output.exists():
                    raise SystemExit("the file came in whole before it could be resumed often enough")
            median = statistics.median(times)
            rows.append([how, f"{median:.0f}", f"{max(times):.0f}"])
            claims.append(Claim(f"Resume of {size // GIB} GiB after {how}: first new byte requested",
                                f"{median:.0f} ms", "≤ 200 ms", median <= 200))
    remove(output)
    scaled = "" if size == wanted else f" (the disk had no space for {wanted // GIB})"
    about = (f"A part of nearly {size // GIB} GiB{scaled} on a real disk: from the start of the "
             "process to the arrival of its first request, which asks for new bytes. The previous run "
             "was ended as the table says; five times each.")
    return [Figure("Resume", about, ["ended by", "median, ms", "most, ms"], rows, claims)]


def fetch_most(command, enough, stop):
    """Runs a download until it has `enough` bytes, then ends it."""
    command = [word for word in command if word != "-q"]
    process = subprocess.Popen([*command, "--json"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "failed":
            raise SystemExit(f"the long download failed: {event['message']}")
        if event["type"] == "progress" and event["have"] >= enough:
            break
    process.send_signal(stop)
    process.stdout.read()
    process.wait()
