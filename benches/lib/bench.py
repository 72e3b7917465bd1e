"""Where runs happen: folders, the served file, and how long one run took."""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
BLOCK = 1 << 20


@dataclass
class Run:
    """One run of one tool."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, of the process and what it waited for


class Bench:
    """Folders in memory and on disk that are gone afterwards, and the programs that were built."""

    def __init__(self, root, disk, rounds, size, quick):
        self.rounds, self.size, self.quick = rounds, size, quick
        self.piton = str(root / "target/release/piton")
        self.serve = str(root / "target/release/examples/serve")
        self._disk_under = disk
        self.load = os.getloadavg()[0]

    def __enter__(self):
        self.memory = Path(tempfile.mkdtemp(prefix="piton-bench-", dir="/dev/shm"))
        self.disk = Path(tempfile.mkdtemp(prefix="piton-bench-", dir=self._disk_under))
        # ext4 then gives each folder in it inodes from elsewhere, as it does for those at the top of a disk.
        # Other file systems have no such flag, and need none.
        subprocess.run(["chattr", "+T", str(self.disk)], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
        self._folders = 0
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.memory, ignore_errors=True)
        shutil.rmtree(self.disk, ignore_errors=True)

    def new_folder(self):
        """A folder on the disk that is deleted with all others at the very end: an ext4 without a journal
        does not give the inodes of deleted files away for some time, and each new file looks at them."""
        self._folders += 1
        folder = self.disk / f"run-{self._folders}"
        folder.mkdir()
        return folder

    def served(self):
        """A folder in memory with the file of the comparisons, of random bytes."""
        www = self.memory / "www"
        file = www / "file.bin"
        if not file.exists():
            www.mkdir()
            with file.open("wb") as out:
                for _ in range(0, self.size, BLOCK):
                    out.write(os.urandom(BLOCK))
        return www

    def room(self):
        """Free bytes on the disk."""
        return shutil.disk_usage(self.disk).free


def measure(command, output, size):
    """Runs a download onto a place where nothing is, and checks that it came in."""
    remove(output)
    run = timed(command)
    if output.stat().st_size != size:
        raise SystemExit(f"{command} left {output.stat().st_size} bytes of {size}")
    return run


def timed(command):
    """Runs a command that must succeed."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    talk = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with {process.returncode}: {talk.decode()}")
    return Run(wall, usage.ru_utime + usage.ru_stime)


def remove(output):
    """Removes what a download left, finished or not."""
    for path in output.parent.glob(output.name + "*"):
        path.unlink()


def peak_memory(command):
    """Runs a download and returns the most memory it had resident, in bytes.

    The kernel's high-water mark is read while it runs: what wait4 says is never less than what the
    process that started it had.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                peak = max(peak, int(line.split()[1]) << 10)
        time.sleep(0.02)
    if process.wait() != 0:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return peak
