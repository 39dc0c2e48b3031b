"""
Metrics as text (Prometheus exposition format 0.0.4), made in pieces.

Rendering is a generator: whoever writes the answer lets the reactor breathe between two pieces,
however many Ingresses there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import attrs

from fsm_twisted.observe.cells import SECONDS
from fsm_twisted.observe.report import Durations, Number, Report, UpstreamCounts, UpstreamKey

PREFIX: Final = "fsm_ingress_"
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
# More (Ingress, Service) pairs than these get no series: a million of them is enough to scrape.
MOST_UPSTREAMS: Final = 20_000
_ROWS_PER_PIECE: Final = 200


@attrs.frozen
class Family:
    """A metric: its name without prefix, its type, its labels and its help."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


_OWNER: Final = ("namespace", "ingress", "service")

FAMILIES: Final = tuple(
    Family(*row)
    for row in (
        (
            "requests_total",
            "counter",
            (*_OWNER, "status", "method"),
            "Requests by class of status and method.",
        ),
        (
            "request_duration_seconds",
            "histogram",
            _OWNER,
            "From a request's head to its answer's end.",
        ),
        (
            "response_duration_seconds",
            "histogram",
            _OWNER,
            "From the request sent to the endpoint to its answer's end.",
        ),
        ("retries_total", "counter", _OWNER, "Requests sent to an endpoint again."),
        (
            "passthrough_connections_total",
            "counter",
            (*_OWNER, "result"),
            "TLS connections to go through: ok, or the reason code of those that could not.",
        ),
        (
            "grpc_requests_total",
            "counter",
            (*_OWNER, "grpc_status"),
            "Calls of gRPC by the status that the client got.",
        ),
        ("request_bytes_total", "counter", _OWNER, "Bytes of requests as forwarded."),
        ("response_bytes_total", "counter", _OWNER, "Bytes of answers as sent to clients."),
        (
            "overhead_seconds_total",
            "counter",
            (),
            "Time of answered requests before their endpoint had them.",
        ),
        ("replies_total", "counter", ("reason",), "Answers of the proxy itself by reason code."),
        ("connections_accepted_total", "counter", (), "Client connections served."),
        (
            "connections_refused_total",
            "counter",
            ("reason",),
            "Client connections closed unserved.",
        ),
        ("connections", "gauge", (), "Client connections open."),
        ("tunnels", "gauge", ("kind",), "Tunnels open: passthrough (TLS), upgrade (WebSocket)."),
        ("tls_handshakes_total", "counter", ("result",), "TLS handshakes with clients by result."),
        ("ejections_total", "counter", (), "Endpoints left out for failing again and again."),
        ("endpoints_ejected", "gauge", (), "Endpoints left out now."),
        (
            "pool_idle_connections",
            "gauge",
            (),
            "Connections to endpoints that wait for a request.",
        ),
        ("requests_in_flight", "gauge", (), "Requests that an endpoint is serving."),
        ("access_log_lines_total", "counter", (), "Lines of the access log."),
        (
            "access_log_dropped_total",
            "counter",
            ("at",),
            "Requests that have no line because a worker's channel or the disk was too slow.",
        ),
        ("spans_total", "counter", ("result",), "Spans sent to the collector: ok, failed."),
        (
            "spans_dropped_total",
            "counter",
            ("at",),
            "Requests that were sampled and have no span because a worker's channel was too slow.",
        ),
        ("snapshot_generation", "gauge", (), "Number of the newest configuration."),
        ("snapshot_age_seconds", "gauge", (), "Time since that configuration was compiled."),
        ("findings", "gauge", ("reason",), "Problems of objects by reason code."),
        (
            "finding",
            "gauge",
            ("severity", "reason", "kind", "namespace", "name", "remedy"),
            "A problem of an object, always 1; the worst 1000.",
        ),
        (
            "certificate_expiry_seconds",
            "gauge",
            ("namespace", "secret_name"),
            "End of a certificate's time, Unix time.",
        ),
        ("informer_objects", "gauge", ("kind",), "Objects of the cluster that are known."),
        ("informer_synced", "gauge", ("kind",), "1 when the kind was listed, or is forbidden."),
        (
            "informer_last_event_age_seconds",
            "gauge",
            ("kind",),
            "Time since the API server last told of the kind.",
        ),
        ("informer_lists_total", "counter", ("kind",), "Lists that were read to their end."),
        ("informer_watches_total", "counter", ("kind",), "Watches that have begun."),
        (
            "informer_failures_total",
            "counter",
            ("kind", "reason"),
            "Lists and watches that have failed.",
        ),
        ("events_written_total", "counter", (), "Events of Kubernetes written."),
        (
            "events_dropped_total",
            "counter",
            ("reason",),
            "Events not written: too many of one object, too many waiting, refused.",
        ),
        ("events_waiting", "gauge", (), "Events to be written."),
        ("leader", "gauge", (), "1 where this replica is the leader, else 0."),
        (
            "status_writes_total",
            "counter",
            ("result",),
            "Writes of a status to the API server by result: ok, failed.",
        ),
        ("status_waiting", "gauge", (), "Ingresses whose status is still to be written."),
        ("workers", "gauge", (), "Processes that serve."),
        ("workers_wanted", "gauge", (), "Processes that ought to serve."),
        (
            "workers_apart_longest_seconds",
            "gauge",
            (),
            "Longest time that workers were more than one configuration apart, since the start.",
        ),
        (
            "worker_cpu_seconds_total",
            "counter",
            ("worker",),
            "Processor time of a worker and of those that it has replaced.",
        ),
        ("worker_resident_bytes", "gauge", ("worker",), "Resident memory of a worker."),
        ("worker_open_fds", "gauge", ("worker",), "Open file descriptors of a worker."),
        ("series_dropped", "gauge", (), "Series left out because there are too many."),
        ("build_info", "gauge", ("version",), "Version, always 1."),
    )
)
_BY_NAME: Final[Mapping[str, Family]] = {family.name: family for family in FAMILIES}

