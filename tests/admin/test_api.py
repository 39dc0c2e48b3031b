"""The admin API of the running program: what it tells, to whom, and that it says no secret."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.assembly.program import FREE, Program, failing, running, until
from tests.strategies.certificates import make_pair
from tests.wire.harness.backend import Backend, answering

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Json = Any


def ingress(name: str, created: str, *paths: tuple[str, str], **spec: object) -> dict[str, object]:
    rules = [
        {
            "host": "a.example",
            "http": {
                "paths": [
                    {
                        "path": path,
                        "pathType": "Prefix",
                        "backend": {"service": {"name": service, "port": {"number": 80}}},
                    }
                    for path, service in paths
                ]
            },
        }
    ]
    metadata = {"name": name, "creationTimestamp": created}
    whole = {"ingressClassName": "pipy", "rules": rules, **spec}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata,
        "spec": whole,
    }


def service(name: str, port: int) -> list[dict[str, object]]:
    labels = {"kubernetes.io/service-name": name}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": [{"port": 80}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-1", "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"]}],
            "ports": [{"port": port}],
        },
    ]


def write(folder: Path, *documents: object) -> None:
    manifests = folder / "manifests"
    manifests.mkdir(exist_ok=True)
    (manifests / "all.yaml").write_text(yaml.safe_dump_all(documents))


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    made = Backend().serve(*[answering(OK, OK, OK)] * 8)
    yield made
    made.close()


PAIR = make_pair("a", ("a.example",))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("api")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "tls"},
        "stringData": {key: value.decode() for key, value in PAIR.data.items()},
    }
    write(
        folder,
        ingress("good", "2024-01-01T00:00:00Z", ("/web", "web"), tls=[{"secretName": "tls"}]),
        ingress("late", "2025-01-01T00:00:00Z", ("/web", "web"), ("/gone", "gone")),
        secret,
        *service("web", backend.port),
    )
    options = ("--workers", "2", "--plain-http-on-tls-hosts", "serve", "--admin-host", "adm.test")
    with running(folder, *options) as found:
        yield found


def get(program: Program, path: str, status: int = 200) -> Json:
    found, body = program.ask(path)
    assert found == status, body
    document = json.loads(body)
    assert document["version"] == 1
    return document


def ask(
    program: Program, host: str, path: str = "/api", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", program.port("admin"), timeout=10)
    connection.request(method, path, headers={"Host": host, **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders())


def request(program: Program, path: str, host: str = "a.example") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", program.port("http"), timeout=10)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_every_address_that_is_listed_answers_with_a_version(program: Program) -> None:
    listed = get(program, "/api")["addresses"]

    kinds = [each["kind"] for each in listed]
    query = {"/api/explain": "?url=http://a.example/web"}
    assert [
        get(program, each["path"] + query.get(each["path"], ""))["kind"] for each in listed
    ] == kinds
    assert len(kinds) == 9


def test_routes_tell_of_desired_paths_without_a_route(program: Program) -> None:
    rows = get(program, "/api/routes")["items"]

    told = [(row["ingress"]["name"], row["path"], row["state"], row["outcome"]) for row in rows]
    assert told == [
        ("late", "/gone", "broken", "refused"),
        ("late", "/web", "broken", "lost"),
        ("good", "/web", "ok", "served"),
    ]
    assert rows[0]["answer"] == {"status": 503, "code": "no_service"}
    assert rows[1]["served_instead"]["object"]["name"] == "good"
    assert rows[1]["findings"] == ["claim_lost"]


def test_lists_are_filtered_and_paged(program: Program) -> None:
    broken = get(program, "/api/routes?state=broken&limit=1&offset=1")

    assert (broken["total"], [row["path"] for row in broken["items"]]) == (2, ["/web"])
    assert [row["path"] for row in get(program, "/api/routes?q=GONE")["items"]] == ["/gone"]
    assert get(program, "/api/findings?code=claim_lost")["total"] == 1


def test_findings_come_errors_first_with_remedy_and_place(program: Program) -> None:
    (row,) = get(program, "/api/findings?code=service_missing")["items"]

    assert row["remedy"] == "create the Service in the Ingress's namespace, or name another"
    assert row["places"] == ["spec.rules[0].http.paths[1]"]
    assert row["origin"].endswith("all.yaml:22")


def test_certificates_are_told_without_their_keys(program: Program) -> None:
    (row,) = get(program, "/api/certificates")["items"]

    assert row["secret"]["name"] == "tls"
    assert row["answers_for"] == ["a.example"]
    assert row["days_left"] > 0
    assert row["names"] == ["a.example"]
    assert row["state"] in {"ok", "expires_soon"}


def test_no_answer_holds_a_part_of_a_key(program: Program) -> None:
    lines = [line for line in PAIR.data["tls.key"].decode().splitlines() if "PRIVATE" not in line]
    everything = "".join(
        program.ask(each["path"] + "?url=https://a.example/web" * (each["kind"] == "Explanation"))[
            1
        ].decode()
        for each in get(program, "/api")["addresses"]
    )

    assert "PRIVATE" not in everything
    assert [line for line in lines if line in everything] == []


def test_upstreams_tell_what_all_workers_know_together(program: Program) -> None:
    assert request(program, "/web") == 200

    def row() -> Json:
        return get(program, "/api/upstreams")["items"][0]

    until(lambda: row()["requests"]["total"] >= 1)
    told = row()
    assert told["id"] == "default/good -> web:80"
    assert told["endpoints"][0]["idle_connections"] >= 1
    assert told["requests"]["by_status"]["2xx"] == told["requests"]["total"]


def test_overview_and_workers_agree(program: Program) -> None:
    overview = get(program, "/api/overview")
    workers = get(program, "/api/workers")["items"]

    assert overview["workers"] == {"serving": 2, "wanted": 2} == {
        "serving": len(workers), "wanted": len(workers),
    }  # fmt: skip
    assert overview["routes"] == {"ok": 1, "degraded": 0, "broken": 2}
    assert overview["worst"][0]["severity"] == "error"
    assert {each["generation"] for each in workers} == {overview["generation"]}
    assert all(each["resident_bytes"] > 0 for each in workers)


def test_generations_name_what_has_changed(program: Program) -> None:
    first = get(program, "/api/generations")["items"][-1]

    assert first["hosts"]["changed"] == ["a.example"]
    assert "Ingress default/good" in first["objects"]["changed"]
    assert {each["code"] for each in first["findings"]["new"]} >= {"claim_lost"}


def test_requests_are_shown_while_somebody_looks_with_reasons_and_filters(
    program: Program,
) -> None:
    position = get(program, "/api/requests")["after"]
    until(lambda: _shown_after_asking(program, position))

    rows = get(program, "/api/requests?reason=no_route")["items"]
    assert {(row["status"], row["host"]) for row in rows} == {(404, "nobody.example")}
    assert get(program, "/api/requests?status=2xx&host=nobody")["items"] == []
    assert get(program, "/api/requests?origin=upstream&host=nobody")["items"] == []


def _shown_after_asking(program: Program, position: int) -> bool:
    assert request(program, "/%1b[31m", "nobody.example") == 404
    return bool(get(program, f"/api/requests?after={position}&reason=no_route&wait=1")["items"])


@pytest.mark.parametrize(
    "query",
    [
        "routes?foo=1",
        "routes?limit=x",
        "routes?limit=99999999",
        "routes?state=brokn",
        "upstreams?state=expired",
        "certificates?state=brokn",
        "findings?severity=info",
        "routes?state=ok&state=broken",
        "requests?status=abc",
        "requests?wait=1e9",
        "explain",
        "explain?url=ftp://a.example/",
        "explain?url=http://a.example/&header=nonsense",
        "routes?q=%ff",
    ],
)
def test_a_query_that_means_nothing_gets_400_and_a_reason(program: Program, query: str) -> None:
    document = get(program, f"/api/{query}", 400)

    assert document["kind"] == "Error"
    assert len(document["error"]) > 10


def test_an_unknown_address_gets_404(program: Program) -> None:
    for path in ("/api/nothing", "/api/routes/1", "/api/a/b/c"):
        assert "/api lists them" in get(program, path, 404)["error"]


def test_the_api_is_read_only(program: Program) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers = ask(program, "127.0.0.1", method=method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert ask(program, "127.0.0.1", method="HEAD")[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "a b", "127.0.0.1.evil"]
)
def test_a_name_that_was_not_allowed_is_refused(program: Program, host: str) -> None:
    assert ask(program, host)[0] in {400, 403}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "[::1]:80", "localhost:9", "x.localhost", "adm.test:1"]
)
def test_addresses_localhost_and_allowed_names_are_answered(program: Program, host: str) -> None:
    assert ask(program, host)[0] == 200


def test_scripts_of_other_pages_are_refused_and_nothing_is_shared(program: Program) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}

    assert ask(program, "127.0.0.1", **headers)[0] == 403
    status, told = ask(program, "127.0.0.1", Origin="http://evil.example")
    assert status == 200
    assert not [name for name in told if name.lower().startswith("access-control")]
    assert told["X-Content-Type-Options"] == "nosniff"
    assert told["Cache-Control"] == "no-store"


def test_health_and_metrics_are_answered_under_any_name(program: Program) -> None:
    assert ask(program, "prometheus.example", "/metrics")[0] == 200
    assert ask(program, "node.example", "/readyz")[0] == 200


def test_the_data_ports_know_nothing_of_it(program: Program) -> None:
    assert program.ask("/api", "http")[0] == 404
    assert request(program, "/api/overview") == 404


def test_explain_says_who_lost_and_why(program: Program) -> None:
    url = quote("http://a.example/web/x", safe="")
    told = get(program, f"/api/explain?url={url}&header=X-A:%201")

    assert told["outcome"]["kind"] == "forwarded"
    assert [(each["verdict"], each["ingress"]["name"]) for each in told["candidates"][:2]] == [
        ("chosen", "good"),
        ("lost", "late"),
    ]
    assert told["candidates"][1]["why"] == "it belongs to Ingress default/good, which is older"
    assert [each["code"] for each in told["findings"]][:2] == ["claim_lost", "service_missing"]


def test_switched_off_there_is_no_api(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "0", "--admin-api", "off") as program:
        assert program.ask("/api")[0] == 404
        assert program.ask("/livez")[0] == 200


def test_an_admin_port_in_use_ends_the_start_with_one_line(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "0") as program:
        port = program.port("admin")
        code, said = failing(tmp_path, *FREE[:2], "--admin", f"tcp:{port}:interface=127.0.0.1")

    assert code == 1
    assert f"{port}" in said
    assert "in use" in said
