"""
Run the steps of docker/Dockerfile without an engine, and the program as the image would.

Every stage begins as a fresh Debian (debootstrap); ARG, ENV, WORKDIR, COPY and RUN do there what
they do in an image. Then the ENTRYPOINT runs as the USER on a read-only root, without a network
but loopback, until the HEALTHCHECK is content; it serves a request and ends by the STOPSIGNAL.

    python3 tools/check_image.py        needs root, debootstrap and iproute2; takes two minutes
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "docker" / "Dockerfile"
# What an installation may need of this machine to reach its registries.
OF_THE_HOST = ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
RUN = r"""
set -eu
root=$1 user=$2 signal=$3 health=$4
shift 4
ip link set lo up
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs none "$root/tmp"
mount -o remount,bind,ro "$root"
enter="chroot --userspec=$user $root env --ignore-environment --chdir=/tmp $environment"
inside() { $enter "$@"; }
if inside touch /opt/fsm/written 2>/dev/null || inside touch /written 2>/dev/null; then
  echo "the root can be written to" >&2; exit 1
fi
inside python -c 'import fsm_twisted.sources.cluster.credentials'
$enter "$@" &
program=$!
for attempt in $(seq 100); do
  if eval "inside $health" 2>/dev/null; then break; fi
  kill -0 $program; sleep 0.2
done
eval "inside $health"
echo "healthy"
inside python -c '
import http.client
c = http.client.HTTPConnection("127.0.0.1", 8000, timeout=5)
c.request("GET", "/", headers={"Host": "nobody.example"})
answer = c.getresponse()
assert (answer.status, answer.read().strip()) == (404, b"Service Not Found"), answer.status
'
echo "serves"
kill -s "$signal" $program
wait $program
echo "ended with 0"
"""


@dataclass
class Stage:
    """One image in the making."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    settings: dict[str, str] = field(default_factory=dict)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Return the instructions of a Dockerfile, lines that go on joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    for line in filter(str.strip, joined.splitlines()):
        name, _, rest = line.strip().partition(" ")
        yield name, rest.strip()


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Put values in for ``$NAME`` and ``${NAME}``."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: values.get(match[1], match[0]), text)


class Builder:
    """Obeys instructions; stages lie in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stages: dict[str, Stage] = {}
        self._bases: dict[str, Path] = {}
        self.stage = Stage(folder)

    def build(self) -> Stage:
        """Return the last stage."""
        for name, rest in instructions(DOCKERFILE.read_text()):
            print(f"{name} {rest}", flush=True)
            step = getattr(self, f"_{name.lower()}", None)
            if step is None:
                self.stage.settings[name] = rest
            else:
                step(rest)
        return self.stage

    def _from(self, rest: str) -> None:
        image, *name = re.split(r"\s+AS\s+", rest)
        if image not in self._bases:
            suite = re.fullmatch(r"debian:(\w+)-slim", image)
            if suite is None:
                raise SystemExit(f"{image}: only debian:SUITE-slim can be made here")
            base = self._folder / "base"
            command = ("debootstrap", "--variant=minbase", suite[1], str(base))
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            # As in the image: packages are not kept.
            clean = 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };\n'
            (base / "etc/apt/apt.conf.d/docker-clean").write_text(clean)
            self._bases[image] = base
        root = self._folder / f"stage-{len(self._stages)}"
        subprocess.run(("cp", "-a", str(self._bases[image]), str(root)), check=True)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.stage = Stage(root, {"PATH": path})
        self._stages[name[0] if name else ""] = self.stage

    def _arg(self, rest: str) -> None:
        name, _, value = rest.partition("=")
        self.stage.environment[name] = value

    def _env(self, rest: str) -> None:
        for each in shlex.split(rest):
            name, _, value = each.partition("=")
            self.stage.environment[name] = expanded(value, self.stage.environment)

    def _workdir(self, rest: str) -> None:
        self.stage.folder = rest
        self._inside(rest).mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        *sources, target = rest.split()
        origin = ROOT
        ignored = shutil.ignore_patterns("__pycache__", "dropin.cache")
        if sources[0].startswith("--from="):
            ignored = None
            origin = self._stages[sources.pop(0).removeprefix("--from=")].root
        for source in sources:
            place = origin / source.lstrip("/")
            goal = self._inside(target)
            if place.is_dir():
                shutil.copytree(place, goal, symlinks=True, ignore=ignored, dirs_exist_ok=True)
            else:
                shutil.copy2(place, goal / place.name if target.endswith("/") else goal)

    def _run(self, rest: str) -> None:
        environment = {**self.stage.environment, **of_the_host()}
        for name in ("/etc/resolv.conf", str(CERTIFICATES)):
            goal = self._inside(f"/run/host{name}" if name == str(CERTIFICATES) else name)
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, goal)
        command = (
            "unshare",
            "--mount",
            "sh",
            "-ec",
            'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev";'
            ' exec chroot "$0" sh -c "cd \\"$1\\" && $2"',
            str(self.stage.root),
            self.stage.folder,
            rest,
        )
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)

    def _inside(self, path: str) -> Path:
        whole = path if path.startswith("/") else f"{self.stage.folder}/{path}"
        return self.stage.root / whole.lstrip("/")


def of_the_host() -> dict[str, str]:
    """Return what the steps need of this machine's environment."""
    certificates = f"/run/host{CERTIFICATES}"
    kept = {name: os.environ[name] for name in OF_THE_HOST if name in os.environ}
    return {"DEBIAN_FRONTEND": "noninteractive", "PIP_CERT": certificates, **kept}


def run(image: Stage) -> None:
    """Run the program as the image says; raises CalledProcessError when something is wrong."""
    entry = json.loads(image.settings["ENTRYPOINT"])
    health = json.loads(image.settings["HEALTHCHECK"].partition("CMD ")[2])
    (image.root / "manifests").mkdir()
    shutil.copy(ROOT / "docker" / "manifests" / "hello.yaml", image.root / "manifests")
    pairs = [f"{name}={value}" for name, value in image.environment.items() if name.isupper()]
    command = (
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "sh",
        "-c",
        RUN,
        "sh",
        str(image.root),
        image.settings["USER"],
        image.settings["STOPSIGNAL"].removeprefix("SIG"),
        shlex.join(health),
        *entry,
        "--manifests",
        "/manifests",
        "--workers",
        "2",
    )
    environment = {**os.environ, "environment": shlex.join(pairs)}
    ended = subprocess.run(
        command,
        check=False,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(ended.stdout)
    if ended.returncode or "plugin cache" in ended.stdout or "Traceback" in ended.stdout:
        raise SystemExit(f"the program does not run as it should: {ended.returncode}")


def megabytes(folder: Path) -> int:
    """Return what a folder takes on the disk."""
    said = subprocess.run(("du", "-sm", str(folder)), check=True, capture_output=True, text=True)
    return int(said.stdout.split()[0])


def main() -> None:
    """Build and run."""
    if os.geteuid() or not shutil.which("debootstrap") or not shutil.which("ip"):
        raise SystemExit("root, debootstrap and iproute2 are needed (apt-get install debootstrap)")
    with tempfile.TemporaryDirectory(prefix="fsm-image-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103  the program is another user
        image = Builder(Path(folder)).build()
        print(f"{megabytes(image.root)} MB, of which Debian {megabytes(Path(folder, 'base'))} MB")
        run(image)
    print("every step of docker/Dockerfile works, and so does the program")


if __name__ == "__main__":
    sys.exit(main())
