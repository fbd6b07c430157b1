"""C2SP signed notes: text, a blank line, and lines of signatures by named keys."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field

from exchange.domain.errors import LogError

MAX_NOTE = 1 << 17  # bytes; a post-quantum signature line has some 3,300
MAX_SIGNATURES = 64
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class Signature:
    """One line.

    Attributes:
        name: The key's name.
        key_id: Its four bytes.
        data: What the key made; its form depends on the key's type.
    """

    name: str
    key_id: bytes
    data: bytes = field(repr=False)

    @property
    def line(self) -> str:
        """As it stands in a note, with its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.data).decode('ascii')}\n"


def compose(text: str, signatures: Iterable[Signature]) -> bytes:
    """A signed note; `text` ends in a newline."""
    return (text + "\n" + "".join(one.line for one in signatures)).encode()


def parse(data: bytes) -> tuple[str, tuple[Signature, ...]]:
    """The text, newline included, and the signatures, none of which is checked here.

    Raises:
        LogError: It is no signed note.
    """
    try:
        note = data.decode("utf-8") if len(data) <= MAX_NOTE else ""
    except UnicodeDecodeError as error:
        raise LogError("cannot read a signed note: it is not UTF-8") from error
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n") or any(char < " " and char != "\n" for char in note):
        raise LogError("cannot read a signed note: it is none")
    listed = lines[:-1].split("\n")
    if len(listed) > MAX_SIGNATURES:
        raise LogError("cannot read a signed note: it has too many signatures")
    return text + "\n", tuple(map(_signature, listed))


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise LogError("cannot read a signed note: a signature is not base64") from error
    named = line.startswith(_DASH) and name and "+" not in name and not any(map(str.isspace, name))
    if not named or len(data) < 5:
        raise LogError("cannot read a signed note: a line is no signature")
    return Signature(name, data[:4], data[4:])
