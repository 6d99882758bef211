"""The check digits of national numbers, cards and accounts. Each takes the digits (or letters) without blanks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import accumulate
from operator import mul
from types import MappingProxyType
from typing import Final

_VERHOEFF_D: Final = tuple(
    tuple(map(int, row))
    for row in (
        "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
        "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
    )
)  # fmt: skip
_VERHOEFF_P: Final = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_VERHOEFF: Final = tuple(
    tuple({digit: row[int(to)] for digit, to in zip("0123456789", permuted, strict=True)} for row in _VERHOEFF_D)
    for permuted in (*_VERHOEFF_P, *_VERHOEFF_P[:4])
)
"""For each of twelve places from the end: what was checked so far, and the digit there → what it is with that."""

CARD_LENGTHS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        f"{prefix}{rest:0{4 - len(str(prefix))}d}"[:4]: lengths
        for first, last, lengths in (
            (4, 4, (13, 16, 19)),
            (51, 55, (16,)),
            (2221, 2720, (16,)),
            (34, 34, (15,)),
            (37, 37, (15,)),
            (300, 305, (14,)),
            (36, 36, (14,)),
            (38, 39, (14, 16)),
            (6011, 6011, (16, 19)),
            (644, 649, (16, 19)),
            (65, 65, (16, 19)),
            (3528, 3589, (16, 17, 18, 19)),
            (62, 62, (16, 17, 18, 19)),
            (5018, 5018, (13, 14, 15, 16, 17, 18, 19)),
            (5020, 5020, (13, 14, 15, 16, 17, 18, 19)),
            (5038, 5038, (13, 14, 15, 16, 17, 18, 19)),
            (6304, 6304, (13, 14, 15, 16, 17, 18, 19)),
            (2200, 2204, (16, 17, 18, 19)),
        )
        for prefix in range(first, last + 1)
        for rest in range(10 ** (4 - len(str(prefix))))
    }
)
"""The first four digits of payment cards, and how many digits the cards have that begin so (ISO/IEC 7812)."""

_PLAIN: Final = bytes.maketrans(b"0123456789", bytes(range(10)))
_LUHN: Final = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
"""What a digit counts for, and what it does at every second place."""

_IBAN: Final[Mapping[str, int]] = MappingProxyType(
    {
        country: int(length)
        for length, countries in {
            15: "NO", 16: "BE", 18: "DK FO FI GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
            21: "CH HR LI LV",
            22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
            25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
            29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
        }.items()
        for country in countries.split()
    }
)  # fmt: skip
"""How long the account numbers of a country are (the IBAN registry)."""

IBAN_COUNTRIES: Final = tuple(_IBAN)

_DNI: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_FISCALE_ODD: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def luhn(digits: str) -> bool:
    raw = digits.encode()
    return (sum(raw[-1::-2].translate(_PLAIN)) + sum(raw[-2::-2].translate(_LUHN))) % 10 == 0


def luhn_sums(digits: bytes, plain: int) -> Sequence[int]:
    """What the first n digits count for together, for each n, if those at even (0) or odd (1) places are `plain`."""
    counts = bytearray(digits.translate(_LUHN))
    counts[plain::2] = digits[plain::2].translate(_PLAIN)
    return [0, *accumulate(counts)]


def iban_length(country: str) -> int:
    """0 for a country without such numbers."""
    return _IBAN.get(country.upper(), 0)


def iban(account: str) -> bool:
    moved = account[4:] + account[:4]
    return int("".join(str(int(one, 36)) for one in moved)) % 97 == 1


def ssn(digits: str) -> bool:
    """A US number that may have been issued: there is no check digit."""
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def nhs(digits: str) -> bool:
    return (11 - _weighted(digits[:9], range(10, 1, -1)) % 11) % 11 == int(digits[9]) and len(set(digits)) > 1


def steuer_id(digits: str) -> bool:
    """A German tax number: among its first ten digits one stands two or three times, the others at most once."""
    counts = sorted(digits[:10].count(one) for one in set(digits[:10]))
    if digits[0] == "0" or counts[-1] not in (2, 3) or (len(counts) > 1 and counts[-2] != 1):
        return False
    product = 10
    for one in digits[:10]:
        product = ((int(one) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def nir(number: str) -> bool:
    """A French number, with its key of two digits; Corsica's departments count as 19 and 18."""
    body = number[:13].upper().replace("2A", "19").replace("2B", "18")
    return body.isdecimal() and number[0] in "12" and 97 - int(body) % 97 == int(number[13:])


def dni(number: str) -> bool:
    """A Spanish DNI or NIE; the latter's first letter stands for a digit."""
    digits = number[:-1].upper()
    digits = str("XYZ".index(digits[0])) + digits[1:] if digits[0] in "XYZ" else digits
    return _DNI[int(digits) % 23] == number[-1].upper()


def codice_fiscale(code: str) -> bool:
    code = code.upper()
    odd = sum(_FISCALE_ODD[int(one) if one.isdecimal() else ord(one) - 65] for one in code[:15:2])
    even = sum(int(one) if one.isdecimal() else ord(one) - 65 for one in code[1:15:2])
    return chr(65 + (odd + even) % 26) == code[15]


def pesel(digits: str) -> bool:
    """A Polish number: a date of birth, whose month also tells the century, and a check digit."""
    century = (1900, 2000, 2100, 2200, 1800)[int(digits[2]) // 2]
    if not _is_date(century + int(digits[:2]), int(digits[2:4]) % 20, int(digits[4:6])):
        return False
    return -_weighted(digits[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10 == int(digits[10])


def bsn(digits: str) -> bool:
    return _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and int(digits) > 0


def cpf(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    first = _weighted(digits[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(digits[:10], range(11, 1, -1)) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}"


def aadhaar(digits: str) -> bool:
    """An Indian number (Verhoeff's check digit)."""
    if digits[0] in "01":
        return False
    check = 0
    for one, place in zip(digits[::-1], _VERHOEFF, strict=True):
        check = place[check][one]
    return check == 0


def sin(digits: str) -> bool:
    return digits[0] not in "08" and luhn(digits)


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(map(mul, map(int, digits), weights))


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
