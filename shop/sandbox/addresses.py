"""Countries and what an address needs there: enough to refuse what a parcel service would."""

import re
from functools import cache

from babel import Locale

# Where the parcel goes without a code, a town or a province being written. (Universal Postal Union, address guides.)
NO_POSTAL_CODE = frozenset(
    [
        "AE",
        "AG",
        "AO",
        "AW",
        "BF",
        "BI",
        "BJ",
        "BO",
        "BS",
        "BW",
        "BZ",
        "CD",
        "CF",
        "CG",
        "CI",
        "CK",
        "CM",
        "DJ",
        "DM",
        "ER",
        "FJ",
        "GA",
        "GD",
        "GH",
        "GM",
        "GQ",
        "GY",
        "HK",
        "JM",
        "KI",
        "KM",
    ]
)
NO_POSTAL_CODE |= frozenset(
    [
        "KN",
        "KP",
        "LC",
        "ML",
        "MO",
        "MR",
        "MW",
        "NR",
        "NU",
        "QA",
        "RW",
        "SB",
        "SC",
        "SL",
        "SR",
        "ST",
        "SY",
        "TD",
        "TF",
        "TG",
        "TK",
        "TL",
        "TO",
        "TT",
        "TV",
        "UG",
        "VU",
        "YE",
        "ZW",
    ]
)
NO_CITY = frozenset(["SG", "HK", "MO", "MC", "GI", "VA"])
NEEDS_STATE = frozenset(["US", "CA", "AU", "BR", "IN", "MX", "CN", "JP", "MY"])

_POSTAL_CODES = {
    "AU": r"\d{4}",
    "CA": r"[A-Za-z]\d[A-Za-z] ?\d[A-Za-z]\d",
    "CN": r"\d{6}",
    "DE": r"\d{5}",
    "ES": r"\d{5}",
    "FR": r"\d{5}",
    "GB": r"[A-Za-z]{1,2}\d[A-Za-z\d]? ?\d[A-Za-z]{2}",
    "ID": r"\d{5}",
    "IN": r"\d{3} ?\d{3}",
    "IT": r"\d{5}",
    "JP": r"\d{3}-?\d{4}",
    "KR": r"\d{5}",
    "MY": r"\d{5}",
    "NL": r"\d{4} ?[A-Za-z]{2}",
    "NZ": r"\d{4}",
    "PH": r"\d{4}",
    "SG": r"\d{6}",
    "TH": r"\d{5}",
    "TW": r"\d{3}(\d{2,3})?",
    "US": r"\d{5}(-\d{4})?",
    "VN": r"\d{5,6}",
}


@cache
def country_names() -> dict[str, str]:
    """English names by ISO code."""
    return {code: name for code, name in Locale("en").territories.items() if len(code) == 2 and code.isalpha()}


def named(codes: list[str]) -> list[tuple[str, str]]:
    """(code, name), in the order of the names."""
    names = country_names()
    return sorted(((code, names.get(code, code)) for code in codes), key=lambda pair: pair[1])


def postal_code_mistake(country: str, code: str) -> str | None:
    """What is wrong with a postal code, if anything."""
    name = country_names().get(country, country)
    if not code:
        return None if country in NO_POSTAL_CODE else f"Enter the postal code; addresses in {name} have one."
    pattern = _POSTAL_CODES.get(country)
    if pattern and not re.fullmatch(pattern, code.strip(), re.ASCII):
        return f"This is not a postal code of {name}."
    return None
