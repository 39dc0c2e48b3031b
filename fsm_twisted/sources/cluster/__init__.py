"""A Kubernetes cluster as a source of objects."""
