"""Versions and ciphers: what the operator says is what clients get, and nonsense is an error."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from fsm_twisted.net.tls import make_context
from fsm_twisted.net.tls_parameters import (
    CIPHERS,
    TlsParameters,
    TlsVersion,
    read_ciphers,
    read_suites,
)
from tests.net.handshakes import connected
from tests.net.test_certificates import named


def context(parameters: TlsParameters) -> SSL.Context:
    return make_context(named("a.example"), parameters=parameters)


def cipher(parameters: TlsParameters, version: int = SSL.TLS1_2_VERSION) -> str | None:
    with connected(context(parameters), version=version) as client:
        return client.tls.get_cipher_name()


def test_our_own_list_is_one_that_is_accepted() -> None:
    assert read_ciphers(CIPHERS) == CIPHERS


def test_the_cipher_is_one_of_those_that_are_named() -> None:
    wanted = "ECDHE-ECDSA-AES128-GCM-SHA256"

    assert cipher(TlsParameters(ciphers=read_ciphers(wanted))) == wanted


def test_the_suite_is_one_of_those_that_are_named() -> None:
    suites = read_suites("TLS_CHACHA20_POLY1305_SHA256")

    assert cipher(TlsParameters(suites=suites), SSL.TLS1_3_VERSION) == suites


def test_an_older_version_than_the_oldest_is_refused() -> None:
    parameters = TlsParameters(TlsVersion.TLS_1_3)

    assert cipher(parameters, SSL.TLS1_3_VERSION) is not None
    with pytest.raises(SSL.Error):
        cipher(parameters, SSL.TLS1_2_VERSION)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ECDHE+AESGCM:NOSUCH", "NOSUCH"),
        ("!aNULL", "no cipher"),
        ("eNULL", "does not protect"),
        ("ALL:@SECLEVEL=0", "':'"),
    ],
)
def test_what_is_wrong_with_a_list_is_named(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        read_ciphers(text)
