"""Following a real API server: watches, its death, 410, rights and credentials."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, ClassVar

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.tcp import Client
from twisted.internet.threads import deferToThread, deferToThreadPool
from twisted.trial.unittest import TestCase
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from fsm_twisted.objects.model import EndpointSlice, Secret
from fsm_twisted.sources.cluster.access import Access
from fsm_twisted.sources.cluster.api import Api
from fsm_twisted.sources.cluster.connect import connect
from fsm_twisted.sources.cluster.credentials import CredentialsReader
from fsm_twisted.sources.cluster.keeper import Keeper
from fsm_twisted.sources.cluster.kinds import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    SECRET,
    SERVICE,
)
from fsm_twisted.sources.cluster.origins import Kubeconfig, Origin
from fsm_twisted.sources.cluster.secrets import referenced_secrets
from fsm_twisted.sources.cluster.source import ClusterOptions, ClusterSource
from fsm_twisted.sources.cluster.transport import Agents
from fsm_twisted.sources.contents import Contents
from tests.cluster.control_plane import ADMIN, Authority, ControlPlane
from tests.cluster.world import PREFIX, ingress, names, secret, service

NO_FIELDS: Mapping[str, object] = {}
PATIENCE_SECONDS = 60.0
VERBS = ["get", "list", "watch"]
_numbers = count()


def rules(*left_out: str) -> list[object]:
    """The rights that we need, but for some resources."""
    kinds = (INGRESS, INGRESS_CLASS, SERVICE, ENDPOINT_SLICE, SECRET)
    return [
        {"apiGroups": [each.group], "resources": [each.plural], "verbs": VERBS}
        for each in kinds
        if each.plural not in left_out
    ]


def path(kind: str, namespace: str) -> str:
    root = "/apis/networking.k8s.io/v1" if kind == "ingresses" else "/api/v1"
    if kind == "endpointslices":
        root = "/apis/discovery.k8s.io/v1beta1"
    return f"{root}/namespaces/{namespace}/{kind}"


@implementer(IAgent)
class Listening:
    """An Agent that notes what is asked, and with what answer."""

    def __init__(self, agent: IAgent, noted: list[tuple[str, int]]) -> None:
        self._agent = agent
        self._noted = noted

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803  Twisted's name
    ) -> Deferred[IResponse]:
        def note(response: IResponse) -> IResponse:
            self._noted.append((uri.decode(), response.code))
            return response

        return self._agent.request(method, uri, headers, bodyProducer).addCallback(note)


@pytest.fixture(scope="class")
def plane_of_class(request: pytest.FixtureRequest, control_plane: ControlPlane) -> None:
    """Give a class of trial's the control plane."""
    request.cls.plane = control_plane


