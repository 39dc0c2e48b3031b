"""The article's lines, and the ways in which they go wrong, worded as kubectl words them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fsm_twisted.demo.kubectl import main

EXAMPLES = Path(__file__).parents[2] / "examples"
CERTIFICATE = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


class Kubectl:
    """Runs commands on one folder and gives back what they print."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, line: str) -> str:
        status, out, err = self.status_of(line)
        assert (status, err) == (0, "")
        return out

    def refused(self, line: str) -> str:
        status, out, err = self.status_of(line)
        assert (status, out) == (1, "")
        return err

    def status_of(self, line: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        status = main(line.split(), self.folder)
        return status, *self._capsys.readouterr()


@pytest.fixture
def kubectl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Kubectl:
    folder = tmp_path / "manifests"
    folder.mkdir()
    return Kubectl(folder, capsys)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    files = ["-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=example.com"]
    subprocess.run([*CERTIFICATE, *files], cwd=folder, check=True, capture_output=True)
    return folder


def stored(kubectl: Kubectl, name: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((kubectl.folder / name).read_text())
    return found


def test_a_namespace_is_created_once(kubectl: Kubectl) -> None:
    assert kubectl("create namespace httpbin") == "namespace/httpbin created\n"
    assert kubectl.refused("create namespace httpbin") == (
        'Error from server (AlreadyExists): namespaces "httpbin" already exists\n'
    )


def test_the_default_namespace_is_there_from_the_beginning(kubectl: Kubectl) -> None:
    assert "already exists" in kubectl.refused("create namespace default")


def test_the_articles_application_is_applied(kubectl: Kubectl) -> None:
    kubectl("create namespace httpbin")

    assert kubectl(f"apply -n httpbin -f {EXAMPLES}/httpbin.yaml") == (
        "serviceaccount/httpbin created\n"
        "service/httpbin created\n"
        "deployment.apps/httpbin created\n"
    )


def test_applying_tells_created_unchanged_and_configured_apart(kubectl: Kubectl) -> None:
    ingress = "ingress.networking.k8s.io/httpbin"
    kubectl("create namespace httpbin")

    assert kubectl(f"apply -n httpbin -f {EXAMPLES}/ingress-http.yaml") == f"{ingress} created\n"
    assert kubectl(f"apply -n httpbin -f {EXAMPLES}/ingress-http.yaml") == f"{ingress} unchanged\n"
    assert (
        kubectl(f"apply -n httpbin -f {EXAMPLES}/ingress-https.yaml") == f"{ingress} configured\n"
    )


def test_an_object_keeps_its_birth_and_loses_what_is_not_applied_again(kubectl: Kubectl) -> None:
    kubectl("create namespace httpbin")
    kubectl(f"apply -n httpbin -f {EXAMPLES}/ingress-rewrite.yaml")
    before = stored(kubectl, "httpbin.ingress.httpbin.yaml")["metadata"]
    kubectl(f"apply -n httpbin -f {EXAMPLES}/ingress-http.yaml")
    after = stored(kubectl, "httpbin.ingress.httpbin.yaml")["metadata"]

    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert "annotations" in before
    assert "annotations" not in after
    assert {k: before[k] for k in ("uid", "creationTimestamp")} == {
        k: after[k] for k in ("uid", "creationTimestamp")
    }


def test_both_versions_of_the_two_replica_application_are_one_and_the_same(
    kubectl: Kubectl,
) -> None:
    kubectl("create namespace httpbin")
    kubectl(f"apply -n httpbin -f {EXAMPLES}/balancing-httpbin.yaml")

    again = kubectl(f"apply -n httpbin -f {EXAMPLES}/sticky-httpbin.yaml")
    assert [line.split()[1] for line in again.splitlines()] == ["unchanged"] * 3


def test_an_unknown_namespace_is_refused(kubectl: Kubectl, pair: Path) -> None:
    applied = kubectl.refused(f"apply -n nope -f {EXAMPLES}/ingress-http.yaml")
    secret = f"--cert={pair}/cert.pem --key={pair}/key.pem"

    assert applied == (
        f'Error from server (NotFound): error when creating "{EXAMPLES}/ingress-http.yaml": '
        'namespaces "nope" not found\n'
    )
    assert kubectl.refused(f"create secret tls a -n nope {secret}") == (
        'error: failed to create secret namespaces "nope" not found\n'
    )


def test_one_wrong_document_does_not_keep_the_others_out(kubectl: Kubectl, tmp_path: Path) -> None:
    manifest = tmp_path / "mixed.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: Job\nmetadata: {name: a}\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: b}\n"
    )

    status, out, err = kubectl.status_of(f"apply -f {manifest}")
    assert (status, out) == (1, "service/b created\n")
    assert 'no matches for kind "Job"' in err


def test_a_namespace_that_the_manifest_contradicts_is_refused(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    manifest = tmp_path / "a.yaml"
    manifest.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: c}\n")

    assert 'does not match the namespace "default"' in kubectl.refused(
        f"apply -n default -f {manifest}"
    )


@pytest.mark.parametrize("content", ["a: [", "", "- 1", "kind: Service", "\x00"])
def test_what_is_no_manifest_is_refused_in_a_line(
    kubectl: Kubectl, tmp_path: Path, content: str
) -> None:
    manifest = tmp_path / "a.yaml"
    manifest.write_text(content)

    refusal = kubectl.refused(f"apply -f {manifest}")
    assert refusal.startswith("error: ")
    assert refusal.count("\n") == 1


def test_a_name_cannot_lead_out_of_the_folder(kubectl: Kubectl, tmp_path: Path) -> None:
    assert "is invalid" in kubectl.refused("create namespace ../evil")
    assert [path.name for path in tmp_path.iterdir()] == ["manifests"]


def test_secrets_hold_the_files_and_are_for_their_owner_only(kubectl: Kubectl, pair: Path) -> None:
    made = kubectl(f"create secret generic -n default server-cert --from-file={pair}/cert.pem")
    file = kubectl.folder / "default.secret.server-cert.yaml"

    assert made == "secret/server-cert created\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert stored(kubectl, file.name)["data"].keys() == {"cert.pem"}  # type: ignore[attr-defined]


def test_a_tls_secret_has_the_two_keys_and_the_type_that_ingresses_want(
    kubectl: Kubectl, pair: Path
) -> None:
    kubectl(f"create secret tls a --cert={pair}/cert.pem --key={pair}/key.pem -n default")
    secret = stored(kubectl, "default.secret.a.yaml")

    assert secret["type"] == "kubernetes.io/tls"
    assert secret["data"].keys() == {"tls.crt", "tls.key"}  # type: ignore[attr-defined]


def test_a_key_that_is_none_is_refused(kubectl: Kubectl, pair: Path) -> None:
    refusal = kubectl.refused(f"create secret tls a --cert={pair}/cert.pem --key={pair}/cert.pem")

    assert refusal.startswith("error: tls: ")


def test_a_missing_file_is_named(kubectl: Kubectl) -> None:
    refusal = kubectl.refused("create secret generic a --from-file=./none.pem")

    assert refusal == "error: cannot read ./none.pem: No such file or directory\n"


def test_get_shows_what_was_applied(kubectl: Kubectl) -> None:
    kubectl(f"apply -f {EXAMPLES}/controller.yaml")
    kubectl("create namespace httpbin")
    kubectl(f"apply -n httpbin -f {EXAMPLES}/ingress-https.yaml")

    classes, ingresses = kubectl("get ingressclass"), kubectl("get ing -n httpbin httpbin")
    assert [line.split()[:3] for line in classes.splitlines()] == [
        ["NAME", "CONTROLLER", "PARAMETERS"],
        ["pipy", "flomesh.io/ingress-pipy", "<none>"],
    ]
    assert ingresses.splitlines()[1].split()[:5] == [
        "httpbin",
        "pipy",
        "example.com",
        "80,",
        "443",
    ]


def test_get_chooses_by_label_and_namespace(kubectl: Kubectl) -> None:
    kubectl(f"apply -f {EXAMPLES}/controller.yaml")
    label = "app.kubernetes.io/component"

    assert "fsm-ingress-pipy-controller" in kubectl(f"get svc -n fsm -l {label}=controller")
    assert kubectl.status_of(f"get svc -n fsm -l {label}=other") == (
        0,
        "",
        "No resources found in fsm namespace.\n",
    )
    assert "fsm-ingress-pipy-controller" in kubectl("get svc --all-namespaces")


def test_what_get_prints_as_yaml_can_be_applied(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl(f"apply -f {EXAMPLES}/controller.yaml")
    (tmp_path / "again.yaml").write_text(kubectl("get svc,ingressclass -n fsm -o yaml"))

    again = kubectl(f"apply -n fsm -f {tmp_path}/again.yaml")
    assert [line.split()[1] for line in again.splitlines()] == ["unchanged", "unchanged"]


def test_deleting_a_namespace_takes_its_objects_along(kubectl: Kubectl) -> None:
    kubectl("create namespace httpbin")
    kubectl("create namespace other")
    for namespace in ("httpbin", "other"):
        kubectl(f"apply -n {namespace} -f {EXAMPLES}/ingress-http.yaml")

    assert kubectl("delete namespace httpbin") == 'namespace "httpbin" deleted\n'
    left = kubectl("get ing,ns -A -o name")
    assert left == "ingress.networking.k8s.io/httpbin\nnamespace/other\n"


def test_deleting_what_is_not_there_is_refused(kubectl: Kubectl) -> None:
    assert kubectl.refused("delete ingress a") == (
        'Error from server (NotFound): ingresses.networking.k8s.io "a" not found\n'
    )


def test_a_file_of_the_users_own_is_not_rewritten(kubectl: Kubectl) -> None:
    own = kubectl.folder / "mine.yaml"
    own.write_text((EXAMPLES / "ingress-http.yaml").read_text())

    for line in ("delete ingress httpbin", f"apply -f {EXAMPLES}/ingress-https.yaml"):
        assert f"stands in {own}; edit it there" in kubectl.refused(line)
    assert own.read_text() == (EXAMPLES / "ingress-http.yaml").read_text()


@pytest.mark.parametrize("line", ["", "logs pod", "get pods", "create job a", "apply", "get"])
def test_what_it_cannot_do_it_says_with_what_it_can(kubectl: Kubectl, line: str) -> None:
    refusal = kubectl.refused(line)

    assert refusal.startswith("error: ")
    assert "works on a folder of manifests" in refusal


def test_the_namespace_may_stand_anywhere(kubectl: Kubectl) -> None:
    kubectl("create namespace httpbin")
    kubectl(f"-n httpbin apply -f {EXAMPLES}/ingress-http.yaml")
    lines = (
        "get -n httpbin ing httpbin -o name",
        "get ing -o name --namespace=httpbin httpbin",
        "-n httpbin get ing -o name httpbin",
    )

    assert {kubectl(line) for line in lines} == {"ingress.networking.k8s.io/httpbin\n"}


def test_a_missing_folder_is_named_with_the_way_to_get_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["get", "svc"], tmp_path / "none") == 1
    assert "make demo" in capsys.readouterr().err


def test_the_command_itself_reads_a_manifest_from_its_input(kubectl: Kubectl) -> None:
    done = subprocess.run(
        [EXAMPLES / "kubectl", "apply", "-f", "-"],
        input=(EXAMPLES / "ingress-http.yaml").read_bytes(),
        env={
            "FSM_MANIFESTS": str(kubectl.folder),
            "FSM_PYTHON": sys.executable,
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        check=True,
    )

    assert done.stdout == b"ingress.networking.k8s.io/httpbin created\n"
