"""Views: one that is made at once leads back as one that is made piece by piece does."""

import re

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.text.view import View, Writer, alternating

_VOWELS = re.compile("([aeiou]+)")
_FOR = {"a": "", "ee": "", "i": "ij", "o": "0", "u": "uvw"}


@given(st.text(alphabet="aeioubc ", max_size=40), st.booleans())
def test_many_pieces_at_once_are_the_same_as_one_by_one(text: str, nested: bool) -> None:
    base = View(text)
    if nested:
        writer = Writer(base)
        for match in re.finditer("bc", text):
            writer.put("b", *match.span())
        base = writer.view()
    writer = Writer(base)
    for match in _VOWELS.finditer(base.text):
        writer.put(_FOR.get(match[0], match[0]), *match.span())
    slow = writer.view()
    parts = _VOWELS.split(base.text)
    quick = alternating(base, parts, [_FOR.get(part, part) for part in parts[1::2]])
    assert quick.text == slow.text
    for start in range(len(slow.text)):
        for end in range(start + 1, len(slow.text) + 1):
            assert quick.span(start, end) == slow.span(start, end)
