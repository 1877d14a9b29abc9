"""Forms of several fields, made from the messages that they fill in, and read by these messages.

Owns how a message's fields are named and typed on the screen. What a field may hold is the
message's to say: its own refusal is shown.
"""

import enum
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar, get_args

import msgspec

T = TypeVar("T")
_DIGITS_MAX: Final = 15


class FormError(Exception):
    """What was filled in cannot be sent; the message names the field."""


def field(name: str, label: str = "", **more: Any) -> dict[str, Any]:
    """Return a field as the browser draws it.

    `more` has its `value`, the row's field that it is filled from (`fill`), its `options`, a
    `hint`, or in `of` another field and the value of it for which this one is shown.
    """
    return {"name": name, "label": label or label_of(name), **more}


def label_of(name: str) -> str:
    """Return a field's name for people; amounts are in base currency."""
    return name.replace("_minor", "").replace("_", " ")


def fields_of(
    struct: type[msgspec.Struct],
    *,
    prefix: str = "",
    leave: Collection[str] = (),
    fill: bool = False,
    **more: Any,
) -> list[dict[str, Any]]:
    """Return the fields of a message that a person types, each with its default.

    `prefix` goes before their names, `leave` names those left out, and `fill` has them filled from
    the row's fields of the same names.
    """
    made = []
    for one in msgspec.structs.fields(struct):
        if one.name in leave:
            continue
        plain = _plain(one.type)
        options: dict[str, Any] = {}
        if isinstance(plain, type) and issubclass(plain, enum.Enum):
            options["options"] = [str(member.value) for member in plain]
        elif plain is bool:
            options["options"] = ["true", "false"]
        default = one.default
        if default not in (msgspec.NODEFAULT, msgspec.UNSET, None, ""):
            options["value"] = text_of(one.name, default)
        if fill:
            options["fill"] = prefix + one.name
        made.append(field(prefix + one.name, label_of(one.name), **options, **more))
    return made


def values_of(message: msgspec.Struct, *, prefix: str = "") -> dict[str, str]:
    """Return a message's fields as the texts that its form is filled with."""
    return {
        prefix + name: text_of(name, getattr(message, name)) for name in message.__struct_fields__
    }


def read(struct: type[T], values: Mapping[str, str], *, prefix: str = "", **parts: Any) -> T:
    """Return the message that a form's filled fields make; an empty one keeps its default.

    `parts` are fields that have been read before.

    Raises
    ------
    FormError
        A field is missing, out of bounds or no number; the message names it.
    """
    names = {one.name for one in msgspec.structs.fields(struct)}  # type: ignore[arg-type]
    document: dict[str, Any] = {name: msgspec.to_builtins(one) for name, one in parts.items()}
    for name in names:
        text = values.get(prefix + name)
        if text is not None and name not in parts:
            document[name] = minor_of(text, name) if "_minor" in name else text
    try:
        return msgspec.convert(document, struct, strict=False)
    except msgspec.ValidationError as error:
        raise FormError(str(error).replace("`$.", "`")) from error


def minor_of(text: str, name: str = "amount") -> int:
    """Return an amount of the base currency in minor units, from at most two decimals.

    Raises
    ------
    FormError
        It is none.
    """
    whole, _, parts = text.strip().replace(",", "").partition(".")
    digits = whole + parts
    if not (
        digits.isascii() and digits.isdigit() and len(parts) <= 2 and len(whole) <= _DIGITS_MAX
    ):
        raise FormError(f"{label_of(name)}: an amount of the base currency, as 5000 or 12.50")
    return int(whole or "0") * 100 + int((parts + "00")[:2])


def _plain(annotation: Any) -> Any:
    """Return the type inside an annotation with bounds, or of what may be missing."""
    while get_args(annotation):
        annotation = get_args(annotation)[0]
    return annotation


def text_of(name: str, value: Any) -> str:
    """Return a field's value as it is typed: amounts in base currency."""
    if "_minor" in name and isinstance(value, int):
        return f"{value / 100:.15g}"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(getattr(value, "value", value))
