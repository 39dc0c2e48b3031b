"""What docker/ says fits the program; tools/check_image.py builds and runs it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from fsm_twisted._version import __version__
from fsm_twisted.compiler import CompilerOptions, compile_snapshot
from fsm_twisted.objects.decode import decode_object
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.settings import parse_settings

DOCKER = Path(__file__).resolve().parents[2] / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE: Any = yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_the_image_is_of_this_version() -> None:
    assert re.findall(r"^ARG VERSION=(.*)$", DOCKERFILE, re.M) == [__version__]


def test_its_health_is_asked_where_the_program_answers() -> None:
    (command,) = re.findall(r"^HEALTHCHECK .* CMD (.*)$", DOCKERFILE, re.M)
    admin = parse_settings(["--manifests", "/manifests"]).admin
    assert f"HTTPConnection('{admin.host}', {admin.port}," in json.loads(command)[-1]


def test_the_ports_are_those_of_the_compose_file() -> None:
    settings = parse_settings(COMPOSE["services"]["ingress"]["command"])
    listening = [each.port for each in (*settings.http, *settings.https)]
    (exposed,) = re.findall(r"^EXPOSE (.*)$", DOCKERFILE, re.M)
    assert listening == [int(each) for each in exposed.split()]
    published = COMPOSE["services"]["ingress"]["ports"]
    assert published == [f"{port}:{port}" for port in listening]


def test_it_is_given_time_to_drain() -> None:
    service = COMPOSE["services"]["ingress"]
    settings = parse_settings(service["command"])
    grace = int(service["stop_grace_period"].removesuffix("s"))
    assert settings.drain_delay + settings.drain_timeout < grace


def test_the_sample_leads_to_the_second_container() -> None:
    documents = yaml.safe_load_all((DOCKER / "manifests" / "hello.yaml").read_text())
    objects = [value for each in documents for value in decode_object(each).values]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    compiled = compile_snapshot(Inventory.of(objects), CompilerOptions(), now=now)
    assert compiled.findings == ()
    (upstream,) = compiled.snapshot.upstreams.values()
    (endpoint,) = upstream.endpoints
    hello = COMPOSE["services"]["hello"]
    assert endpoint.address == hello["networks"]["fsm"]["ipv4_address"]
    assert str(endpoint.port) in hello["entrypoint"]
