"""Inventory to snapshot and findings: total, deterministic, pure."""

from fsm_twisted.compiler.compile import Compiled, compile_snapshot
from fsm_twisted.compiler.findings import Finding
from fsm_twisted.compiler.incremental import Compiler
from fsm_twisted.compiler.options import CompilerOptions

__all__ = ["Compiled", "Compiler", "CompilerOptions", "Finding", "compile_snapshot"]
