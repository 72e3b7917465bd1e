"""What surviving a power cut costs on a real disk."""

import os
import statistics

from . import servers, tools
from .bench import measure
from .comparisons import ratio
from .report import Claim, Figure

RATES = {"100 MB/s": ["--limit-rate", "100MB"], "200 MB/s": ["--limit-rate", "200MB"],
         "no limit": []}


def durability(bench):
    rows, claims = [], []
    with servers.nginx(bench.served()) as nginx:
        for rate, limit in RATES.items():
            runs = {"power": [], "none": []}
            for _ in range(bench.rounds):
                for level, of_level in runs.items():
                    options = ["--durability", level, *limit]
                    output = bench.new_folder() / "out"
                    command = tools.piton(bench, nginx.plain, output, 1, options=options)
                    of_level.append(measure(command, output, bench.size))
                    # What one run left to the disk must not slow the next one down.
                    os.truncate(output, 0)
                    os.sync()
            found = ratio(runs["power"], runs["none"], "wall")
            medians = [statistics.median(run.wall for run in runs[level]) for level in runs]
            rows.append([rate, *(f"{wall:.2f}" for wall in medians), f"{found:.3f}"])
            claims.append(Claim(f"Durability at {rate}: wall time of power / none",
                                f"{found:.3f}", "≤ 1.03", found <= 1.03))
    about = (f"{bench.size >> 20} MiB from nginx to a real disk, `--durability power` (the default) "
             "and `none`. `none` leaves its last bytes to the system and does not wait for the disk: "
             "without a limit the difference is the speed of the disk.")
    return [Figure("Default durability on a real disk", about,
                   ["rate", "power, s", "none, s", "ratio"], rows, claims)]
