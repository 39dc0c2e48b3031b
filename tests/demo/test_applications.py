from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource
from twisted.web.server import Site

from fsm_twisted.demo.applications import (
    PAGE,
    Greeter,
    GreeterResource,
    Httpbin,
    HttpbinResource,
    UnknownApplication,
    application_of,
)

SCRIPT = """pipy()
.listen(8000)
.serveHTTP(new Message('Response from pod ' + os.env["HOSTNAME"]))
"""


def answer(resource: Resource, path: bytes) -> tuple[int, bytes]:
    """Return status and body of a real site's answer, without a socket."""
    channel = Site(resource).buildProtocol(None)
    transport = StringTransport()
    assert channel is not None
    channel.makeConnection(transport)
    channel.dataReceived(b"GET " + path + b" HTTP/1.0\r\n\r\n")
    head, _, body = transport.value().partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (b"/", 200, PAGE),
        (b"/hi", 200, b"Hi, there!\n"),
        (b"/api/private", 401, b"Staff only\n"),
        (b"/hi?x=1", 200, b"Hi, there!\n"),
        (b"/hi/", 404, b"No handler\n"),
        (b"/index.html", 404, b"No handler\n"),
    ],
)
def test_httpbin_answers_as_the_article_says(path: bytes, status: int, body: bytes) -> None:
    assert answer(HttpbinResource(), path) == (status, body)


@given(st.text("abc/.?=%20", max_size=20))
def test_the_greeter_answers_every_path_alike_without_a_line_end(path: str) -> None:
    assert answer(GreeterResource("Response from pod a-b"), b"/" + path.encode()) == (
        200,
        b"Response from pod a-b",
    )


def test_the_image_without_a_command_is_httpbin() -> None:
    assert application_of("addozhang/httpbin:latest", ()) == Httpbin()


def test_the_image_with_the_articles_script_greets() -> None:
    greeter = application_of("docker.io/addozhang/httpbin", ("pipy", "-e", SCRIPT))

    assert greeter == Greeter("Response from pod ", 8000)


def test_another_text_and_port_of_the_script_are_respected() -> None:
    script = SCRIPT.replace("8000", "9000").replace("Response from pod ", "I am ")

    assert application_of("addozhang/httpbin", ("pipy", "-e", script)) == Greeter("I am ", 9000)


@pytest.mark.parametrize(
    ("image", "command", "named"),
    [
        ("nginx:1", (), "nginx:1"),
        ("evil/addozhang/httpbin", (), "evil/addozhang/httpbin"),
        ("addozhang/httpbin", ("sh", "-c", "true"), "command"),
        ("addozhang/httpbin", ("pipy", "-e", SCRIPT + ".listen(1)"), "command"),
    ],
)
def test_what_has_no_stand_in_is_refused_by_name(
    image: str, command: tuple[str, ...], named: str
) -> None:
    with pytest.raises(UnknownApplication, match=named):
        application_of(image, command)
