"""The peers whose configuration is JSON: Envoy, Traefik and Caddy."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.loads import SOCKET_PATH
from benchmarks.peer import Peer
from benchmarks.site import Site, free_port, program

Json = dict[str, Any]

_ONE_CORE = (("GOMAXPROCS", "1"),)
_IDLE_KEPT = 256


def envoy(site: Site) -> Peer:
    """Return Envoy with one worker; its main thread is counted, too."""
    ports = free_port(), free_port()
    chain = {"certificate_chain": _file(site.certificate), "private_key": _file(site.key)}
    common = {"tls_certificates": [chain], "alpn_protocols": ["h2", "http/1.1"]}
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    tls = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": kind, "common_tls_context": common},
    }
    document = {
        "static_resources": {
            "listeners": [
                _envoy_listener(site, "http", ports[0], {}),
                _envoy_listener(site, "https", ports[1], {"transport_socket": tls}),
            ],
            "clusters": [
                _envoy_cluster("backend", site.backend_port),
                _envoy_cluster("socket", site.socket_port),
            ],
        }
    }
    path = site.folder / "envoy.json"
    path.write_text(json.dumps(document))
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    return Peer("envoy", (program("envoy"), "-c", str(path), *options), *ports)


def _file(path: object) -> Json:
    return {"filename": str(path)}


def _envoy_listener(site: Site, name: str, port: int, more: Json) -> Json:
    prefix = "type.googleapis.com/envoy.extensions.filters"
    router = {"@type": f"{prefix}.http.router.v3.Router", "suppress_envoy_headers": True}
    hosts = []
    for number, rule in enumerate(site.rules):
        routes = [_envoy_route(path, "backend") for path in rule.paths]
        if number == 0:
            routes.insert(0, _envoy_route(SOCKET_PATH, "socket"))
        # The field Host has the port as well where a client was told one.
        names = [rule.host, f"{rule.host}:*"]
        hosts.append({"name": rule.host, "domains": names, "routes": routes})
    forwarded = {"key": "X-Forwarded-Host", "value": "%REQ(:AUTHORITY)%"}
    manager = {
        "@type": f"{prefix}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "use_remote_address": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        "route_config": {
            "virtual_hosts": hosts,
            "request_headers_to_add": [{"header": forwarded}],
        },
    }
    filters = [
        {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
    ]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": name,
        "address": address,
        "tcp_backlog_size": 4096,
        "filter_chains": [{"filters": filters, **more}],
    }


def _envoy_route(path: str, cluster: str) -> Json:
    return {"match": {"prefix": path}, "route": {"cluster": cluster, "timeout": "0s"}}


def _envoy_cluster(name: str, port: int) -> Json:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoint = {"endpoint": {"address": address}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def traefik(site: Site) -> Peer:
    """Return Traefik on one processor, its rules in a file."""
    ports = free_port(), free_port()
    services = {
        name: {
            "loadBalancer": {
                "servers": [{"url": f"http://127.0.0.1:{port}"}],
                "serversTransport": "kept",
                "passHostHeader": True,
            }
        }
        for name, port in (("backend", site.backend_port), ("socket", site.socket_port))
    }
    routers: Json = {}
    entrances: tuple[tuple[str, Json], ...] = (("http", {}), ("https", {"tls": {}}))
    for entrance, more in entrances:
        for number, rule in enumerate(site.rules):
            served = [(path, "backend") for path in rule.paths]
            if number == 0:
                served.append((SOCKET_PATH, "socket"))
            for place, (path, service) in enumerate(served):
                routers[f"{entrance}-{number}-{place}"] = {
                    "entryPoints": [entrance],
                    "rule": f"Host(`{rule.host}`) && PathPrefix(`{path}`)",
                    "service": service,
                    **more,
                }
    document = {
        "http": {
            "routers": routers,
            "services": services,
            "serversTransports": {"kept": {"maxIdleConnsPerHost": _IDLE_KEPT}},
        },
        "tls": {
            "certificates": [{"certFile": str(site.certificate), "keyFile": str(site.key)}],
        },
    }
    rules = site.folder / "rules.yml"  # JSON is YAML; traefik.yml would be taken for options
    rules.write_text(json.dumps(document))
    command = (
        program("traefik"), f"--providers.file.filename={rules}", "--providers.file.watch=false",
        f"--entryPoints.http.address=127.0.0.1:{ports[0]}",
        f"--entryPoints.https.address=127.0.0.1:{ports[1]}",
        "--log.level=ERROR", "--global.checkNewVersion=false",
        "--global.sendAnonymousUsage=false",
    )  # fmt: skip
    return Peer("traefik", command, *ports, environment=_ONE_CORE)


def caddy(site: Site) -> Peer:
    """Return Caddy on one processor."""
    ports = free_port(), free_port()
    routes = [_caddy_route(site.rules[0].host, SOCKET_PATH, site.socket_port)]
    routes += [
        _caddy_route(rule.host, path, site.backend_port)
        for rule in site.rules
        for path in rule.paths
    ]
    entrances: tuple[tuple[str, int, Json], ...] = (
        ("http", ports[0], {}),
        ("https", ports[1], {"tls_connection_policies": [{}]}),
    )
    servers = {
        name: {
            "listen": [f"127.0.0.1:{port}"],
            "routes": routes,
            "automatic_https": {"disable": True},
            **more,
        }
        for name, port, more in entrances
    }
    files = {"certificate": str(site.certificate), "key": str(site.key)}
    document = {
        "admin": {"disabled": True},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "apps": {
            "http": {"servers": servers},
            "tls": {"certificates": {"load_files": [files]}},
        },
    }
    path = site.folder / "caddy.json"
    path.write_text(json.dumps(document))
    home = (("HOME", str(site.folder)), ("XDG_DATA_HOME", str(site.folder)))
    command = (program("caddy"), "run", "--config", str(path))
    return Peer("caddy", command, *ports, environment=_ONE_CORE + home)


def _caddy_route(host: str, path: str, port: int) -> Json:
    proxy = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{port}"}],
        "transport": {
            "protocol": "http",
            "keep_alive": {"max_idle_conns_per_host": _IDLE_KEPT},
        },
    }
    match: Json = {"host": [host]}
    if path != "/":
        match["path"] = [f"{path}*"]
    return {"match": [match], "handle": [proxy], "terminal": True}
