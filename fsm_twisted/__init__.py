"""A Kubernetes Ingress controller and its data plane on Twisted."""
