"""Nothing but the compiled modules, which are built where FSM_TWISTED_SPEEDUPS=1 asks for them."""

import os

from setuptools import Extension, setup

SPEEDUPS = [
    Extension(
        f"fsm_twisted.{room}._speedups",
        [f"fsm_twisted/{room}/_speedups.c"],
        depends=["fsm_twisted/slots.h", "fsm_twisted/observe/access_lines.h"],
        extra_compile_args=["-O3", "-Wall", "-Wextra"],
        define_macros=[("_GNU_SOURCE", "1")],
    )
    for room in ("http1", "net", "observe", "routing")
]

setup(ext_modules=SPEEDUPS if os.environ.get("FSM_TWISTED_SPEEDUPS") == "1" else [])
