"""From a command line to Settings, or to one line that says what is wrong with it."""

from __future__ import annotations

import ipaddress
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.net.addresses import ListenAddress
from fsm_twisted.net.tls_parameters import TlsVersion
from fsm_twisted.proxy.options import PlainHttp
from fsm_twisted.settings import (
    OPTIONS,
    LogFormat,
    LogLevelName,
    Option,
    Settings,
    SettingsError,
    parse_settings,
)

SOURCE = ("--manifests", "objects")
# The same of options that files have no use for.
IN_A_CLUSTER: tuple[tuple[str, str, Any], ...] = (
    ("publish-service", "fsm/fsm-ingress", ("fsm", "fsm-ingress")),
    ("publish-status-address", "192.0.2.1", ("192.0.2.1",)),
    ("publish-status-address", "2001:DB8::1", ("2001:db8::1",)),
    ("publish-status-address", "lb.example.com", ("lb.example.com",)),
    ("service-lb", "off", False),
    ("election", "on", True),
    ("election-id", "other", "other"),
    ("election-namespace", "fsm", "fsm"),
)
BY_NAME = {option.name: option for option in OPTIONS}
# Option, a value, what the settings say then.
READ: tuple[tuple[str, str, Any], ...] = (
    ("manifests", "other", ("objects", "other")),
    ("ingress-class", "public.v2", "public.v2"),
    ("controller-name", "example.com/Ingress_1", "example.com/Ingress_1"),
    ("http", "tcp:80", (ListenAddress("tcp", port=80),)),
    ("https", "tcp6:443", (ListenAddress("tcp6", port=443),)),
    ("admin", "unix:/run/a.sock", ListenAddress("unix", host="/run/a.sock")),
    ("tls-min-version", "1.3", TlsVersion.TLS_1_3),
    ("tls-ciphers", "ECDHE+AESGCM:!aNULL", "ECDHE+AESGCM:!aNULL"),
    ("tls-suites", "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
    ("mtls", "on", True),
    ("plain-http-on-tls-hosts", "forbid", PlainHttp.FORBID),
    ("https-redirect-port", "8443", 8443),
    ("trace-collector", "http://c:4318", "http://c:4318/v1/traces"),
    ("trace-collector", "https://[::1]:4318/", "https://[::1]:4318/v1/traces"),
    ("trace-collector", "http://c/own/way?a=b", "http://c/own/way?a=b"),
    ("trace-sample", "0", 0.0),
    ("hsts", "off", None),
    ("hsts", "Max-Age=05;includesubdomains", "max-age=5; includeSubDomains"),
    (
        "hsts",
        "max-age=31536000; preload ;includeSubDomains",
        "max-age=31536000; includeSubDomains; preload",
    ),
    ("trusted-proxies", "10.1.2.3/8", (ipaddress.ip_network("10.0.0.0/8"),)),
    ("trusted-proxies", "::1", (ipaddress.ip_network("::1/128"),)),
    ("proxy-protocol", "off", False),
    ("session-key-file", "key", "key"),
    ("header-timeout", "0.5", 0.5),
    ("body-timeout", "15s", 15.0),
    ("idle-timeout", "604800", 604800.0),
    ("connect-timeout", "0.001", 0.001),
    ("upstream-timeout", "1", 1.0),
    ("tunnel-timeout", "86400", 86400.0),
    ("drain-delay", "0", 0.0),
    ("drain-timeout", "0", 0.0),
    ("request-line-limit", "1k", 1024),
    ("head-limit", "1M", 1024**2),
    ("head-fields-limit", "1", 1),
    ("body-limit", "2g", 2 * 1024**3),
    ("max-connections", "1000", 1000),
    ("max-connections-per-client", "0", 0),
    ("workers", "0", 0),
    ("workers", "4", 4),
    ("workers", "auto", None),
    ("access-log", "off", None),
    ("access-log", "-", "-"),
    ("access-log", "/var/log/access", "/var/log/access"),
    ("access-log-format", "nginx", "nginx"),
    ("access-log-format", "$status ${request}", "$status ${request}"),
    ("access-log-sample", "0.25", 0.25),
    ("access-log-sample", "0", 0.0),
    ("access-log-redact", "query:token", ("query:token",)),
    ("log-level", "warn", LogLevelName.WARN),
    ("log-format", "json", LogFormat.JSON),
)
REFUSED = (
    ("tls-min-version", "1.1"),
    ("tls-min-version", "TLSv1.2"),
    ("tls-ciphers", ""),
    ("tls-ciphers", "ECDHE+AESGCM ECDHE+CHACHA20"),
    ("tls-ciphers", "ECDHE+AESGCM:AES1024"),
    ("tls-ciphers", "ALL"),
    ("tls-ciphers", "!aNULL"),
    ("tls-ciphers", "TLS_AES_128_GCM_SHA256"),
    ("tls-ciphers", "ALL:@SECLEVEL=0"),
    ("tls-suites", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("tls-suites", ""),
    ("mtls", "yes"),
    ("manifests", ""),
    ("kubeconfig", ""),
    ("watch-namespace", "team.a"),
    ("watch-namespace", "a" * 64),
    ("ingress-class", "Not_A_Class"),
    ("controller-name", "no-slash"),
    ("http", "8000"),
    ("http", "tcp:65536"),
    ("http", "tcp:80:interface=localhost"),
    ("https", "ssl:443"),
    ("admin", "none"),
    ("default-tls-cert", ""),
    ("plain-http-on-tls-hosts", "Redirect"),
    ("https-redirect-port", "0"),
    ("trace-collector", "collector:4318"),
    ("trace-collector", "http://user:password@c:4318"),
    ("trace-collector", "http://c:65536"),
    ("trace-collector", "http://:4318"),
    ("trace-collector", "http://[::1:4318"),
    ("trace-sample", "1.1"),
    ("hsts", "on"),
    ("hsts", "max-age"),
    ("hsts", "max-age=1;"),
    ("hsts", "max-age=1; other"),
    ("hsts", "max-age=1; includeSubDomains; includeSubDomains"),
    ("hsts", "max-age=31536000; preload"),
    ("hsts", "max-age=1; includeSubDomains; preload"),
    ("hsts", "max-age=1\r\nX: y"),
    ("https-redirect-port", "65536"),
    ("trusted-proxies", "everybody"),
    ("proxy-protocol", "yes"),
    ("max-connections", "-1"),
    ("access-log", ""),
    ("access-log-format", "xml"),
    ("access-log-format", "$nobody"),
    ("access-log-sample", "1.5"),
    ("access-log-sample", "-1"),
    ("access-log-sample", "nan"),
    ("access-log-redact", "cookie"),
    ("log-format", "xml"),
    ("max-connections-per-client", "00"),
    ("header-timeout", "0"),
    ("header-timeout", "-1"),
    ("watch-namespace-selector", "a b"),
    ("events", "yes"),
    ("header-timeout", "1m"),
    ("header-timeout", "nan"),
    ("header-timeout", "604801"),
    ("drain-delay", "1e3"),
    ("request-line-limit", "1023"),
    ("head-limit", "2m"),
    ("head-fields-limit", "0"),
    ("body-limit", "-1"),
    ("body-limit", "1t"),
    ("workers", "257"),
    ("workers", "-1"),
    ("log-level", "verbose"),
)


def refusal(*arguments: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse_settings(arguments)
    return str(caught.value)


def test_there_is_a_field_for_each_option_and_no_other() -> None:
    assert [field.name for field in attrs.fields(Settings)] == [each.key for each in OPTIONS]


def test_a_cluster_is_described_by_three_options() -> None:
    read = parse_settings(
        ["--kubeconfig=c", "--context=x", "--watch-namespace=a", "--watch-namespace=b-1"]
    )

    assert (read.kubeconfig, read.context, read.watch_namespace) == ("c", "x", ("a", "b-1"))


def test_namespaces_are_named_or_selected() -> None:
    said = refusal("--watch-namespace=a", "--watch-namespace-selector=team=web")
    assert "give one of them" in said
    assert "cannot read 'team web'" in refusal("--watch-namespace-selector=team web")
    assert "--manifests" in refusal("--manifests=x", "--watch-namespace-selector=team=web")


def test_the_defaults_are_those_of_the_design() -> None:
    read = parse_settings(SOURCE)

    assert read.http == (ListenAddress("tcp", port=8000),)
    assert read.https == ()
    assert read.admin == ListenAddress("tcp", host="127.0.0.1", port=10254)
    assert (read.header_timeout, read.body_timeout, read.idle_timeout) == (15, 60, 75)
    assert (read.connect_timeout, read.upstream_timeout, read.tunnel_timeout) == (5, 60, 3600)
    assert (read.drain_delay, read.drain_timeout) == (0, 30)
    assert (read.ingress_class, read.controller_name) == ("pipy", "flomesh.io/ingress-pipy")
    assert read.trusted_proxies == ()
    assert read.plain_http_on_tls_hosts is PlainHttp.REDIRECT


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_writing_a_default_down_changes_nothing(option: Option) -> None:
    written = () if option.default is None else (f"--{option.name}", option.default)

    assert parse_settings((*SOURCE, *written)) == parse_settings(SOURCE)


@pytest.mark.parametrize(("name", "text", "value"), READ)
def test_a_value_is_read_behind_a_space_and_behind_an_equals_sign(
    name: str, text: str, value: object
) -> None:
    for written in ((f"--{name}", text), (f"--{name}={text}",)):
        read = parse_settings((*SOURCE, *written))
        assert getattr(read, BY_NAME[name].key) == value


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_a_refusal_names_the_option_the_value_and_what_is_accepted(name: str, text: str) -> None:
    said = refusal(*SOURCE, f"--{name}={text}")

    assert said.startswith(f"--{name}: {text!r} is not accepted")
    assert said.endswith(f"accepted: {BY_NAME[name].accepted}")
    assert "\n" not in said


def test_a_refusal_says_what_is_wrong_inside_of_an_address() -> None:
    said = refusal(*SOURCE, "--http", "tcp:80:backlog=0")

    assert "(backlog='0' is no number between 1 and 65535)" in said


SWITCHES = [option for option in OPTIONS if option.is_switch]
VALUED = [option for option in OPTIONS if not option.is_switch]


@pytest.mark.parametrize("option", VALUED, ids=lambda option: option.name)
def test_an_option_without_a_value_says_what_is_accepted(option: Option) -> None:
    said = refusal(*SOURCE, f"--{option.name}")

    assert said == f"--{option.name} needs a value; accepted: {option.accepted}"


@pytest.mark.parametrize("option", SWITCHES, ids=lambda option: option.name)
def test_a_switch_alone_is_on(option: Option) -> None:
    others = ("--https", "tcp:1", "--trusted-proxies", "127.0.0.1", "--publish-service", "a/b")
    source = ("--kubeconfig", "k")

    alone = parse_settings([*source, *others, f"--{option.name}"])
    assert getattr(alone, option.key) is True
    assert parse_settings([*source, f"--{option.name}", *others]) == alone
    off = parse_settings([*source, *others, f"--{option.name}", "off"])
    assert getattr(off, option.key) is False


def test_what_follows_a_switch_is_its_value_or_an_option() -> None:
    assert refusal(*SOURCE, "--h2c", "yes") == ("--h2c: 'yes' is not accepted; accepted: on, off")


@pytest.mark.parametrize(
    ("argument", "proposal"),
    [
        ("--htps", "--https"),
        ("--drain-timout=3", "--drain-timeout"),
        ("--manifest", "--manifests"),
        ("-http", "--http"),
    ],
)
def test_a_misspelt_option_gets_a_proposal(argument: str, proposal: str) -> None:
    said = refusal(*SOURCE, argument)

    assert said == f"unknown option {argument.split('=', maxsplit=1)[0]}; did you mean {proposal}?"


def test_an_option_like_no_other_gets_no_proposal() -> None:
    assert refusal(*SOURCE, "--zzz") == "unknown option --zzz; --help lists the options"


def test_a_bare_word_is_no_option() -> None:
    assert refusal(*SOURCE, "manifests") == "'manifests' is no option; --help lists them"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_only_repeatable_options_collect(option: Option) -> None:
    texts = {name: text for name, text, _ in (*READ, *IN_A_CLUSTER)}
    text = texts.get(option.name) or option.default or "file"
    pair = (f"--{option.name}", text)
    needs = ("--default-tls-cert", "c", "--default-tls-key", "k")

    twice = getattr(parse_settings((*needs, *pair, *pair)), option.key)
    once = getattr(parse_settings((*needs, *pair)), option.key)

    assert twice == ((*once, once[-1]) if option.repeatable else once)


def test_of_an_option_that_is_not_repeatable_the_last_one_holds() -> None:
    read = parse_settings((*SOURCE, "--drain-delay", "1", "--drain-delay", "2"))

    assert read.drain_delay == 2


def test_given_listeners_take_the_place_of_the_default_one() -> None:
    read = parse_settings((*SOURCE, "--http", "tcp:1", "--http", "tcp:2"))

    assert [each.port for each in read.http] == [1, 2]


def test_http_none_needs_https() -> None:
    assert "nothing to listen on" in refusal(*SOURCE, "--http", "none")
    assert parse_settings((*SOURCE, "--http", "none", "--https", "tcp:443")).http == ()


@pytest.mark.parametrize("name", ["kubeconfig", "context", "watch-namespace"])
def test_files_and_a_cluster_exclude_each_other(name: str) -> None:
    said = refusal(*SOURCE, f"--{name}", "a")

    assert "--manifests" in said
    assert f"--{name}" in said


@pytest.mark.parametrize(("name", "text", "value"), IN_A_CLUSTER)
def test_options_of_a_cluster_are_read(name: str, text: str, value: Any) -> None:
    settings = parse_settings((f"--{name}", text))

    assert getattr(settings, BY_NAME[name].key) == value


@pytest.mark.parametrize("text", ["web", "/web", "fsm/", "fsm/a/b", "Fsm/web"])
def test_a_service_is_named_with_its_namespace(text: str) -> None:
    assert "NAMESPACE/NAME" in refusal("--publish-service", text)


def test_an_address_comes_from_one_place_and_goes_to_a_cluster() -> None:
    service, address = ("--publish-service", "a/b"), ("--publish-status-address", "192.0.2.1")

    assert "give one of them" in refusal(*service, *address)
    assert "no status" in refusal(*SOURCE, *address)
    assert "no status" in refusal(*SOURCE, *service)
    assert "--publish-service" in refusal("--service-lb", "on")
    assert parse_settings((*service, "--service-lb", "on")).service_lb


@pytest.mark.parametrize("name", ["default-tls-cert", "default-tls-key"])
def test_certificate_and_key_go_together(name: str) -> None:
    said = refusal(*SOURCE, f"--{name}", "file")

    assert "--default-tls-cert" in said
    assert "--default-tls-key" in said


def test_a_request_line_cannot_be_longer_than_the_head_it_stands_in() -> None:
    said = refusal(*SOURCE, "--request-line-limit", "64k")

    assert "--request-line-limit" in said
    assert "--head-limit" in said


WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from([f"--{each.name}" for each in OPTIONS]),
    st.builds("--{}={}".format, st.sampled_from(sorted(BY_NAME)), st.text(max_size=8)),
    st.builds("--{}".format, st.text(max_size=8)),
    st.sampled_from([text for _, text, _ in READ]),
)


@settings(max_examples=300)
@given(arguments=st.lists(WORDS, max_size=6))
def test_any_command_line_gives_settings_or_one_line(arguments: list[str]) -> None:
    said = ""
    try:
        read = parse_settings(arguments)
        assert read.http or read.https
    except SettingsError as error:
        said = str(error)

    assert len(said.splitlines()) <= 1


def test_a_proxy_header_needs_somebody_to_believe() -> None:
    said = refusal(*SOURCE, "--proxy-protocol", "on")

    assert "--proxy-protocol on" in said
    assert "--trusted-proxies" in said


def test_the_peers_of_a_unix_socket_cannot_be_trusted_with_a_proxy_header() -> None:
    given = ("--trusted-proxies", "10.0.0.0/8", "--proxy-protocol", "on")

    assert "unix:" in refusal(*SOURCE, *given, "--https", "unix:/run/fsm.sock")
    assert parse_settings((*SOURCE, *given)).proxy_protocol is True


def test_passthrough_needs_a_listener_for_tls() -> None:
    assert refusal(*SOURCE, "--ssl-passthrough", "on").endswith("add --https")
    given = (*SOURCE, "--ssl-passthrough", "on", "--https", "tcp:443")
    assert parse_settings(given).ssl_passthrough
