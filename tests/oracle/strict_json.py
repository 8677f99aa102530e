"""One JSON object from bytes, exactly as RFC 8259 has it."""

import json
import re


class Malformed(Exception):
    """The bytes are not exactly one JSON object in valid UTF-8."""


class Number(str):
    """The text of a number: what it means depends on the field."""


class Members(list):
    """The (name, value) pairs of an object, in order, with all duplicates."""


_SURROGATE = re.compile("[\ud800-\udfff]")


def _refuse_constant(name):
    raise Malformed(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=Members,
    parse_float=Number,
    parse_int=Number,
    parse_constant=_refuse_constant,
    strict=True,
)


def _check_surrogates(root):
    """Python joins escaped surrogate pairs and lets single surrogates pass; JSON texts are Unicode, so we do not."""
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, Members):
            for name, member in value:
                pending += (name, member)
        elif isinstance(value, list):
            pending += value
        elif type(value) is str and _SURROGATE.search(value):
            raise Malformed("a lone surrogate")


def parse_object(data: bytes) -> dict:
    """The members of the one object that the bytes are; of equal names the last."""
    try:
        text = data.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        raise Malformed(str(error)) from error
    stripped = text.lstrip(" \t\n\r")
    try:
        value, end = _DECODER.raw_decode(stripped)
    except json.JSONDecodeError as error:
        raise Malformed(str(error)) from error
    if stripped[end:].strip(" \t\n\r"):
        raise Malformed("text after the value")
    if not isinstance(value, Members):
        raise Malformed("not an object")
    if "\\u" in text:
        _check_surrogates(value)
    return dict(value)