@pytest.mark.usefixtures("plane_of_class")
class RealTests(TestCase):
    """Each in a namespace of its own."""

    plane: ClassVar[ControlPlane]
    timeout = 150

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.namespace = f"test-{next(_numbers)}"
        self.plane.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        self.told: list[Contents] = []
        self.noted: list[tuple[str, int]] = []
        self.sources: list[ClusterSource] = []
        self.addCleanup(self.clean_up)

    async def clean_up(self) -> None:
        for source in self.sources:
            await source.stop()
        await self.until(lambda: not any(isinstance(e, Client) for e in self.reactor.getReaders()))

    # What a test does.

    def follow(
        self,
        user: dict[str, object] | None = None,
        cluster: Mapping[str, object] = NO_FIELDS,
        *,
        everything: bool = False,
        selector: str = "",
    ) -> ClusterSource:
        """Follow our namespace as *user*, the administrator by default."""
        config = self.plane.kubeconfig(self.namespace, user or {"token": ADMIN}, cluster)
        origin = Kubeconfig((config,))
        source = ClusterSource(
            self.api(origin),
            reactor=self.reactor,
            on_change=self.told.append,
            wanted_secrets=lambda ingresses: referenced_secrets(ingresses, PREFIX),
            options=ClusterOptions(
                namespaces=() if everything or selector else (self.namespace,), selector=selector
            ),
        )
        self.sources.append(source)
        source.start()
        return source

    def api(self, origin: Origin) -> Api:
        agents = Agents(self.reactor)
        pool = self.reactor.getThreadPool()
        keeper = Keeper(
            CredentialsReader(origin, os.environ),
            clock=self.reactor,
            in_thread=lambda read: deferToThreadPool(self.reactor, pool, read),
        )

        def agent_for(access: Access) -> IAgent:
            return Listening(agents.agent_for(access), self.noted)

        return Api(self.reactor, keeper, agent_for)

    async def until(self, is_so: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            missing = [each.missing() for each in self.sources]
            assert time.monotonic() < end, (missing, self.mine(), self.noted[-20:])
            await deferLater(self.reactor, 0.02)

    def mine(self) -> list[str]:
        """Return what is told of our namespace."""
        objects = self.told[-1].objects if self.told else ()
        return names(tuple(e for e in objects if e.metadata.namespace == self.namespace))

    def create(self, kind: str, item: Any) -> Any:
        item["metadata"]["namespace"] = self.namespace
        return self.plane.call("POST", path(kind, self.namespace), item)

    def delete(self, kind: str, name: str) -> None:
        self.plane.call("DELETE", f"{path(kind, self.namespace)}/{name}")

    def lists(self, kind: str) -> int:
        return sum(f"/{kind}" in uri and "watch=" not in uri for uri, _ in self.noted)

    def codes(self) -> set[int]:
        return {code for _, code in self.noted}

    # Tests

    async def test_what_is_there_and_what_changes_arrives(self) -> None:
        self.create("services", service("web"))
        self.create("secrets", secret("tls", "text"))
        self.create("secrets", secret("other"))
        self.create("ingresses", ingress("web", "tls"))
        self.follow(everything=True)
        await self.until(lambda: self.told)
        assert self.mine() == ["Ingress/web", "Secret/tls", "Service/web"]

        self.create("ingresses", ingress("late", "other"))
        await self.until(lambda: "Ingress/late" in self.mine())
        assert "Secret/other" in self.mine()
        self.delete("services", "web")
        await self.until(lambda: "Service/web" not in self.mine())
        found = {e.metadata.name: e for e in self.told[-1].objects if isinstance(e, Secret)}
        assert found["tls"].data == {"key": b"text"}

    async def test_slices_of_the_older_version_arrive(self) -> None:
        self.follow()
        await self.until(lambda: self.told)
        self.create(
            "endpointslices",
            {
                "metadata": {"name": "web", "labels": {"kubernetes.io/service-name": "web"}},
                "addressType": "IPv4",
                "endpoints": [
                    {"addresses": ["10.1.0.1"], "topology": {"topology.kubernetes.io/zone": "z"}}
                ],
                "ports": [{"name": "", "port": 8080}],
            },
        )
        await self.until(lambda: self.mine() == ["EndpointSlice/web"])
        (value,) = self.told[-1].objects
        assert isinstance(value, EndpointSlice)
        assert value.service == "web"
        assert value.endpoints[0].zone == "z"

    async def test_lists_come_in_pages(self) -> None:
        for number in range(120):
            self.create("secrets", secret(f"tls-{number}"))
        self.create("ingresses", ingress("web", *(f"tls-{number}" for number in range(120))))
        self.follow()
        await self.until(lambda: self.told)

        assert len(self.mine()) == 121
        assert self.lists("secrets") == 3

    async def test_a_killed_api_server_takes_nothing_away_and_is_followed_again(self) -> None:
        for number in range(3):
            self.create("services", service(f"s{number}"))
        self.follow()
        await self.until(lambda: self.told)
        self.plane.kill()
        await deferLater(self.reactor, 1.5)
        assert len(self.mine()) == 3

        await deferToThread(self.plane.start_api_server)
        self.delete("services", "s0")
        self.create("services", service("s3"))
        await self.until(lambda: self.mine() == ["Service/s1", "Service/s2", "Service/s3"])
        assert min(len(each.objects) for each in self.told) >= 2

    async def test_a_version_that_was_compacted_leads_to_a_list_by_diff(self) -> None:
        for number in range(3):
            self.create("services", service(f"s{number}"))
        self.follow()
        await self.until(lambda: self.told)
        listed = self.lists("services")
        self.plane.kill()
        self.plane.compact()
        await deferToThread(self.plane.start_api_server)
        self.delete("services", "s0")
        await self.until(lambda: self.lists("services") > listed)
        await self.until(lambda: self.mine() == ["Service/s1", "Service/s2"])

        assert [len(each.objects) for each in self.told] in ([3, 2], [3, 3, 2])

    async def test_forbidden_secrets_are_a_problem_and_the_rest_is_served(self) -> None:
        self.plane.grant("alice", rules("secrets"))
        self.create("ingresses", ingress("web", "tls"))
        self.follow({"token": "alice-token"}, everything=True)
        await self.until(lambda: self.told)

        assert self.mine() == ["Ingress/web"]
        (problem,) = self.told[-1].problems
        assert str(problem.ref) == "Secret *"
        assert 'resources: ["secrets"], verbs: [get, list, watch]' in problem.instead

    async def test_with_namespaces_a_role_in_them_suffices(self) -> None:
        self.plane.grant("bob", rules(), self.namespace)
        self.create("services", service("web"))
        self.follow({"token": "bob-token"})
        await self.until(lambda: self.told)

        assert self.mine() == ["Service/web"]
        assert [str(each.ref) for each in self.told[-1].problems] == ["IngressClass *"]

    async def test_namespaces_come_and_go_with_their_labels(self) -> None:
        def label(value: str) -> None:
            self.plane.call(
                "PATCH",
                f"/api/v1/namespaces/{self.namespace}",
                {"metadata": {"labels": {"team": value}}},
                content_type="application/merge-patch+json",
            )

        self.create("services", service("web"))
        self.follow(selector=f"team in ({self.namespace})")
        await self.until(lambda: self.told)
        assert self.mine() == []
        label(self.namespace)
        await self.until(lambda: self.mine() == ["Service/web"])
        label("other")
        await self.until(lambda: self.mine() == [])

    async def test_without_any_right_nothing_is_told_and_it_is_said_why(self) -> None:
        source = self.follow({"token": "carol-token"})
        await self.until(
            lambda: "endpointslices" in source.missing() and "403" in source.missing()
        )

        assert self.told == []

    async def test_a_client_certificate_and_another_server_name(self) -> None:
        self.plane.ca.issue("client", "somebody", organization="system:masters")
        user: dict[str, object] = {
            "client-certificate": str(self.plane.ca.file("client.crt")),
            "client-key": str(self.plane.ca.file("client.key")),
        }
        self.follow(user, {"tls-server-name": "localhost"})
        await self.until(lambda: self.told)

        assert self.codes() <= {200, 404}

    async def test_a_server_of_another_name_is_not_believed(self) -> None:
        source = self.follow(cluster={"tls-server-name": "other.example"})
        await self.until(lambda: "VerificationError" in source.missing())

        assert self.noted == []

    async def test_a_server_of_another_authority_is_not_believed(self) -> None:
        folder = self.plane.folder / self.namespace
        folder.mkdir()
        Authority(folder)
        source = self.follow(cluster={"certificate-authority": str(folder / "ca.crt")})
        await self.until(lambda: "certificate verify failed" in source.missing())

        assert self.noted == []

    async def test_an_unverified_server_is_used_when_asked_for(self) -> None:
        name = {"tls-server-name": "other.example"}
        self.follow(cluster={"insecure-skip-tls-verify": True, **name})
        await self.until(lambda: self.told)

    async def test_a_revoked_token_is_replaced_by_the_one_in_its_file(self) -> None:
        accounts = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        file = self.plane.folder / f"{self.namespace}.token"

        def issue() -> None:
            self.plane.call("POST", accounts, {"metadata": {"name": "me"}})
            request = {"spec": {"expirationSeconds": 600}}
            answer = self.plane.call("POST", f"{accounts}/me/token", request)
            file.write_text(answer["status"]["token"] + "\n")

        issue()
        group = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"name": self.namespace},
            "subjects": [{"kind": "ServiceAccount", "name": "me", "namespace": self.namespace}],
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": group},
        }
        self.plane.call("POST", f"/apis/{group}/v1/clusterrolebindings", binding)
        self.follow({"tokenFile": str(file)})
        await self.until(lambda: self.told)
        self.plane.call("DELETE", f"{accounts}/me")
        issue()
        self.plane.kill()
        await deferToThread(self.plane.start_api_server)
        self.create("services", service("web"))
        await self.until(lambda: self.mine() == ["Service/web"])

        assert 401 in self.codes()

    async def test_connect_puts_everything_together(self) -> None:
        config = self.plane.kubeconfig(self.namespace, {"token": ADMIN}, NO_FIELDS)
        api = connect(Kubeconfig((config,)), self.reactor, os.environ)
        self.addCleanup(api.stop)
        self.create("services", service("web"))
        page = await Deferred.fromCoroutine(
            api.list_page(path("services", self.namespace), limit=1)
        )

        assert len(page.items) == 1
