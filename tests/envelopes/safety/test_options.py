"""What `Options` refuses, in words that hold no value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mcp_gateway.envelopes.safety.options import Options


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda options: options.flag("x", default=True), 1),
        (lambda options: options.number("x", default=None, least=1, most=5), 6),
        (lambda options: options.number("x", default=None, least=1, most=5), True),
        (lambda options: options.fraction("x", default=0.5), 1.5),
        (lambda options: options.fraction("x", default=0.5), "hunter2"),
        (lambda options: options.text("x", default=""), ["hunter2"]),
        (lambda options: options.word("x", ("a", "b")), "hunter2"),
        (lambda options: options.word("x", ("a", "b")), None),
        (lambda options: options.words("x", ("a", "b")), ["a", "hunter2"]),
        (lambda options: options.texts("x"), "hunter2"),
        (lambda options: options.texts("x"), [""]),
        (lambda options: options.mappings("x"), ["hunter2"]),
        (lambda options: options.mapping("x"), {1: "hunter2"}),
    ],
)
def test_what_has_the_wrong_form_is_refused_by_name_only(read: Callable[[Options], object], value: object) -> None:
    with pytest.raises(ValueError, match="`x`") as refused:
        read(Options({"x": value}))
    assert "hunter2" not in str(refused.value)


def test_what_nobody_asked_for_is_refused_with_the_nearest_name() -> None:
    options = Options({"treshold": 1})
    options.fraction("threshold", default=0.5)
    with pytest.raises(ValueError, match="did you mean `threshold`"):
        options.finish()
    with pytest.raises(ValueError, match="known are: none"):
        Options({"zzz": 1}).finish()
