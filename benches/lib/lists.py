"""Lists of many files: how fast small ones come in, and what a long list costs."""

import os
import shutil
import statistics
import subprocess
import time

from . import servers
from .bench import peak_memory, timed
from .report import Claim, Figure

MIB = 1 << 20
SMALL = 4096
AT_ONCE = 16


def small_files(bench):
    """Small files by the thousand, into memory and onto a disk."""
    count = 1000 if bench.quick else 10_000
    names = [f"{number:05}.bin" for number in range(count)]
    www = bench.memory / "small"
    www.mkdir()
    for name in names:
        (www / name).write_bytes(os.urandom(SMALL))
    with servers.nginx(www) as nginx:
        base = nginx.plain.rsplit("/", 1)[0]
        urls = [f"{base}/{name}" for name in names]
        memory = [compared(bench, urls, bench.memory / "out")]
        disk = [on_disk(bench, urls)]
    for folder in (www, bench.memory / "out"):
        shutil.rmtree(folder)
    return memory + disk


def compared(bench, urls, folder):
    lists = bench.memory / "lists"
    lists.mkdir()
    plain, config = lists / "plain", lists / "curl"
    plain.write_text("".join(f"{url}\n" for url in urls))
    config.write_text("".join(f'url = "{url}"\noutput = "{folder}/{name_of(url)}"\n'
                              for url in urls))
    tools = {
        "piton": lambda: piton(bench, plain, folder),
        "curl": lambda: ["curl", "-q", "-sS", "--parallel", "--parallel-max", str(AT_ONCE),
                         "--config", str(config)],
        "aria2": lambda: ["aria2c", "--no-conf", "-q", "-j", str(AT_ONCE), "-i", str(plain),
                          "-d", str(folder)],
    }
    runs = {name: [] for name in tools}
    for _ in range(bench.rounds):
        for name, command in tools.items():
            runs[name].append(run(command(), folder, len(urls), bench))
    ratio = {name: statistics.median(ours.wall / theirs.wall
                                     for ours, theirs in zip(runs["piton"], runs[name]))
             for name in tools}
    rows = [[name, f"{statistics.median(one.wall for one in some):.2f}",
             f"{statistics.median(one.cpu for one in some):.2f}", f"{ratio[name]:.2f}"]
            for name, some in runs.items()]
    claims = [
        Claim(f"{len(urls)} small files into memory: wall time of piton / curl",
              f"{ratio['curl']:.2f}", "≤ 1.00", ratio["curl"] <= 1),
        Claim(f"{len(urls)} small files into memory: speed of piton / aria2",
              f"{1 / ratio['aria2']:.1f}", "≥ 4", ratio["aria2"] <= 1 / 4),
    ]
    about = (f"{len(urls)} files of {SMALL} bytes from nginx to memory, {AT_ONCE} at a time. A "
             "ratio is the wall time of piton divided by that of the tool.")
    shutil.rmtree(lists)
    return Figure("Many small files, into memory", about, ["", "wall s", "CPU s", "wall ratio"],
                  rows, claims)


def on_disk(bench, urls):
    """Each run into a folder of its own, with the list in it, that stays to the end."""
    runs = {"power": [], "none": []}
    for _ in range(bench.rounds):
        for durability, walls in runs.items():
            top = bench.new_folder()
            plain, folder = top / "plain", top / "out"
            plain.write_text("".join(f"{url}\n" for url in urls))
            command = [*piton(bench, plain, folder), "--durability", durability]
            walls.append(run(command, folder, len(urls), bench).wall)
            # What one run left to the disk must not slow the next one down.
            os.sync()
    rates, rows = {}, []
    for durability, walls in runs.items():
        rates[durability] = len(urls) / statistics.median(walls)
        rows.append([durability, f"{statistics.median(walls):.2f}", f"{rates[durability]:.0f}"])
    claim = Claim(f"{len(urls)} small files to a real disk, durably",
                  f"{rates['power']:.0f} files/s", "≥ 3000 files/s", rates["power"] >= 3000)
    about = (f"The same to a real disk. With `power`, the default, each file and its outcome in the "
             "ledger are durable before it counts as done.")
    return Figure("Many small files, to a disk", about, ["durability", "wall s", "files/s"], rows,
                  [claim])


def long_lists(bench):
    """Lists whose items are all done: what it takes to see that."""
    rows, claims = [], []
    for count in (100_000,) if bench.quick else (1_000_000, 10_000_000):
        folder = bench.disk / "long-list"
        folder.mkdir()
        plain, done = folder / "list", folder / "done"
        with plain.open("w", encoding="ascii") as out:
            for number in range(count):
                out.write(f"http://127.0.0.1:1/folder/of/files/{number:08}.bin\n")
        shutil.copy(plain, done)
        adopt = [bench.piton, "adopt", "--config", "none", "--done", str(done), "--trust",
                 "-i", str(plain), "-d", str(folder)]
        subprocess.run(adopt, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        command = [bench.piton, "get", "-q", "--config", "none", "-i", str(plain), "-d", str(folder)]
        walls = []
        for _ in range(3):
            begin = time.monotonic()
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
            walls.append(time.monotonic() - begin)
        peak = peak_memory(command)
        wall = statistics.median(walls)
        rows.append([f"{count:,}", f"{wall:.2f}", f"{peak / MIB:.1f}"])
        if count == 1_000_000:
            claims.append(Claim("A million items, all done: process the list", f"{wall:.2f} s",
                                "≤ 2 s", wall <= 2))
        if count == 10_000_000:
            claims.append(Claim("Peak memory for ten million items", f"{peak / MIB:.1f} MiB",
                                "≤ 128 MiB", peak <= 128 * MIB))
        shutil.rmtree(folder)
    about = "A list in which every item is done, processed again: no server is asked."
    return [Figure("Long lists", about, ["items", "wall s", "peak MiB"], rows, claims)]


def piton(bench, plain, folder):
    return [bench.piton, "get", "-q", "--config", "none", "-i", str(plain), "-j", str(AT_ONCE),
            "--per-host", str(AT_ONCE), "-d", str(folder)]


def run(command, folder, count, bench):
    """One run into a folder that is empty, without what an earlier one left beside the list."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for state in (bench.memory / "lists").glob("*.piton.*"):
        state.unlink()
    one = timed(command)
    there = sum(1 for entry in os.scandir(folder) if entry.stat().st_size == SMALL)
    if there != count:
        raise SystemExit(f"{command} left {there} files of {count}")
    return one


def name_of(url):
    return url.rsplit("/", 1)[1]
