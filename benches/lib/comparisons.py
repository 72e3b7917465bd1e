"""piton beside other tools: nginx on loopback onto fresh pages in memory."""

import statistics

from . import servers, tools
from .bench import GIB, measure, remove
from .report import Claim, Figure


def plain(bench):
    with servers.nginx(bench.served()) as nginx:
        commands = {
            "piton -x 1": lambda out: tools.piton(bench, nginx.plain, out, 1),
            "piton (auto)": lambda out: tools.piton(bench, nginx.plain, out),
            "curl": lambda out: tools.curl(bench, nginx.plain, out),
            "wget": lambda out: tools.wget(bench, nginx.plain, out),
            "aria2 -x 1": lambda out: tools.aria2(bench, nginx.plain, out),
            "axel -n 1": lambda out: tools.axel(bench, nginx.plain, out),
        }
        return [compare(bench, "Plain HTTP, one connection", commands, {"curl": 0.65})]


def segmented(bench):
    with servers.nginx(bench.served()) as nginx:
        commands = {
            "piton -x 8": lambda out: tools.piton(bench, nginx.plain, out, 8),
            "aria2 -x 8": lambda out: tools.aria2(bench, nginx.plain, out, 8),
            "axel -n 8": lambda out: tools.axel(bench, nginx.plain, out, 8),
        }
        return [compare(bench, "Plain HTTP, eight connections", commands, {"aria2 -x 8": 0.65})]


def tls(bench):
    with servers.nginx(bench.served()) as nginx:
        commands = {
            "piton -x 1": lambda out: tools.piton(bench, nginx.tls, out, 1, nginx.ca),
            "curl": lambda out: tools.curl(bench, nginx.tls, out, nginx.ca, ["--http1.1"]),
            "wget": lambda out: tools.wget(bench, nginx.tls, out, nginx.ca),
            "aria2 -x 1": lambda out: tools.aria2(bench, nginx.tls, out, 1, nginx.ca),
            "axel -n 1": lambda out: tools.axel(bench, nginx.tls, out, 1, nginx.ca),
        }
        return [compare(bench, "HTTPS (TLS 1.3, HTTP/1.1), one connection", commands,
                        {"curl": 0.75})]


def http2(bench):
    with servers.nginx(bench.served()) as nginx:
        commands = {
            "piton -x 1": lambda out: tools.piton(bench, nginx.h2, out, 1, nginx.ca,
                                                  ["--http", "2"]),
            "curl": lambda out: tools.curl(bench, nginx.h2, out, nginx.ca, ["--http2"]),
        }
        return [compare(bench, "HTTPS (TLS 1.3, HTTP/2), one connection", commands,
                        {"curl": 0.75})]


def compare(bench, title, commands, limits):
    """Runs the commands in turn; the first is piton's, and `limits` bounds its CPU time."""
    output = bench.memory / "out"
    runs = {name: [] for name in commands}
    for _ in range(bench.rounds):
        for name, command in commands.items():
            runs[name].append(measure(command(output), output, bench.size))
    remove(output)
    ours, *others = commands
    per_gib = GIB / bench.size
    rows = []
    for name in commands:
        cpu, wall = ([getattr(run, what) for run in runs[name]] for what in ("cpu", "wall"))
        rows.append([name, f"{statistics.median(cpu) * per_gib:.2f}",
                     f"{ratio(runs[ours], runs[name], 'cpu'):.2f}",
                     f"{statistics.median(wall) * per_gib:.2f}",
                     f"{ratio(runs[ours], runs[name], 'wall'):.2f}"])
    claims = [cpu_claim(title, ours, name, limit, runs) for name, limit in limits.items()]
    claims.append(wall_claim(title, ours, others, runs))
    return Figure(title, f"{bench.size >> 20} MiB from nginx to memory. The ratios say what {ours} "
                  "takes of what the tool takes: below 1, piton is ahead.",
                  ["", "CPU s/GiB", "CPU ratio", "wall s/GiB", "wall ratio"], rows, claims)


def ratio(ours, theirs, what):
    """The median of the ratios within the rounds."""
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(ours, theirs))


def cpu_claim(title, ours, other, limit, runs):
    found = ratio(runs[ours], runs[other], "cpu")
    return Claim(f"{title}: CPU of {ours} / {other}", f"{found:.3f}", f"≤ {limit}", found <= limit)


def wall_claim(title, ours, others, runs):
    """No slower than the best of the other tools, to a hundredth."""
    rivals = [name for name in others if not name.startswith("piton")]
    best = min(rivals, key=lambda name: statistics.median(run.wall for run in runs[name]))
    found = ratio(runs[ours], runs[best], "wall")
    return Claim(f"{title}: wall time of {ours} / {best} (the best)", f"{found:.2f}", "≤ 1.00",
                 round(found, 2) <= 1)
