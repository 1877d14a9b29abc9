"""Parse untrusted XML, and read attributes and children with bounds.

Owns what is well formed. The parser accepts UTF-8 only, refuses a document type (and with it every
entity) and loads nothing. Bytes, elements, depth and attributes are bounded. It knows no message of
the feed.
"""

import re
from codecs import BOM_UTF8
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Final
from xml.etree.ElementTree import Element, ParseError, XMLParser

from msgspec import Struct

from engine.common.units import OddsMilli

UOF_BYTES_MAX: Final = 1 << 21
ELEMENTS_MAX: Final = 1 << 15
DEPTH_MAX: Final = 256
"""Elements inside one another, the root among them."""
ATTRIBUTES_MAX: Final = 32
"""Attributes of one element."""
TEXT_CHARS_MAX: Final = 256
"""Characters of one attribute that is read."""

_DECIMAL: Final = re.compile(r"\d{1,12}(?:\.\d{1,24})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_ENCODING: Final = re.compile(r"encoding\s*=\s*[\"']([^\"']*)[\"']", re.ASCII)
_FORBIDDEN: Final = ("<!DOCTYPE", "<!ENTITY")
_TEXTS_MAX: Final = 1 << 13
"""Texts of each kind of number whose value is remembered: messages repeat most of them."""


class UofMalformedError(ValueError):
    """A body is no valid message: names the message, the field, and the rule or bound it breaks.

    `element` is the element that the field belongs to; None when no element could be read.
    """

    def __init__(
        self, message: str, field: str, rule: str, *, element: Element | None = None
    ) -> None:
        super().__init__(f"{message}: {field}: {rule}")
        self.message = message
        self.field = field
        self.element = element


class Fields(Struct):
    """The attributes and children of one element, read by name and checked against bounds.

    Every method raises `UofMalformedError` when a value breaks its bound.

    Parameters
    ----------
    message : str
        Name of the message, for errors.
    path : str
        Path from the root element to this one, ending in a dot, for errors; empty for the root.
    element : Element
        The element.
    attributes : dict
        The element's own.
    """

    message: str
    path: str
    element: Element
    attributes: dict[str, str]

    def error(self, field: str, rule: str) -> UofMalformedError:
        """Return the error for a field that breaks a rule."""
        return UofMalformedError(self.message, self.path + field, rule, element=self.element)

    def optional_text(self, field: str) -> str | None:
        """Return an attribute of at most `TEXT_CHARS_MAX` characters; None when it is missing."""
        text = self.attributes.get(field)
        if text is not None and len(text) > TEXT_CHARS_MAX:
            raise self.error(field, f"must have at most {TEXT_CHARS_MAX} characters")
        return text

    def text(self, field: str) -> str:
        """Return an attribute that must be present and not empty."""
        text = self.attributes.get(field)
        if not text or len(text) > TEXT_CHARS_MAX:
            self.optional_text(field)
            raise self.error(field, "is missing")
        return text

    def optional_integer(self, field: str, low: int, high: int) -> int | None:
        """Return a whole number from `low` to `high`; None when it is missing or empty."""
        text = self.attributes.get(field)
        if not text:
            return None
        value = _whole(text) if len(text) <= TEXT_CHARS_MAX else None
        if value is None or not low <= value <= high:
            raise self._unfit(field, f"must be a whole number from {low} to {high}")
        return value

    def integer(self, field: str, low: int, high: int) -> int:
        """Return a whole number from `low` to `high` that must be present."""
        value = self.optional_integer(field, low, high)
        if value is None:
            raise self.error(field, "is missing")
        return value

    def integer_or(self, field: str, low: int, high: int, default: int) -> int:
        """Return a whole number from `low` to `high`, or `default` when it is missing."""
        value = self.optional_integer(field, low, high)
        return default if value is None else value

    def flag_or(self, field: str, *, default: bool) -> bool:
        """Return whether a number is 1 and not 0, or `default` when it is missing."""
        text = self.attributes.get(field)
        if text in ("0", "1"):
            return text == "1"
        return self.integer_or(field, 0, 1, int(default)) == 1

    def decimal(self, field: str, high: int) -> Decimal | None:
        """Return a decimal from 0 to `high`; None when it is missing or empty."""
        text = self.attributes.get(field)
        if not text:
            return None
        value = _decimal(text, high) if len(text) <= TEXT_CHARS_MAX else None
        if value is None:
            raise self._unfit_decimal(field, high)
        return value

    def odds_milli(self, field: str, high: int) -> OddsMilli | None:
        """Return a decimal from 0 to `high` in thousandths, rounded down; None as in `decimal`."""
        text = self.attributes.get(field)
        if not text:
            return None
        value = _odds_milli(text, high) if len(text) <= TEXT_CHARS_MAX else None
        if value is None:
            raise self._unfit_decimal(field, high)
        return value

    def real(self, field: str, high: int) -> float | None:
        """Return a decimal from 0 to `high` as the nearest float; None as in `decimal`."""
        text = self.attributes.get(field)
        if not text:
            return None
        # Not remembered: few probabilities come twice.
        value = float(text) if _DECIMAL.fullmatch(text) else None
        if value is not None and value < high:
            return value
        if value is None or _decimal(text, high) is None:
            raise self._unfit_decimal(field, high)
        return value

    def _unfit_decimal(self, field: str, high: int) -> UofMalformedError:
        return self._unfit(field, f"must be a decimal from 0 to {high}")

    def _unfit(self, field: str, rule: str) -> UofMalformedError:
        """Return the error for a text that is too long, or breaks a rule."""
        text = self.text(field)
        return self.error(field, f"{rule}, not {text[:40]!r}")

    def child(self, name: str) -> "Fields | None":
        """Return the first child of a name; None when there is none."""
        for element in self.element:
            if element.tag == name or local_name(element) == name:
                return fields_of(element, self.message, f"{self.path}{name}.")
        return None

    def children(self, name: str) -> list["Fields"]:
        """Return the children of a name, in document order."""
        message, path = self.message, f"{self.path}{name}."
        return [
            fields_of(element, message, path)
            for element in self.element
            if element.tag == name or local_name(element) == name
        ]


def fields_of(element: Element, message: str, path: str = "") -> Fields:
    """Return an element's fields; UofMalformedError when it has too many attributes."""
    attributes = element.attrib
    if len(attributes) > ATTRIBUTES_MAX:
        rule = f"must have at most {ATTRIBUTES_MAX} attributes"
        raise UofMalformedError(message, path or message, rule, element=element)
    return Fields(message, path, element, attributes)


def local_name(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def parse(body: bytes) -> Element:
    """Return the root element of a body.

    Raises
    ------
    UofMalformedError
        When the body is too long, not UTF-8, not well-formed XML, or has a document type.
    """
    if not 0 < len(body) <= UOF_BYTES_MAX:
        raise UofMalformedError(
            "message", "bytes", f"must be from 1 to {UOF_BYTES_MAX}, not {len(body)}"
        )
    body = body.removeprefix(BOM_UTF8)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise UofMalformedError("message", "bytes", "must be UTF-8") from None
    if any(start in text for start in _FORBIDDEN):
        raise UofMalformedError("message", "document type", "is not allowed")
    if text.count("<") > 2 * ELEMENTS_MAX:
        raise UofMalformedError("message", "elements", f"must be at most {ELEMENTS_MAX}")
    declared = _ENCODING.search(text[:200]) if text.startswith("<?xml") else None
    if declared and declared[1].lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise UofMalformedError("message", "encoding", "must be UTF-8")
    parser = XMLParser(encoding="utf-8")  # noqa: S314 - document types, and so entities, are refused
    try:
        parser.feed(body)
        root = parser.close()
    except ParseError as error:
        raise UofMalformedError("message", "xml", str(error)[:120]) from None
    # Each element that has another inside it has an end tag.
    if text.count("</") >= DEPTH_MAX and _depth(root) > DEPTH_MAX:
        raise UofMalformedError("message", "xml", f"must be at most {DEPTH_MAX} elements deep")
    return root


def _depth(root: Element) -> int:
    depth, level = 0, [root]
    while level:
        depth, level = depth + 1, [child for element in level for child in element]
    return depth


@lru_cache(_TEXTS_MAX)
def _whole(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) else None


@lru_cache(_TEXTS_MAX)
def _decimal(text: str, high: int) -> Decimal | None:
    value = Decimal(text) if _DECIMAL.fullmatch(text) else None
    return value if value is not None and 0 <= value <= high else None


@lru_cache(_TEXTS_MAX)
def _odds_milli(text: str, high: int) -> OddsMilli | None:
    value = _decimal(text, high)
    return None if value is None else OddsMilli(int((value * 1000).to_integral_value(ROUND_FLOOR)))