Upstreams = Mapping[UpstreamKey, UpstreamCounts]
Rows = Callable[[UpstreamKey, UpstreamCounts], Iterator[str]]


def label_value(text: str) -> str:
    """Escape a label's value."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def series(name: str, /, **labels: str) -> str:
    """Return the name of a series, as `Report.counters` and `Report.gauges` are keyed."""
    if not labels:
        return name
    inner = ",".join(f'{key}="{label_value(value)}"' for key, value in labels.items())
    return f"{name}{{{inner}}}"


def render(
    report: Report, own: Mapping[str, Number], most_upstreams: int = MOST_UPSTREAMS
) -> Iterator[str]:
    """
    Render the metrics in pieces.

    Args:
        report: The sum over all processes, without deleted Ingresses.
        own: Further series of the master, by name as `series` makes it.
        most_upstreams: Those beyond get no series, but are counted in ``series_dropped``.
    """
    shown, dropped = _shown(report.upstreams, most_upstreams)
    for family, rows in _UPSTREAM_ROWS.items():
        yield from _upstream_family(family, rows, shown)
    own = {**own, "series_dropped": dropped}
    plain: dict[str, list[str]] = {}
    for name, number in sorted({**report.counters, **report.gauges, **own}.items()):
        plain.setdefault(name.partition("{")[0], []).append(f"{PREFIX}{name} {_number(number)}\n")
    for name, lines in plain.items():
        yield _heading(name)
        yield from _pieces(iter(lines))


def _shown(upstreams: Upstreams, most: int) -> tuple[Upstreams, int]:
    """Return the upstreams that get series, and how many series the others would have."""
    if len(upstreams) <= most:
        return upstreams, 0
    # In the order of their names, so that the same ones stay from one scrape to the next.
    keys = sorted(upstreams)
    dropped = sum(series_of(upstreams[key]) for key in keys[most:])
    return {key: upstreams[key] for key in keys[:most]}, dropped


def series_of(counts: UpstreamCounts) -> int:
    """Return how many series one (Ingress, Service) has."""
    histogram = len(SECONDS) + 3  # "+Inf", sum and count
    return len(counts.requests) + len(counts.rare) + 2 * histogram + 3


def _upstream_family(name: str, rows: Rows, upstreams: Upstreams) -> Iterator[str]:
    yield _heading(name)
    yield from _pieces(line for key, counts in upstreams.items() for line in rows(key, counts))


def _heading(name: str) -> str:
    family = _BY_NAME[name]
    return f"# HELP {PREFIX}{name} {family.help}\n# TYPE {PREFIX}{name} {family.kind}\n"


def _pieces(lines: Iterator[str]) -> Iterator[str]:
    piece: list[str] = []
    for line in lines:
        piece.append(line)
        if len(piece) >= _ROWS_PER_PIECE:
            yield "".join(piece)
            piece.clear()
    if piece:
        yield "".join(piece)


def _number(value: Number) -> str:
    """
    Write a number; a fraction as microseconds.

    Sums of floats differ in their last digit by the order of the summands. A counter that falls
    by so little would be taken for one that has begun again at zero.
    """
    return str(value) if isinstance(value, int) else f"{value:.6f}"


def _labels(key: UpstreamKey) -> str:
    namespace, ingress, service = map(label_value, key)
    return f'namespace="{namespace}",ingress="{ingress}",service="{service}"'


def _requests(key: UpstreamKey, counts: UpstreamCounts) -> Iterator[str]:
    labels = _labels(key)
    for (method, digit), number in sorted(counts.requests.items()):
        yield f'{PREFIX}requests_total{{{labels},status="{digit}xx",method="{method}"}} {number}\n'


def _rare(name: str, kind: str, label: str) -> Rows:
    begin = f"{kind}:"

    def rows(key: UpstreamKey, counts: UpstreamCounts) -> Iterator[str]:
        if counts.rare:
            labels = _labels(key)
            for result, number in sorted(counts.rare.items()):
                if result.startswith(begin):
                    value = result.removeprefix(begin)
                    yield f'{PREFIX}{name}{{{labels},{label}="{value}"}} {number}\n'

    return rows


def _histogram(
    name: str, part: Callable[[UpstreamCounts], Durations]
) -> Callable[[UpstreamKey, UpstreamCounts], Iterator[str]]:
    def rows(key: UpstreamKey, counts: UpstreamCounts) -> Iterator[str]:
        labels, durations = _labels(key), part(counts)
        total = 0
        for bound, number in zip((*map(str, SECONDS), "+Inf"), durations.counts, strict=True):
            total += number
            yield f'{PREFIX}{name}_bucket{{{labels},le="{bound}"}} {total}\n'
        yield f"{PREFIX}{name}_sum{{{labels}}} {_number(durations.seconds)}\n"
        yield f"{PREFIX}{name}_count{{{labels}}} {total}\n"

    return rows


def _single(
    name: str, part: Callable[[UpstreamCounts], Number]
) -> Callable[[UpstreamKey, UpstreamCounts], Iterator[str]]:
    def rows(key: UpstreamKey, counts: UpstreamCounts) -> Iterator[str]:
        yield f"{PREFIX}{name}{{{_labels(key)}}} {_number(part(counts))}\n"

    return rows


_UPSTREAM_ROWS: Final[Mapping[str, Rows]] = {
    "requests_total": _requests,
    "request_duration_seconds": _histogram("request_duration_seconds", lambda c: c.duration),
    "response_duration_seconds": _histogram("response_duration_seconds", lambda c: c.upstream),
    "passthrough_connections_total": _rare("passthrough_connections_total", "passed", "result"),
    "grpc_requests_total": _rare("grpc_requests_total", "grpc", "grpc_status"),
    "retries_total": _single("retries_total", lambda c: c.retries),
    "request_bytes_total": _single("request_bytes_total", lambda c: c.bytes_in),
    "response_bytes_total": _single("response_bytes_total", lambda c: c.bytes_out),
}
