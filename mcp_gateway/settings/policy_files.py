"""The policy files of the configuration, as text. What they say is checked by the room that understands them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mcp_gateway.core.errors import Problem

MAX_FILES: Final = 1000
MAX_BYTES: Final = 1 << 20
"""Most policy files, and most bytes of one."""

SUFFIX: Final = ".cedar"


def policy_files(folder: Path, problems: list[Problem]) -> Sequence[Path]:
    """The policy files in `folder`, in the order of their names; none where there is no folder."""
    try:
        found = sorted(each for each in folder.iterdir() if each.suffix == SUFFIX and not each.name.startswith("."))
    except FileNotFoundError:
        return ()
    except OSError as error:
        problems.append(
            Problem(str(folder), 0, 0, f"cannot read the folder of policies: {error.strerror}", "see `policies.path`")
        )
        return ()
    if len(found) > MAX_FILES:
        problems.append(Problem(str(folder), 0, 0, f"more than {MAX_FILES} policy files"))
    return [each for each in found[:MAX_FILES] if os.path.isfile(each)]


def read_policies(files: Sequence[Path], problems: list[Problem]) -> tuple[tuple[Path, str], ...]:
    """Each file's text, without those that cannot be read as text, which are problems."""
    texts: list[tuple[Path, str]] = []
    for path in files:
        data = b""
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                problems.append(Problem(str(path), 0, 0, f"larger than {MAX_BYTES} bytes"))
                continue
            texts.append((path, data.decode("utf-8")))
        except OSError as error:
            problems.append(Problem(str(path), 0, 0, f"cannot read the file: {error.strerror}"))
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            problems.append(Problem(str(path), line, 0, "not UTF-8"))
    return tuple(texts)
