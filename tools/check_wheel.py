"""
Check what a built wheel would put into site-packages.

A foreign file under ``twisted/`` would overwrite Twisted's own, and uninstalling
would then delete it; so the wheel may carry our package and the one dropin.

Usage: ``python tools/check_wheel.py dist``.
"""

import pathlib
import sys
import zipfile

DROPIN = "twisted/plugins/fsm_ingress_plugin.py"


def complaints(names: list[str]) -> list[str]:
    """Return what is wrong with a wheel holding the files *names*; empty when all is well."""
    ours = ("fsm_twisted/", "fsm_twisted-")
    foreign = sorted(n for n in names if not n.startswith(ours) and n != DROPIN)
    missing = [n for n in (DROPIN, "fsm_twisted/py.typed") if n not in names]
    caches = sorted(n for n in names if n.endswith((".pyc", "dropin.cache")))
    return [
        *(f"foreign file in the wheel: {name}" for name in foreign),
        *(f"missing in the wheel: {name}" for name in missing),
        *(f"build leftover in the wheel: {name}" for name in caches),
    ]


def main(folder: str) -> int:
    """Check the one wheel in *folder*; return the exit status."""
    wheels = sorted(pathlib.Path(folder).glob("*.whl"))
    if len(wheels) != 1:
        print(f"{folder}: expected exactly one wheel, found {len(wheels)}")
        return 1
    with zipfile.ZipFile(wheels[0]) as archive:
        names = archive.namelist()
    found = complaints(names)
    for line in found:
        print(line)
    if not found:
        print(f"wheel ok: {len(names)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
