"""A spaCy pipeline that knows a few names: trained ones are downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import spacy

NAME = "Alice Smith"
CITY = "Berlin"


def pipeline(folder: Path, *, language: str = "en") -> str:
    """Where it is. It knows `NAME`, `CITY`, and a product, for which Presidio has no word."""
    made = spacy.blank(language)
    ruler: Any = made.add_pipe("entity_ruler")
    ruler.add_patterns(
        [
            {"label": "PERSON", "pattern": [{"LOWER": word.lower()} for word in NAME.split()]},
            # Placeholders are words, too.
            {"label": "PERSON", "pattern": [{"TEXT": {"IN": ["PERSON", "LOCATION", "Bob"]}}]},
            {"label": "GPE", "pattern": CITY},
            {"label": "PRODUCT", "pattern": "Gadget"},
        ]
    )
    # Presidio looks for words before a number by their basic forms.
    forms: Any = made.add_pipe("attribute_ruler")
    forms.add([[{"LOWER": "phone"}]], {"LEMMA": "phone"})
    made.to_disk(folder)
    return str(folder)
