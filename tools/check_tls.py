"""
Scan the running program with sslyze and testssl.sh, as docs/security.md shows it.

Run ``python tools/check_tls.py``. It starts the program on free ports, once for a host that asks
for no client certificate and once for one that may have one, and ends with 1 when a scanner finds
something. sslyze (PyPI) is best in an environment of its own, since it wants another version of
cryptography: ``--sslyze /path/to/sslyze``. testssl.sh is a package of Debian. A scanner that is
not there is said to be missing, and left out.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST: Final = "localhost"
_USAGES: Final = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
AUTHORITY: Final = ".ca.pem"  # begins with a dot, so it is no manifest
LIFE: Final = timedelta(days=90)
START_SECONDS: Final = 30
SCAN_SECONDS: Final = 540
# What testssl.sh says of a thing that is as it should be, or of itself.
CALM: Final = frozenset({"OK", "INFO"})


def make_certificates() -> dict[str, bytes]:
    """Return an authority and its certificate for `HOST`, as the data of a Secret."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    authority, name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in ("scanned", HOST)
    )
    now = datetime.now(UTC)
    issuer = x509.SubjectKeyIdentifier.from_public_key(keys[0].public_key())
    usage = dict.fromkeys(_USAGES, False)
    of_authority: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.KeyUsage(**{**usage, "key_cert_sign": True}), True),
        (issuer, False),
    ]
    of_server: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName([x509.DNSName(HOST)]), False),
        (x509.KeyUsage(**{**usage, "digital_signature": True}), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), False),
    ]
    made: list[bytes] = []
    for subject, key, extensions in (
        (authority, keys[0], of_authority),
        (name, keys[1], of_server),
    ):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + LIFE)
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(Encoding.PEM))
    pem = keys[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"ca.crt": made[0], "tls.crt": made[1], "tls.key": pem}


def write_manifests(folder: Path, *, verified: bool) -> None:
    """Write an Ingress for `HOST` whose Service has no endpoint: handshakes are what counts."""
    data = make_certificates()
    (folder / AUTHORITY).write_bytes(data["ca.crt"])
    annotation = "pipy.ingress.kubernetes.io/tls-verify-client"
    items: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "tls"},
            "type": "kubernetes.io/tls",
            "data": {name: base64.b64encode(each).decode() for name, each in data.items()},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": "scanned",
                "annotations": {annotation: "optional" if verified else "off"},
            },
            "spec": {
                "ingressClassName": "pipy",
                "tls": [{"hosts": [HOST], "secretName": "tls"}],
                "rules": [{"host": HOST}],
            },
        },
    ]
    document = {"apiVersion": "v1", "kind": "List", "items": items}
    (folder / "scanned.json").write_text(json.dumps(document))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextlib.contextmanager
def running(folder: Path, options: list[str]) -> Iterator[int]:
    """Run the program on *folder*; give the port of HTTPS."""
    https, admin = free_port(), free_port()
    place = "tcp:{}:interface=127.0.0.1"
    command = [
        *(str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile="),
        *("fsm-ingress", "--manifests", str(folder), "--http", "none", "--workers", "1"),
        *("--https", place.format(https), "--admin", place.format(admin), *options),
    ]
    log = folder / ".log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_open(https):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the program did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield https
    finally:
        process.terminate()
        process.wait(60)


def is_open(port: int) -> bool:
    """Tell whether somebody listens."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def scan_with_sslyze(sslyze: str, port: int, folder: Path) -> list[str]:
    """Return what differs from Mozilla's intermediate configuration."""
    command = [sslyze, "--mozilla_config=intermediate", "--certinfo"]
    command += [f"--certinfo_ca_file={folder / AUTHORITY}", f"{HOST}:{port}"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SCAN_SECONDS, check=False
    )
    _, _, verdict = done.stdout.partition("COMPLIANCE AGAINST TLS CONFIGURATION")
    lines = [line.strip() for line in verdict.splitlines() if f"{HOST}:{port}" in line]
    if done.returncode == 0 and any("OK - Compliant" in line for line in lines):
        return []
    return [f"sslyze: {verdict.strip() or done.stdout[-2000:] or done.stderr[-2000:]}"]


def scan_with_testssl(testssl: str, port: int, folder: Path) -> list[str]:
    """Return what testssl.sh finds in protocols, ciphers and vulnerabilities."""
    report = folder / f"testssl-{port}.json"
    command = [testssl, "-p", "-E", "-U", "--ip", "127.0.0.1", "--quiet", "--color", "0"]
    command += ["--jsonfile", str(report), f"{HOST}:{port}"]
    subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SCAN_SECONDS,
        check=False,
    )
    if not report.exists():
        return ["testssl.sh: it wrote no report"]
    entries = json.loads(report.read_text())
    print(f"  testssl.sh: {len(entries)} results")
    found = [each for each in entries if each["severity"] not in CALM]
    return [f"testssl.sh: {each['id']}: {each['severity']}: {each['finding']}" for each in found]


def main() -> None:
    """Scan, print what is found, and end with 1 if that is anything."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--sslyze", default=shutil.which("sslyze") or "")
    parser.add_argument("--testssl", default=shutil.which("testssl") or "")
    parser.add_argument("options", nargs="*", help="further options of the program, after --")
    arguments = parser.parse_args()
    for name in ("sslyze", "testssl"):
        if not getattr(arguments, name):
            print(f"{name} is not there: left out")
    found: list[str] = []
    for verified in (False, True):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_manifests(folder, verified=verified)
            with running(folder, arguments.options) as port:
                print(f"client certificates {'optional' if verified else 'off'}, port {port}")
                if arguments.sslyze:
                    found += scan_with_sslyze(arguments.sslyze, port, folder)
                    print(f"  sslyze: {'see below' if found else 'compliant (intermediate)'}")
                if arguments.testssl:
                    found += scan_with_testssl(arguments.testssl, port, folder)
    print("\n".join(found) or "nothing found")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
