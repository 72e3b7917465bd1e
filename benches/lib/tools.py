"""The command of each tool that downloads one address to one file, quietly and by its defaults."""

from pathlib import Path


def piton(bench, url, output, connections="auto", ca=None, options=()):
    trust = ["--ca-file", ca] if ca else []
    return [bench.piton, "get", "-q", "--config", "none", "-x", str(connections), *trust, *options,
            "-o", str(output), url]


def curl(_, url, output, ca=None, options=()):
    trust = ["--cacert", ca] if ca else []
    return ["curl", "-q", "-sS", *trust, *options, "-o", str(output), url]


def wget(_, url, output, ca=None):
    trust = ["--ca-certificate", ca] if ca else []
    return ["wget", "--no-config", "-q", *trust, "-O", str(output), url]


def aria2(_, url, output, connections=1, ca=None):
    trust = ["--ca-certificate", ca] if ca else []
    split = ["-x", str(connections), "-s", str(connections), "-k", "1M"]
    return ["aria2c", "--no-conf", "-q", *trust, *split, "-d", str(Path(output).parent),
            "-o", Path(output).name, url]


def axel(_, url, output, connections=1, ca=None):
    # It takes no authority on its command line.
    trust = ["-k"] if ca else []
    return ["axel", "-q", *trust, "-n", str(connections), "-o", str(output), url]
