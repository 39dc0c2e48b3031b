"""Register ``fsm-ingress`` with twistd; keep this file free of other imports."""

from twisted.application.service import ServiceMaker

fsm_ingress = ServiceMaker(
    "fsm-ingress",
    "fsm_twisted.tap",
    "Kubernetes Ingress controller and HTTP/TLS reverse proxy.",
    "fsm-ingress",
)
