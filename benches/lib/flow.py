"""Eight connections that the server throttles, one of which may be worse than the others."""

import statistics

from . import servers, tools
from .bench import measure, remove
from .report import Claim, Figure

RATE = 8_000_000
CASES = {
    "all alike": ([], 0.05),
    "the third stalls after 4 MB": (["--stall", "3@4000000"], 0.15),
    "the third crawls at 50 kB/s": (["--crawl", "3@50000"], 0.15),
    "the first stalls after 2 MB": (["--stall", "1@2000000"], 0.15),
}


def throttled(bench):
    size = (128 if bench.quick else 640) << 20
    output = bench.memory / "out"
    rows, claims = [], []
    for case, (options, slack) in CASES.items():
        rates = []
        for _ in range(max(1, bench.rounds // 2)):
            # A new server for each run: it counts connections from 1.
            with servers.faulty(bench, "--size", size, "--rate", RATE, *options) as server:
                run = measure(tools.piton(bench, server.url, output, 8), output, size)
            rates.append(size / run.wall)
        rate = statistics.median(rates)
        wanted = 8 * RATE * (1 - slack)
        rows.append([case, f"{rate / 1e6:.1f}", f"{rate / (8 * RATE):.1%}"])
        claims.append(Claim(f"Throttled, {case}", f"{rate / 1e6:.1f} MB/s",
                            f"≥ {wanted / 1e6:.1f} MB/s", rate >= wanted))
    remove(output)
    about = (f"{size >> 20} MiB with `-x 8` from a server that limits each connection to 8 MB/s, from "
             "start to final name.")
    return [Figure("Eight throttled connections", about, ["", "MB/s", "of 64 MB/s"], rows, claims)]
