"""Manifest files and directories as a source of objects (``--manifests``)."""

from fsm_twisted.sources.contents import Contents, SourceError, SourceProblem
from fsm_twisted.sources.manifests.source import ManifestOptions, ManifestSource

__all__ = ["Contents", "ManifestOptions", "ManifestSource", "SourceError", "SourceProblem"]
