"""The stand-in node on real loopback sockets: pods come and go with the folder's Deployments."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import yaml
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from fsm_twisted.demo.document import Body, Document, document_from, sections, text, texts
from fsm_twisted.demo.folder import bodies_in, remove_document, write_document
from fsm_twisted.demo.node import Node, NodeReactor

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 20.0


def example(name: str) -> dict[str, Document]:
    """Return the objects of one of the article's manifests by their kind."""
    bodies = bodies_in((EXAMPLES / name).read_text())
    return {d.kind.name: d for d in (document_from(b, "httpbin") for b in bodies)}


def curl(*arguments: str) -> str:
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "5"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    return done.stdout or done.stderr


def replaced(document: Document, **spec: object) -> Document:
    body = {**document.body, "spec": {**cast(Body, document.body["spec"]), **spec}}
    return document_from(body, document.namespace)


class NodeTests(TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()  # trial's own mktemp litters the checkout
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name) / "manifests"
        self.folder.mkdir()
        self.said: list[str] = []
        self.node = Node(cast(NodeReactor, reactor), self.folder, self.said.append)
        self.done = self.node.run()
        self.addCleanup(self.stop)

    def stop(self) -> Deferred[object]:
        self.node.stop()
        return cast("Deferred[object]", self.done)

    def put(self, *documents: Document) -> None:
        for document in documents:
            write_document(self.folder, document)

    def endpoints(self) -> dict[str, str]:
        """Return the announced pods: name to ``address:port`` of the Service port ``http``."""
        found = {}
        for path in self.folder.glob("*.endpointslice.*"):
            body = yaml.safe_load(path.read_text())
            ports = {text(p, "name"): text(p, "port") for p in sections(body, "ports")}
            for endpoint in sections(body, "endpoints"):
                name = text(endpoint, "targetRef", "name")
                found[name] = f"{texts(endpoint, 'addresses')[0]}:{ports['http']}"
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        clock = cast(IReactorTime, reactor)
        deadline = clock.seconds() + SECONDS
        while not condition():
            self.assertLess(clock.seconds(), deadline, f"{self.said} {self.endpoints()}")
            await deferLater(clock, 0.02)

    async def replies(self, *places: str) -> list[str]:
        return [await deferToThread(curl, f"http://{place}/") for place in places]

    async def test_each_replica_is_a_pod_that_answers_with_its_own_name(self) -> None:
        self.put(*example("balancing-httpbin.yaml").values())
        await self.until(lambda: len(self.endpoints()) == 2)
        pods = self.endpoints()

        self.assertEqual(len(set(pods.values())), 2)
        for name, place in pods.items():
            self.assertRegex(name, r"\Ahttpbin-[bcdfghjklmnpqrstvwxz2456789]{10}-[^-]{5}\Z")
            self.assertEqual(await self.replies(place), [f"Response from pod {name}"])

    async def test_a_pod_waits_for_the_secret_that_it_mounts(self) -> None:
        self.put(*example("httpbin.yaml").values())
        await self.until(lambda: any("does not exist" in line for line in self.said))
        self.assertEqual(self.endpoints(), {})

        self.put(certificate_secret(self.folder.parent / "server.pem"))
        await self.until(lambda: len(self.endpoints()) == 1)
        ((name, _),) = self.endpoints().items()
        (line,) = (line for line in self.said if f"{name} runs on" in line)
        reply = await deferToThread(curl, "--insecure", f"https://{line.split()[-1]}/hi")
        self.assertEqual(reply, "Hi, there!\n")

    async def test_a_secret_that_is_no_certificate_is_named(self) -> None:
        files = {"server-cert.pem": "nonsense", "server-key.pem": "nonsense"}
        self.put(*example("httpbin.yaml").values(), secret(files))
        await self.until(lambda: any("Secret httpbin/server-cert are no" in s for s in self.said))

        self.assertNotIn("nonsense", "".join(self.said))

    async def test_a_change_of_the_template_rolls_without_a_gap(self) -> None:
        objects = example("balancing-httpbin.yaml")
        self.put(*objects.values())
        await self.until(lambda: len(self.endpoints()) == 2)
        before = self.endpoints()
        uid = {**cast(Body, objects["Deployment"].body["metadata"]), "uid": "another"}
        self.put(document_from({**objects["Deployment"].body, "metadata": uid}, "httpbin"))
        await self.until(lambda: not self.endpoints().keys() & before.keys())

        self.assertEqual(len(self.endpoints()), 2)
        old, new = tuple(before.values()), tuple(self.endpoints().values())
        self.assertTrue(all("Response" in reply for reply in await self.replies(*old, *new)))

    async def test_scaling_keeps_the_pods_that_stay(self) -> None:
        objects = example("balancing-httpbin.yaml")
        self.put(*objects.values())
        await self.until(lambda: len(self.endpoints()) == 2)
        two = self.endpoints()
        self.put(replaced(objects["Deployment"], replicas=3))
        await self.until(lambda: len(self.endpoints()) == 3)
        three = self.endpoints()
        self.put(replaced(objects["Deployment"], replicas=1))
        await self.until(lambda: len(self.endpoints()) == 1)

        self.assertLessEqual(two.items(), three.items())
        self.assertLessEqual(self.endpoints().items(), two.items())

    async def test_a_deleted_deployment_leaves_nothing_behind(self) -> None:
        objects = example("balancing-httpbin.yaml")
        self.put(*objects.values())
        await self.until(lambda: len(self.endpoints()) == 2)
        places = tuple(self.endpoints().values())
        remove_document(self.folder, objects["Deployment"])
        await self.until(lambda: self.endpoints() == {})
        clock = cast(IReactorTime, reactor)
        deadline = clock.seconds() + SECONDS
        while any("Response" in reply for reply in await self.replies(*places)):
            self.assertLess(clock.seconds(), deadline)

    async def test_an_image_without_a_stand_in_is_named_and_harms_nobody(self) -> None:
        objects = example("balancing-httpbin.yaml")
        foreign = document_from(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "a", "namespace": "httpbin"},
                "spec": {"template": {"spec": {"containers": [{"image": "nginx:1"}]}}},
            }
        )
        self.put(foreign, *objects.values())
        await self.until(lambda: len(self.endpoints()) == 2)

        self.assertEqual(
            [line for line in self.said if "nginx:1" in line],
            [
                'Deployment httpbin/a is passed over: no stand-in for the image "nginx:1", '
                "only for addozhang/httpbin"
            ],
        )

    async def test_a_port_that_is_taken_everywhere_moves_and_the_slice_says_so(self) -> None:
        with socket.socket() as blocker:
            blocker.bind(("0.0.0.0", 0))
            blocker.listen()
            taken = blocker.getsockname()[1]
            objects = example("balancing-httpbin.yaml")
            port = {"name": "http", "port": 8000, "targetPort": taken}
            self.put(replaced(objects["Service"], ports=[port]), with_port(objects, taken))
            await self.until(lambda: len(self.endpoints()) == 2)
            places = tuple(self.endpoints().values())

            self.assertTrue(all(not place.endswith(f":{taken}") for place in places))
            self.assertTrue(all("Response" in reply for reply in await self.replies(*places)))

    async def test_stopping_takes_the_slices_away_and_nothing_else(self) -> None:
        objects = example("balancing-httpbin.yaml")
        self.put(*objects.values())
        await self.until(lambda: len(self.endpoints()) == 2)
        self.node.stop()

        self.assertEqual(len(tuple(self.folder.iterdir())), len(objects))


def with_port(objects: dict[str, Document], port: int) -> Document:
    """Return the Deployment with another port in its program."""
    written = yaml.safe_dump(objects["Deployment"].body).replace(
        ".listen(8000)", f".listen({port})"
    )
    return document_from(yaml.safe_load(written), "httpbin")


def secret(files: dict[str, str]) -> Document:
    return document_from(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "server-cert", "namespace": "httpbin"},
            "stringData": files,
        }
    )


def certificate_secret(both: Path) -> Document:
    """Make the article's server certificate, in its way but with a faster key."""
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    files = ["-nodes", "-keyout", f"{both}.key", "-out", str(both), "-subj", "/CN=example.com"]
    subprocess.run([*request, *files], check=True, capture_output=True)
    key = Path(f"{both}.key").read_text()
    return secret({"server-cert.pem": both.read_text(), "server-key.pem": key})
