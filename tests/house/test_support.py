"""What is absent fails under CI and is skipped elsewhere; what is there is found."""

from pathlib import Path

import pytest

from tests import support


@pytest.mark.parametrize(("ci", "outcome"), [(True, pytest.fail.Exception), (False, pytest.skip.Exception)])
@pytest.mark.parametrize("what", ["no-such-command", "no/such/file", Path("no-such-file")])
def test_what_is_absent(
    monkeypatch: pytest.MonkeyPatch, ci: bool, outcome: type[BaseException], what: str | Path
) -> None:
    monkeypatch.setattr(support, "CI", ci)
    with pytest.raises(outcome, match=r"absent: for the test"):
        support.require(what, "for the test")


def test_what_is_there_is_found() -> None:
    assert support.require("tests/support.py", "a path") == support.ROOT / "tests" / "support.py"
    assert support.require(Path("Makefile"), "a file") == support.ROOT / "Makefile"
    assert support.require("python", "beside the interpreter").exists()
    support.need(True, "nothing")
