"""All figures, by name: each takes a Bench and returns the list of Figures it measured."""

from . import comparisons, durability, flow, limits, lists

ALL = {
    "plain": comparisons.plain,
    "segmented": comparisons.segmented,
    "tls": comparisons.tls,
    "http2": comparisons.http2,
    "defaults": comparisons.defaults,
    "tiny": comparisons.tiny,
    "durability": durability.durability,
    "throttled": flow.throttled,
    "memory": limits.memory,
    "start": limits.start,
    "resume": limits.resume,
    "small": lists.small_files,
    "lists": lists.long_lists,
}
