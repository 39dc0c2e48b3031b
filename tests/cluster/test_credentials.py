"""Credentials as the kubernetes package reads them, and as its traps are avoided."""
# ruff: noqa: S106, S107  no secrets, though they are called so

from __future__ import annotations

import base64
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.sources.cluster.access import CredentialsError
from fsm_twisted.sources.cluster.credentials import CredentialsReader
from fsm_twisted.sources.cluster.origins import InCluster, Kubeconfig, find_origin
from fsm_twisted.sources.cluster.plugin import Plugins

YES: Any = True
SECRET_TEXT = "s3cret-t0ken"  # noqa: S105 - to be looked for in messages


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Place:
    """A folder with a kubeconfig, a plugin and an account."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_000_000.0
        self.environ = {"PATH": os.environ["PATH"]}
        self.plugins = Plugins(self.environ, limit_seconds=20, now=lambda: self.now)

    def write(self, user: dict[str, Any] | None, name: str = "config", **cluster: object) -> Path:
        path = self.folder / name
        entry = {"server": "https://api.example:6443/", **cluster}
        context = {"cluster": "c", **({} if user is None else {"user": "u"})}
        text = json.dumps(
            {
                "clusters": [{"name": "c", "cluster": entry}],
                "users": [] if user is None else [{"name": "u", "user": user}],
                "contexts": [{"name": "x", "context": context}],
                "current-context": "x",
            }
        )
        path.write_text(text)
        return path

    def reader(self, *files: Path, context: str | None = None) -> CredentialsReader:
        origin = Kubeconfig(files or (self.folder / "config",), context)
        return CredentialsReader(origin, self.environ, self.plugins, now=lambda: self.now)

    def plugin(self, body: str) -> dict[str, Any]:
        """Write a plugin that counts its runs, and return the user entry that names it."""
        script = self.folder / "plugin.py"
        runs = self.folder / "runs"
        script.write_text(f"open({str(runs)!r}, 'a').write('x')\nimport json, os, sys\n{body}\n")
        return {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": sys.executable,
                "args": ["-I", "-S", "plugin.py"],
            }
        }

    @property
    def runs(self) -> int:
        path = self.folder / "runs"
        return len(path.read_text()) if path.exists() else 0

    def account(self, token: str = "first\n") -> InCluster:
        for name, text in (("token", token), ("ca.crt", "authority")):
            (self.folder / name).write_text(text)
        environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
        return InCluster(environ, self.folder / "token", self.folder / "ca.crt")


def answer(**status: object) -> str:
    told = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": status,
    }
    return f"print({json.dumps(told)!r})"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def refusal(read: Callable[[], object]) -> str:
    """Return the text of the refusal, which never holds a secret."""
    with pytest.raises(CredentialsError) as caught:
        read()
    text = str(caught.value)
    assert SECRET_TEXT not in text
    assert "\n" not in text
    return text


# The account of our pod.


def test_the_account_of_our_pod(place: Place) -> None:
    access = CredentialsReader(place.account(), {}).read()

    assert access.base_url == "https://[fd00::1]:443"
    assert access.authorization == b"Bearer first"
    assert access.tls.trust_pem == b"authority"
    assert access.tls.is_verified
    assert access.good_for_seconds <= 60


def test_token_and_authority_are_read_anew_each_time(place: Place) -> None:
    reader = CredentialsReader(place.account(), {})
    reader.read()
    (place.folder / "token").write_text("second\n")
    (place.folder / "ca.crt").write_text("other")
    access = reader.read()

    assert access.authorization == b"Bearer second"
    assert access.tls.trust_pem == b"other"


@pytest.mark.parametrize("name", ["token", "ca.crt"])
@pytest.mark.parametrize("is_there", [True, False])
def test_an_account_without_content_is_refused(place: Place, name: str, *, is_there: bool) -> None:
    reader = CredentialsReader(place.account(), {})
    if is_there:
        (place.folder / name).write_text("")
    else:
        (place.folder / name).unlink()

    assert "the in-cluster account" in refusal(reader.check)


# Kubeconfig files.


def test_a_token_in_the_file(place: Place) -> None:
    place.write({"token": SECRET_TEXT}, **{"certificate-authority-data": b64("ca")})
    access = place.reader().read()

    assert access.base_url == "https://api.example:6443"
    assert access.authorization == f"Bearer {SECRET_TEXT}".encode()
    assert access.tls.trust_pem == b"ca"
    assert SECRET_TEXT not in repr(access)


def test_a_token_file_is_read_anew_and_counts_more_than_a_token(place: Place) -> None:
    (place.folder / "tok").write_text("first\n")
    place.write({"tokenFile": "tok", "token": "constant"})
    reader = place.reader()
    first = reader.read()
    (place.folder / "tok").write_text("second\n")

    assert first.authorization == b"Bearer first"
    assert reader.read().authorization == b"Bearer second"


def test_user_and_password(place: Place) -> None:
    place.write({"username": "me", "password": SECRET_TEXT})

    expected = b"Basic " + base64.b64encode(f"me:{SECRET_TEXT}".encode())
    assert place.reader().read().authorization == expected


def test_a_client_certificate_in_files_and_inline(place: Place) -> None:
    (place.folder / "crt").write_text("certificate")
    place.write({"client-certificate": "crt", "client-key-data": b64(SECRET_TEXT)})
    tls = place.reader().read().tls

    assert (tls.certificate_pem, tls.key_pem) == (b"certificate", SECRET_TEXT.encode())
    assert SECRET_TEXT not in repr(tls)


def test_no_inline_key_stays_in_a_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = place.folder / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    place.write({"client-certificate-data": b64("c"), "client-key-data": b64("k")})
    reader = place.reader()

    assert reader.read() == reader.read()
    assert list(temporary.rglob("*")) == []


def test_server_name_and_verification(place: Place) -> None:
    place.write({"token": "t"}, **{"tls-server-name": "kubernetes.default"})
    assert place.reader().read().tls.server_name == "kubernetes.default"
    place.write({"token": "t"}, **{"insecure-skip-tls-verify": YES})
    assert not place.reader().read().tls.is_verified


def test_files_are_merged_and_a_context_is_chosen(place: Place) -> None:
    one = place.write({"token": "one"}, "one")
    two = place.folder / "two"
    two.write_text(
        json.dumps(
            {
                "users": [{"name": "v", "user": {"token": "two"}}],
                "contexts": [{"name": "y", "context": {"cluster": "c", "user": "v"}}],
            }
        )
    )

    assert place.reader(one, two).read().authorization == b"Bearer one"
    assert place.reader(one, two, context="y").read().authorization == b"Bearer two"


def test_a_context_without_user_asks_without_credentials(place: Place) -> None:
    place.write(None, server="http://127.0.0.1:8001")

    assert place.reader().read().authorization is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty|nothing|no kubeconfig"),
        ("{", "no YAML"),
        ("7", "no kubeconfig"),
        ("users: 7", "no kubeconfig"),
        ("{}", "no current-context"),
        ("current-context: x", "no context x"),
        ("{current-context: x, contexts: [{name: x, context: {}}]}", "context x has no cluster"),
        ("{current-context: x, contexts: [{name: x, context: {cluster: c}}]}", "no cluster c"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_refused(place: Place, text: str, words: str) -> None:
    (place.folder / "config").write_text(text)

    found = refusal(place.reader().check)
    assert re.search(words, found)
    assert str(place.folder / "config") in found


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"auth-provider": {"name": "oidc", "config": {"id-token": SECRET_TEXT}}}, "exec"),
        ({"token": SECRET_TEXT, "as": "admin"}, "impersonation"),
        ({"client-certificate": "gone", "client-key": "gone"}, "client-certificate: there is no"),
        ({"client-certificate-data": b64("c")}, "no token and no certificate with its key"),
        ({"username": SECRET_TEXT}, "no token and no certificate"),
        ({"token": f"{SECRET_TEXT}\nX-Evil: yes"}, "characters that no token has"),
        ({"tokenFile": "gone"}, "gone: No such file"),
        ({"client-certificate-data": f"%{SECRET_TEXT}", "client-key-data": "%"}, "user|used"),
        ({"exec": SECRET_TEXT}, "exec"),
    ],
)
def test_a_user_that_cannot_be_used_is_refused(
    place: Place, user: dict[str, Any], words: str
) -> None:
    place.write(user)

    assert re.search(words, refusal(place.reader().read))


def test_a_user_that_is_not_there_is_refused(place: Place) -> None:
    path = place.write({"token": SECRET_TEXT})
    path.write_text(path.read_text().replace('"name": "u"', '"name": "someone"'))

    assert "no user u" in refusal(place.reader().check)


@pytest.mark.parametrize("server", ["ftp://x", "api.example", ""])
def test_a_server_that_is_no_url_is_refused(place: Place, server: str) -> None:
    place.write({"token": SECRET_TEXT}, server=server)

    refusal(place.reader().read)


def test_a_proxy_is_used_unless_no_proxy_exempts_the_server(place: Place) -> None:
    place.write({"token": "t"}, **{"proxy-url": f"http://me:{SECRET_TEXT}@proxy:3128"})
    access = place.reader().read()
    assert str(access.proxy) == "the proxy proxy:3128"
    assert SECRET_TEXT not in repr(access)

    place.environ["NO_PROXY"] = ".example"
    assert place.reader().read().proxy is None


def test_a_proxy_of_the_environment_is_used(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET_TEXT}@proxy:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    place.write({"token": "t"})

    assert str(place.reader().read().proxy) == "the proxy proxy:3128"


@pytest.mark.parametrize(
    ("url", "said"),
    [("socks5://me:{}@proxy", "SOCKS"), ("ftp://me:{}@proxy", "such"), ("http://:{}@", "URL")],
)
def test_a_proxy_that_cannot_be_used_is_refused_and_not_named(
    place: Place, url: str, said: str
) -> None:
    place.write({"token": "t"}, **{"proxy-url": url.format(SECRET_TEXT)})
    words = refusal(place.reader().read)

    assert said in words
    assert "NO_PROXY" in words


# Credential plugins.


def test_a_plugin_is_run_once_until_shortly_before_its_token_ends(place: Place) -> None:
    place.write(place.plugin(answer(token="t", expirationTimestamp="1970-01-12T13:51:40Z")))
    reader = place.reader()
    assert reader.read().authorization == b"Bearer t"
    place.now += 239
    access = reader.read()
    assert place.runs == 1
    assert access.good_for_seconds == 1
    assert access.expires == 1_000_300

    place.now += 2
    reader.read()
    assert place.runs == 2


def test_a_plugin_whose_token_has_no_end_is_run_again_when_it_was_refused(place: Place) -> None:
    place.write(place.plugin(answer(token="t")))
    reader = place.reader()
    for _ in range(3):
        place.now += 100_000
        reader.read()
    assert place.runs == 1

    reader.forget()
    reader.read()
    assert place.runs == 2


def test_a_plugin_may_give_a_certificate_that_ends(place: Place) -> None:
    place.write(
        place.plugin(
            answer(
                clientCertificateData="certificate",
                clientKeyData="key",
                expirationTimestamp="1970-01-12T13:51:40+00:00",
            )
        )
    )
    access = place.reader().read()

    assert (access.tls.certificate_pem, access.tls.key_pem) == (b"certificate", b"key")
    assert access.authorization is None
    assert access.expires == 1_000_300


def test_a_plugin_gets_its_environment_and_the_cluster_and_no_input(place: Place) -> None:
    user = place.plugin(
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec']\n"
        "assert sys.stdin.read() == ''\n"
        "token = [os.environ['ONE'], info['cluster']['server'], info['cluster']['config']['a']]\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1',"
        " 'kind': 'ExecCredential', 'status': {'token': '|'.join(token)}}))"
    )
    user["exec"] |= {"env": [{"name": "ONE", "value": "1"}], "provideClusterInfo": True}
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"a": "b"}}
    place.write(user, extensions=[extension])

    assert place.reader().read().authorization == b"Bearer 1|https://api.example:6443/|b"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit('log in first')", "failed (1): log in first"),
        (f"print({SECRET_TEXT!r})", "no JSON"),
        ("print('{}')", "no ExecCredential"),
        ("os.write(1, b'\\xff')", "no text"),
        (answer(), "neither a token nor a certificate"),
        (answer(clientCertificateData="c"), "neither a token nor a certificate"),
        (answer(token="t").replace("io/v1", "io/v1beta1"), "another version"),
        (answer(token="t", expirationTimestamp="soon"), "expirationTimestamp is no time"),
        (answer(token="t", expirationTimestamp="1970-01-02T00:00:00Z"), "has ended already"),
    ],
)
def test_a_plugin_that_fails_is_an_error_and_never_no_credentials(
    place: Place, body: str, words: str
) -> None:
    place.write(place.plugin(body))

    assert words in refusal(place.reader().read)


def test_a_plugin_that_hangs_is_ended_with_all_that_it_started(place: Place) -> None:
    place.plugins = Plugins(place.environ, limit_seconds=0.5)
    place.write(
        place.plugin(
            "import subprocess\n"
            "subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
        )
    )

    assert "gave no answer within 0.5 s" in refusal(place.reader().read)


def test_a_plugin_that_is_not_there_is_named_with_its_hint(place: Place) -> None:
    user = place.plugin("")
    user["exec"] |= {"command": "./no-such-plugin", "installHint": "get it from example.com"}
    place.write(user)

    text = refusal(place.reader().read)
    assert "./no-such-plugin: No such file" in text
    assert "get it from example.com" in text


def test_no_plugin_is_run_by_a_check_or_after_the_end(place: Place) -> None:
    place.write(place.plugin(answer(token="t")))
    reader = place.reader()
    reader.check()
    reader.stop()

    assert "we are stopping" in refusal(reader.read)
    assert place.runs == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"command": ""}, "command is missing"),
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "apiVersion"),
        ({"interactiveMode": "Always"}, "a person at a terminal"),
        ({"args": "x"}, "must be lists"),
        ({"env": [{"name": "A"}]}, "env must be"),
    ],
)
def test_an_exec_entry_that_cannot_be_used_is_refused(
    place: Place, change: dict[str, Any], words: str
) -> None:
    user = place.plugin("")
    user["exec"] |= change
    place.write(user)

    assert words in refusal(place.reader().read)


# Which of the four places.


def test_the_order_of_places(place: Place) -> None:
    config = place.write({"token": "t"})
    place.account()
    home = place.folder / "home"
    (home / ".kube").mkdir(parents=True)
    usual = home / ".kube" / "config"
    environ = {"HOME": str(home)}

    def found(kubeconfig: str | None = None, context: str | None = None) -> object:
        return find_origin(kubeconfig, context, environ=environ, account_folder=place.folder)

    assert "no such file" in refusal(found)
    usual.touch()
    assert found() == Kubeconfig((usual,))
    environ["KUBECONFIG"] = f"/no/such:{config}"
    assert found(context="x") == Kubeconfig((config,), "x")
    environ["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"
    assert isinstance(found(), InCluster)
    assert found(context="x") == Kubeconfig((config,), "x")
    assert found(str(config)) == Kubeconfig((config,))
    assert "--kubeconfig: there is no file /no/such" in refusal(lambda: found("/no/such"))


def test_without_any_place_all_are_listed(place: Place) -> None:
    environ = {"HOME": str(place.folder), "KUBECONFIG": "/no/such"}
    text = refusal(
        lambda: find_origin(None, None, environ=environ, account_folder=place.folder / "none")
    )

    for word in ("--kubeconfig", "in-cluster", "$KUBECONFIG", "/no/such", ".kube/config"):
        assert word in text


words = st.sampled_from(["x", "u", "c", "https://a", "token", "%", "", "/"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


@given(st.data())
def test_any_file_gives_credentials_or_a_refusal_without_a_secret(data: st.DataObject) -> None:
    user = {"token": SECRET_TEXT, "tokenFile": "t", "client-certificate-data": b64("c"), "exec": 1}
    cluster = {"server": "https://a", "proxy-url": "p", "extensions": [{"name": "n"}]}
    config: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = config
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            if not place[key] or not isinstance(place[key], (dict, list)) or data.draw(unlikely):
                place[key] = data.draw(anything)
                break
            place = place[key]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_text(json.dumps(config))
        reader = CredentialsReader(Kubeconfig((path,)), {})
        said = ""
        try:
            reader.read()
        except CredentialsError as error:
            said = str(error)
        assert SECRET_TEXT not in said


unlikely = st.integers(0, 9).map(lambda number: number == 0)
