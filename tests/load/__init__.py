"""Changes under load: pods, manifests that change, clients that never stop asking."""
