"""The policy files of a configuration: read as text, bounded, part of what was loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.settings.load import load
from mcp_gateway.settings.policy_files import MAX_BYTES
from mcp_gateway.settings.settings import Settings
from tests.settings.files import GATEWAY, SERVER, write


def loaded(folder: Path, **files: bytes) -> Settings:
    """A configuration whose folder of policies holds `files`."""
    (folder / "policies").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / "policies" / f"{name}.cedar").write_bytes(content)
    return load(write(folder, GATEWAY + "policies: {path: policies}\n", one=SERVER), {})


def test_policies_are_read_by_name_watched_and_part_of_the_digest(tmp_path: Path) -> None:
    first = loaded(tmp_path, b=b"// b", a=b"// a")
    assert [(path.name, text) for path, text in first.policies or ()] == [("a.cedar", "// a"), ("b.cedar", "// b")]
    assert tmp_path / "policies" in first.folders and tmp_path / "policies" / "a.cedar" in first.files
    assert loaded(tmp_path, a=b"// other").digest != first.digest
    assert loaded(tmp_path, a=b"// a").digest == first.digest


def test_other_files_are_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "README.md").write_text("x")
    (tmp_path / "policies" / ".hidden.cedar").write_text("x")
    (tmp_path / "policies" / "folder.cedar").mkdir()
    assert loaded(tmp_path).policies == ()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"a\n\xff", r"a\.cedar:2:0?.*not UTF-8"), (b"x" * (MAX_BYTES + 1), "larger than")],
    ids=["not UTF-8", "too large"],
)
def test_a_file_that_is_no_text_or_too_long_is_a_problem(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        loaded(tmp_path, a=content)
