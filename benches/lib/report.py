"""The page that the figures end up on."""

import os
import platform
import re
import subprocess
import time
from dataclasses import dataclass, field

# Daemons live where the PATH of a user does not reach.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

INTRO = """# Benchmarks

Written by `benches/compare --write`, which anyone can run; no figure here is typed by hand. Server and
client share one machine. CPU seconds are those of the client alone, user and system. The tools run
alternately (A B A B …). Each ratio is computed within a round, and the table shows the median, so that
other load disturbs both sides equally. Each tool runs with its defaults except for the number of
connections, and the length of each download is checked.
"""


@dataclass
class Claim:
    """Something that should hold."""

    text: str
    measured: str
    limit: str
    holds: bool


@dataclass
class Figure:
    """One table, and what is claimed of it."""

    title: str
    about: str
    columns: list
    rows: list
    claims: list = field(default_factory=list)


def render(figures, bench):
    parts = [INTRO, machine(bench), claims(figures)]
    for figure in figures:
        parts.append(f"## {figure.title}\n\n{figure.about}\n\n" + table(figure.columns, figure.rows))
    return "\n".join(parts)


def claims(figures):
    rows = [[claim.text, claim.measured, claim.limit, "yes" if claim.holds else "**no**"]
            for figure in figures for claim in figure.claims]
    return "## Targets\n\n" + table(["", "measured", "limit", "holds"], rows)


def table(columns, rows):
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def machine(bench):
    versions = [version([bench.piton, "--version"])]
    versions += [version([name, "--version"]) for name in ("curl", "wget", "aria2c", "axel")]
    versions.append(version(["nginx", "-v"]))
    return (f"{time.strftime('%Y-%m-%d')}, Linux {platform.release().split('-')[0]}, {os.cpu_count()} cores "
            f"({processor()}), load average {bench.load:.1f} before the first run, "
            f"{bench.rounds} rounds.\n"
            f"{', '.join(versions)}.\n")


def version(command):
    done = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, check=False)
    number = re.search(r"\d+\.\d+(\.\d+)*", done.stdout + done.stderr)
    return f"{os.path.basename(command[0])} {number[0] if number else '(version unknown)'}"


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()
