"""Imports every module named on standard input alone: `python -W error each_alone.py < names`.

The interpreter forks once for each module before it has imported anything of ours, so every import starts from the same
state at the price of a fork instead of a start. Prints one JSON object: module → end of its traceback, for those
that fail. Run as a script and never imported by the suite, whose own imports would be inherited by every fork.
"""

import importlib
import json
import os
import sys
import tempfile
import traceback

AT_ONCE = 2

LIBRARIES = ("pydantic", "sqlalchemy", "fastapi", "structlog", "cryptography", "rich")
"""Imported before the first fork, as most modules need them and they take longest. Only whole packages by their own
name: whoever needs one has to import it all the same, and whoever needs a part of one that it does not import itself
has to import that."""


def import_alone(name: str, report: str) -> None:
    """In a fresh process: import, and write the traceback to `report` if that fails."""
    try:
        importlib.import_module(name)
    except BaseException:  # whatever it raises, SystemExit too, is what the test is about
        with open(report, "w", encoding="utf-8") as out:
            out.write(traceback.format_exc(limit=-2))
    finally:
        os._exit(0)


def main() -> None:
    """Keep two imports running until all names are done."""
    waiting = sys.stdin.read().split()
    for library in LIBRARIES:
        importlib.import_module(library)
    running: set[int] = set()
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                name = waiting.pop()
                pid = os.fork()
                if pid == 0:
                    import_alone(name, os.path.join(folder, name))
                running.add(pid)
            pid, status = os.wait()
            running.discard(pid)
            if status:
                print(f"an import ended its process with status {status}", file=sys.stderr)
                sys.exit(1)
        failures = {}
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), encoding="utf-8") as report:
                failures[name] = report.read()
    print(json.dumps(failures))


if __name__ == "__main__":
    main()
