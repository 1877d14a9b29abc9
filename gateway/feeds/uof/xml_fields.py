"""Parse untrusted XML, and read attributes and children with bounds.

Owns what is well formed. The parser accepts UTF-8 only, refuses a document type (and with it every
entity), loads nothing from the network and builds no huge tree. Bytes, elements and attributes are
bounded before anything is built of them. It knows no message of the feed.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from lxml import etree

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
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UofMalformedError("message", "bytes", "must be UTF-8") from None
    if any(start in text for start in _FORBIDDEN):
        raise UofMalformedError("message", "document type", "is not allowed")
    if text.count("<") > 2 * ELEMENTS_MAX:
        raise UofMalformedError("message", "elements", f"must be at most {ELEMENTS_MAX}")
    declared = _ENCODING.search(text[:200]) if text.startswith("<?xml") else None
    if declared and declared[1].lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise UofMalformedError("message", "encoding", "must be UTF-8")
    parser: etree.XMLParser[etree._Element] = etree.XMLParser(
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
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        why = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UofMalformedError("message", "xml", why) from None
    return root


def local_name(element: etree._Element) -> str:
    """Return an element's name without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


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
        text = self.optional_text(field)
        if text is None or text == "":
            return None
        value = int(text) if _INTEGER.fullmatch(text) else None
        if value is None or not low <= value <= high:
            raise self.error(
                field, f"must be a whole number from {low} to {high}, not {text[:40]!r}"
            )
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
        text = self.optional_text(field)
        if text is None or text == "":
            return None
        value = Decimal(text) if _DECIMAL.fullmatch(text) else None
        if value is None or not 0 <= value <= high:
            raise self.error(field, f"must be a decimal from 0 to {high}, not {text[:40]!r}")
        return value

    def child(self, name: str) -> "Fields | None":
        """Return the first child of a name; None when there is none."""
        return next(self.children(name), None)

    def children(self, name: str) -> Iterator["Fields"]:
        """Yield the children of a name, in document order."""
        for element in self._element:
            if local_name(element) == name:
                yield Fields(self._message, element, f"{self._path}{name}.")
