"""Nothing but the compiled modules, which are built where FSM_TWISTED_SPEEDUPS=1 asks for them."""

import os

from setuptools import Extension, setup

SPEEDUPS = [
    Extension(
        "fsm_twisted.http1._speedups",
        ["fsm_twisted/http1/_speedups.c"],
        extra_compile_args=["-O3", "-Wall", "-Wextra"],
        define_macros=[("_GNU_SOURCE", "1")],
    )
]

setup(ext_modules=SPEEDUPS if os.environ.get("FSM_TWISTED_SPEEDUPS") == "1" else [])
