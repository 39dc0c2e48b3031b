"""
What the admin API and the CLI say, as JSON values: plain functions of a `World`.

Nothing in here is a secret: certificates are told without keys, Secrets by name alone.
"""
