"""``fsm-ingress``: looks at manifests, at a cluster or at a running instance, and explains."""
