"""What the compiler is told besides the objects."""

from __future__ import annotations

import attrs


@attrs.frozen
class CompilerOptions:
    """
    The compiler's own options.

    ``controller_name`` is compared with ``IngressClass.spec.controller``; ``ingress_class`` is the
    class name that is ours although no object of that name can be read (D8).
    ``allows_foreign_secrets`` says whether an annotation may name a Secret of another namespace,
    ``passes_tls`` whether Ingresses may have the TLS of their hosts passed through.
    ``mtls`` asks the clients of all TLS hosts for certificates.
    """

    controller_name: str = "flomesh.io/ingress-pipy"
    ingress_class: str = "pipy"
    annotation_prefix: str = "pipy.ingress.kubernetes.io/"
    allows_foreign_secrets: bool = False
    passes_tls: bool = False
    mtls: bool = False
