"""Characters that look like ASCII ones and that no compatibility form leads to (compare UTS #39). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_PAIRS: Final = (
    # Cyrillic.
    ("аеорсухѕіјһԁԛԝѵкмтнвгԍѡҽӏ", "aeopcyxsijhdqwvkmthbrgwel"),
    ("АВЕКМНОРСТХУЅІЈԌԚԜЗЬҮӀҺԀѴ", "ABEKMHOPCTXYSIJGQW3bYIhdV"),
    # Greek.
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϺ", "ABEZHIKMNOPTYXCM"),
    ("αογνριυκτχηωεϲϳσ", "aoyvpiuktxnwecjo"),
    # Armenian.
    ("օսոհզցյքՍՕՏԼ", "ounhqgjfUOSL"),
    # Latin letters of other shapes, and small capitals.
    ("ıɑɡɩøđłħŧƅɓƈɗƙƥƭɪʀʏʟɴʙɢʜ", "iagiodlhtbbcdkptIRYLNBGH"),
    ("ᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜰꜱØĐŁĦŦ", "ACDEJKMOPTUVWZFSODLHT"),
    # Cherokee.
    ("ᎪᏴᏟᎠᎬᏀᎻᎫᏦᏞᎷᏢᏚᎢᏙᎳᏃᎡ", "ABCDEGHJKLMPSTVWZR"),
    # Dashes, quotes, points, slashes.
    ("‐‑‒–—―−⁃﹘﹣－", "-----------"),
    ("‘’‚‛′“”„‟″«»", '\'\'\'\'\'"""""""'),
    ("․。｡‧·∙⋅", "......."),
    ("⁄∕⧸∶꞉ːǃ‹›∗⁎٭", "///:::!<>***"),
)


def _table() -> Mapping[str, str]:
    table = {given: to for alike, ascii_ in _PAIRS for given, to in zip(alike, ascii_, strict=True)}
    # Letters in a dark circle, in a dark square, and the letters that flags are made of.
    for first in (0x1F150, 0x1F170, 0x1F1E6):
        table |= {chr(first + place): chr(ord("A") + place) for place in range(26)}
    return MappingProxyType(table)


CONFUSABLES: Final = _table()
