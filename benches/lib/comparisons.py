"""piton beside other tools: nginx on loopback onto fresh pages in memory."""

import shutil
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


def defaults(bench):
    """What each tool agrees on with a server that has all: nothing is said of versions."""
    with servers.nginx(bench.served()) as nginx:
        commands = {
            "piton -x 1": lambda out: tools.piton(bench, nginx.h2, out, 1, nginx.ca),
            "curl": lambda out: tools.curl(bench, nginx.h2, out, nginx.ca),
            "wget": lambda out: tools.wget(bench, nginx.h2, out, nginx.ca),
            "aria2 -x 1": lambda out: tools.aria2(bench, nginx.h2, out, 1, nginx.ca),
        }
        return [compare(bench, "HTTPS as defaults negotiate it, one connection", commands,
                        {"curl": 0.80}, wall_limit=0.95)]


def tiny(bench):
    """One byte: what it takes to begin and to end."""
    output, www = bench.memory / "out", bench.memory / "tiny"
    www.mkdir()
    (www / "file.bin").write_bytes(b"x")
    rows, claims = [], []
    with servers.nginx(www) as nginx:
        for scheme, url, ca in (("HTTP", nginx.plain, None), ("HTTPS", nginx.h2, nginx.ca)):
            runs = {"piton": [], "curl": []}
            for _ in range(10 if bench.quick else 100):
                for name, tool in (("piton", tools.piton(bench, url, output, ca=ca)),
                                   ("curl", tools.curl(bench, url, output, ca))):
                    runs[name].append(measure(tool, output, 1))
            for name, some in runs.items():
                wall, cpu = ([getattr(run, what) * 1000 for run in some] for what in ("wall", "cpu"))
                rows.append([f"{name}, {scheme}", f"{statistics.median(wall):.1f}", f"{min(wall):.1f}",
                             f"{statistics.median(cpu):.1f}"])
            if scheme == "HTTP":
                wall = statistics.median(run.wall for run in runs["piton"]) * 1000
                claims.append(Claim("One byte over HTTP: wall time", f"{wall:.1f} ms", "≤ 4.5 ms",
                                    wall <= 4.5))
            else:
                for what, named in (("wall", "wall time"), ("cpu", "CPU")):
                    found = ratio(runs["piton"], runs["curl"], what)
                    claims.append(Claim(f"One byte over HTTPS: {named} of piton / curl",
                                        f"{found:.2f}", "≤ 1.00", round(found, 2) <= 1))
    remove(output)
    shutil.rmtree(www)
    return [Figure("One byte", "From nginx to memory, with the defaults of both, including the time to start a "
                   "process.", ["", "wall ms", "least wall ms", "CPU ms"], rows, claims)]


def http2(bench):
    with servers.nginx(bench.served()) as nginx:
        commands = {
            "piton -x 1": lambda out: tools.piton(bench, nginx.h2, out, 1, nginx.ca,
                                                  ["--http", "2"]),
            "curl": lambda out: tools.curl(bench, nginx.h2, out, nginx.ca, ["--http2"]),
        }
        return [compare(bench, "HTTPS (TLS 1.3, HTTP/2), one connection", commands,
                        {"curl": 0.75})]


def compare(bench, title, commands, limits, wall_limit=1):
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
    claims.append(wall_claim(title, ours, others, runs, wall_limit))
    return Figure(title, f"{bench.size >> 20} MiB from nginx to memory. A ratio is {ours} "
                  "divided by the tool: below 1, piton is ahead.",
                  ["", "CPU s/GiB", "CPU ratio", "wall s/GiB", "wall ratio"], rows, claims)


def ratio(ours, theirs, what):
    """The median of the ratios within the rounds."""
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(ours, theirs))


def cpu_claim(title, ours, other, limit, runs):
    found = ratio(runs[ours], runs[other], "cpu")
    return Claim(f"{title}: CPU of {ours} / {other}", f"{found:.3f}", f"≤ {limit}", found <= limit)


def wall_claim(title, ours, others, runs, limit):
    """So much of the best of the other tools, to a hundredth."""
    rivals = [name for name in others if not name.startswith("piton")]
    best = min(rivals, key=lambda name: statistics.median(run.wall for run in runs[name]))
    found = ratio(runs[ours], runs[best], "wall")
    return Claim(f"{title}: wall time of {ours} / {best} (the best)", f"{found:.2f}",
                 f"≤ {limit:.2f}", round(found, 2) <= limit)
