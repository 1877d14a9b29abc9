"""Parse untrusted XML, and read attributes and children with bounds.

Owns what is well formed. The parser accepts UTF-8 only, refuses a document type (and with it every
entity), loads nothing from the network and builds no huge tree. Bytes, elements and attributes are
bounded before anything is built of them. It knows no message of the feed.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Final, TypeVar

from lxml import etree

N = TypeVar("N")

UOF_BYTES_MAX: Final = 1 << 21
ELEMENTS_MAX: Final = 1 << 15
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
_PARSER: "Final[etree.XMLParser[etree._Element]]" = etree.XMLParser(
    encoding="utf-8",
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    huge_tree=False,
    recover=False,
    remove_comments=True,
    remove_pis=True,
    collect_ids=False,
)


class UofMalformedError(ValueError):
    """A body is no valid message: names the message, the field, and the rule or bound it breaks."""

    def __init__(self, message: str, field: str, rule: str) -> None:
        super().__init__(f"{message}: {field}: {rule}")
        self.message = message
        self.field = field


def parse(body: bytes) -> etree._Element:
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
    try:
        root = etree.fromstring(body, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        why = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UofMalformedError("message", "xml", why) from None
    return root


def local_name(element: etree._Element) -> str:
    """Return an element's name without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


@lru_cache(_TEXTS_MAX)
def _whole(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) else None


@lru_cache(_TEXTS_MAX)
def _decimal(text: str, high: int) -> Decimal | None:
    value = Decimal(text) if _DECIMAL.fullmatch(text) else None
    return value if value is not None and 0 <= value <= high else None


@lru_cache(_TEXTS_MAX)
def _thousandths(text: str, high: int) -> int | None:
    value = _decimal(text, high)
    return None if value is None else int((value * 1000).to_integral_value(ROUND_FLOOR))


def _real(text: str, high: int) -> float | None:
    # Not remembered: few probabilities come twice.
    value = float(text) if _DECIMAL.fullmatch(text) else None
    if value is None or value < high:
        return value
    return value if _decimal(text, high) is not None else None


class Fields:
    """The attributes and children of one element, read by name and checked against bounds.

    Every method raises `UofMalformedError` when the value breaks its bound.

    Parameters
    ----------
    message : str
        Name of the message, for errors.
    element : etree._Element
        The element.
    path : str
        Path from the root element to this one, ending in a dot, for errors; empty for the root.
    """

    __slots__ = ("_element", "_message", "_path")

    def __init__(self, message: str, element: etree._Element, path: str = "") -> None:
        if len(element.attrib) > ATTRIBUTES_MAX:
            rule = f"must have at most {ATTRIBUTES_MAX} attributes"
            raise UofMalformedError(message, path or local_name(element), rule)
        self._message = message
        self._element = element
        self._path = path

    def error(self, field: str, rule: str) -> UofMalformedError:
        """Return the error for a field that breaks a rule."""
        return UofMalformedError(self._message, self._path + field, rule)

    def optional_text(self, field: str) -> str | None:
        """Return an attribute of at most `TEXT_CHARS_MAX` characters; None when it is missing."""
        text = self._element.get(field)
        if text is not None and len(text) > TEXT_CHARS_MAX:
            raise self.error(field, f"must have at most {TEXT_CHARS_MAX} characters")
        return text

    def text(self, field: str) -> str:
        """Return an attribute that must be present and not empty."""
        text = self.optional_text(field)
        if not text:
            raise self.error(field, "is missing")
        return text

    def optional_integer(self, field: str, low: int, high: int) -> int | None:
        """Return a whole number from `low` to `high`; None when it is missing or empty."""
        text = self._element.get(field)
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

    def decimal(self, field: str, high: int) -> Decimal | None:
        """Return a decimal from 0 to `high`; None when it is missing or empty."""
        return self._number(field, high, _decimal)

    def thousandths(self, field: str, high: int) -> int | None:
        """Return a decimal from 0 to `high` in thousandths, rounded down; None as in `decimal`."""
        return self._number(field, high, _thousandths)

    def real(self, field: str, high: int) -> float | None:
        """Return a decimal from 0 to `high` as the nearest float; None as in `decimal`."""
        return self._number(field, high, _real)

    def _number(self, field: str, high: int, read: Callable[[str, int], N | None]) -> N | None:
        text = self._element.get(field)
        if not text:
            return None
        value = read(text, high) if len(text) <= TEXT_CHARS_MAX else None
        if value is None:
            raise self._unfit(field, f"must be a decimal from 0 to {high}")
        return value

    def _unfit(self, field: str, rule: str) -> UofMalformedError:
        """Return the error for a text that is too long, or breaks a rule."""
        text = self.text(field)
        return self.error(field, f"{rule}, not {text[:40]!r}")

    def child(self, name: str) -> "Fields | None":
        """Return the first child of a name; None when there is none."""
        for element in self._element:
            if element.tag == name or local_name(element) == name:
                return Fields(self._message, element, f"{self._path}{name}.")
        return None

    def children(self, name: str) -> list["Fields"]:
        """Return the children of a name, in document order."""
        message, path = self._message, f"{self._path}{name}."
        return [
            Fields(message, element, path)
            for element in self._element
            if element.tag == name or local_name(element) == name
        ]
