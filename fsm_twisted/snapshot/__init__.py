"""What the data plane obeys: one immutable configuration, and the registry of reason codes."""
