"""Avro data of flat records, written with one schema and read with another."""

import struct


class Malformed(Exception):
    """The bytes are no datum of the writer's schema."""


class Trailing(Exception):
    """Bytes follow the datum."""


class Cursor:
    """Reads the primitives of Avro's binary encoding."""

    def __init__(self, data: bytes):
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.position + count > len(self.data):
            raise Malformed(f"{count} bytes wanted, {len(self.data) - self.position} left")
        piece = self.data[self.position : self.position + count]
        self.position += count
        return piece

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 63:
                raise Malformed("a number of more than ten bytes")
        if value >= 1 << 64:
            raise Malformed("a number beyond 64 bits")
        return (value >> 1) ^ -(value & 1)

    def value(self, kind):
        """A value of a primitive type or a union of such, with the name of its type."""
        if isinstance(kind, list):
            branch = self.varint()
            if not 0 <= branch < len(kind):
                raise Malformed(f"branch {branch} of a union of {len(kind)}")
            return self.value(kind[branch])
        if kind == "null":
            return kind, None
        if kind == "boolean":
            byte = self.take(1)[0]
            if byte > 1:
                raise Malformed(f"boolean {byte}")
            return kind, byte == 1
        if kind in ("int", "long"):
            return kind, self.varint()
        if kind == "float":
            return kind, struct.unpack("<f", self.take(4))[0]
        if kind == "double":
            return kind, struct.unpack("<d", self.take(8))[0]
        if kind == "bytes":
            return kind, self.take(self.varint())
        if kind == "string":
            try:
                return kind, self.take(self.varint()).decode("utf-8", errors="strict")
            except UnicodeDecodeError as error:
                raise Malformed(str(error)) from error
        raise NotImplementedError(f"the oracle reads flat records only, not {kind}")


def read_record(schema: dict, datum: bytes) -> dict:
    """The fields of a record as (type name, value)."""
    cursor = Cursor(datum)
    fields = {field["name"]: cursor.value(field["type"]) for field in schema["fields"]}
    if cursor.position != len(datum):
        raise Trailing(f"{len(datum) - cursor.position} bytes")
    return fields
