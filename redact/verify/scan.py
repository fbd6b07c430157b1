"""The two scans of an encoded data set: raw bytes, then the decoded value of every element.

Both work on a buffer and yield what they found, so that the planted canary goes through the very same code.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import IdentifierKind
from redact.verify import forms
from redact.verify.attribute_types import AttributeTypes
from redact.verify.bytescan import Hit, Hits
from redact.verify.content import VALUE_TYPE_OF, ContentNotes
from redact.verify.decode import DATE_VRS, NUMERIC_VRS, TEXT_VRS, looks_like_text, texts_of
from redact.verify.documents import DOCUMENT
from redact.verify.expectations import Expectations
from redact.verify.numbers import (
    BINARY_NUMBER_VRS,
    MAX_COINCIDENCE,
    MIN_DIGITS,
    binary_numbers,
    find,
    vr_of_number,
    written_number,
)
from redact.verify.retained import may_name_patient, stays_itself
from redact.verify.tokens import Kinds, Tokens
from redact.verify.unpack import LEAST, is_packed, unpacked
from redact.verify.vocabulary import DEGREES, common_words
from redact.verify.walk import Buffer, Element

MAX_TEXT_IN_BINARY = 64 * 1024
MAX_HITS = 100_000
MIN_WIDE_BYTES_IN_PIXELS = 20
_MEMO_VALUE = 256
_MEMO_SIZE = 100_000
_MAPPED_UID = b"2.25."
_STANDARD_UID = b"1.2.840.10008."
_UID = frozenset({IdentifierKind.UID})
_DATE = frozenset({IdentifierKind.DATE})
_NEVER_PACKED = frozenset({"UI", *NUMERIC_VRS, *DATE_VRS})
_PERSON = frozenset({IdentifierKind.PERSON})
# Manufacturer, its model name, and those of the secondary capture device and the coils: a maker may well be
# called like somebody, and be given as the creator of the content, too; the patient may not stand there. A
# maker's name begins with that word, and has no degree behind it.
_MAKERS = frozenset({0x00080070, 0x00081090, 0x00181016, 0x00181018, 0x00189041, 0x00189050})


@dataclass(frozen=True, slots=True)
class Leak:
    """An identifier that should not be there: where and of what kind, never which."""

    path: str
    kinds: Kinds
    scan: str  # raw | decoded


@dataclass(slots=True)
class Scanner:
    """The scans of one cleaned instance; counts what it read.

    Attributes:
        content: The content items read so far, whose concept names may let an identifier remain.
        little_endian: Byte order of the data set.
        types: Of the attributes, which tell what number an object needs; None where nobody knows them.
        found: How many identifiers scan 2 saw, those counted that may stand where they do.
    """

    tokens: Tokens
    expectations: Expectations
    content: ContentNotes | None = None
    little_endian: bool = True
    types: AttributeTypes | None = None
    elements: int = 0
    scanned_bytes: int = 0
    found: int = 0

    def raw(self, buffer: Buffer, start: int, end: int) -> Hits:
        """Scan 1: every pattern in the bytes.

        Raises:
            HeldError: PROOF_IDENTIFIER, far more hits than chance gives.
        """
        hits = []
        self.scanned_bytes += end - start
        for hit in self.tokens.patterns.scan(buffer, start, end):
            hits.append(hit)
            if len(hits) > MAX_HITS:
                raise HeldError(
                    ReasonCode.PROOF_IDENTIFIER,
                    f"cannot prove that the file names no one: over {MAX_HITS} places look like identifiers",
                    "",
                    "have a person with the role privacy look at it",
                )
        return Hits(hits)

    def judge(self, buffer: Buffer, element: Element, hits: Hits) -> Iterator[Leak]:
        """Scan 2 over an element, and each raw hit in its value judged by it.

        Args:
            buffer: What the element's offsets count in.
            element: Its content, if it is a sequence, is judged by itself.
            hits: Of scan 1 over the same bytes.
        """
        self.elements += 1
        yield from self._element(buffer, element)
        for hit in hits.explain(element.start, element.end):
            if self._counts(buffer, element, hit):
                yield Leak(element.path, self.tokens.pattern_kinds[hit.pattern], "raw")

    def judge_rest(self, hits: Hits, region: str) -> Iterator[Leak]:
        """The raw hits that lie in no element's value; `region` is what to call that."""
        for hit in hits.unexplained():
            yield Leak(region, self.tokens.pattern_kinds[hit.pattern], "raw")

    def _counts(self, buffer: Buffer, element: Element, hit: Hit) -> bool:
        """Whether a raw hit inside this element's value shows a leak; the rules stand in `tokens`."""
        kinds = self.tokens.pattern_kinds[hit.pattern]
        if self._allows(element, kinds):
            return False
        if element.is_pixels:
            if hit.pattern in self.tokens.wide:
                return len(hit.pattern) >= MIN_WIDE_BYTES_IN_PIXELS
            return hit.found in {hit.pattern, hit.found.upper(), hit.found.title(), hit.found.capitalize()}
        if hit.found.isdigit() and element.vr in NUMERIC_VRS | DATE_VRS:
            return False  # digits by chance; scan 2 compares whole values
        if element.vr == "UI":
            value = bytes(buffer[element.start : element.end])
            part = _value_part(value, hit.offset - element.start).strip(b" \0")
            if kinds == _UID:
                return part == hit.found  # one UID may begin another
            return not (hit.found.isdigit() and part.startswith((_MAPPED_UID, _STANDARD_UID)))
        if element.tag in _MAKERS and kinds == _PERSON and hit.found.isalnum():
            return False  # scan 2 knows whether it names the maker
        if element.tag == DOCUMENT or (element.vr in TEXT_VRS and element.vr != "PN"):
            return not _part_of_another(buffer, element, hit)
        return True

    def _element(self, buffer: Buffer, element: Element) -> Iterator[Leak]:
        if element.end == element.start or element.is_pixels or element.vr == "SQ":
            return
        yield from self._packed(buffer, element)
        if element.tag == DOCUMENT and element.vr != "UT":
            return  # its text is what it shows (`documents`): numbers that say where are none
        binary = element.vr not in TEXT_VRS | NUMERIC_VRS | DATE_VRS and element.vr != "UI"
        if binary and element.end - element.start > MAX_TEXT_IN_BINARY:
            return  # words have no boundaries in bulk data: scan 1 is the one that counts there
        value = bytes(buffer[element.start : element.end])
        found: list[Kinds] = []
        if vr_of_number(element) in BINARY_NUMBER_VRS:
            found += self._in_binary_numbers(element, value)
        if not binary or looks_like_text(value):
            found += self._kinds(element, value.strip(b" \0"))
        self.found += len(found)
        for kinds in found:
            if not self._allows(element, kinds):
                yield Leak(element.path, kinds, "decoded")

    def _packed(self, buffer: Buffer, element: Element) -> Iterator[Leak]:
        """What is packed in the value; of large bulk data only what begins as a compressed file does."""
        if element.vr in _NEVER_PACKED or element.end - element.start < LEAST:
            return
        large = element.end - element.start > MAX_TEXT_IN_BINARY
        if (
            large
            and element.vr not in TEXT_VRS
            and not is_packed(bytes(buffer[element.start : element.start + 8]))
        ):
            return
        try:
            for content in unpacked(bytes(buffer[element.start : element.end])):
                self.scanned_bytes += len(content)
                for kinds in self._kinds_in(content):
                    self.found += 1
                    if not self._allows(element, kinds):
                        yield Leak(element.path, kinds, "unpacked")
        except HeldError as error:
            raise HeldError(error.code, error.message, element.path, error.hint) from None

    def _kinds_in(self, content: bytes) -> Iterator[Kinds]:
        """Identifiers in bytes that are no value of their own: by the patterns, and by the text's rules."""
        for hit in self.tokens.patterns.scan(content):
            yield self.tokens.pattern_kinds[hit.pattern]
        if looks_like_text(content):
            for text in texts_of(content, b""):
                yield from (match.kinds for match in self.tokens.match(text) if not match.standalone_word)

    def _allows(self, element: Element, kinds: Kinds) -> bool:
        """Whether the profile lets identifiers of these kinds stand here, by tag or by concept name."""
        if self.expectations.allows(element.tag, kinds) or stays_itself(element, self.expectations):
            return True
        if IdentifierKind.OWN in kinds and may_name_patient(element, self.expectations):
            return True
        value_type = VALUE_TYPE_OF.get(element.tag)
        if self.content is None or value_type is None:
            return False
        concept = self.content.concept_at(element.path)
        return concept is not None and self.expectations.allows_in_item(concept, value_type, kinds)

    def _kinds(self, element: Element, value: bytes) -> list[Kinds]:
        if element.vr == "UI":
            return self._in_uids(value)
        if element.vr in DATE_VRS:
            days = {value[at : at + 8].decode("ascii", "replace") for at in _starts(value)}
            return [_DATE] if days & self.tokens.dates else []
        if element.vr in NUMERIC_VRS:
            return self._in_numbers(value, whole=element.vr in {"DS", "IS"})
        return self._in_text(element, value)

    def _in_uids(self, value: bytes) -> list[Kinds]:
        found: list[Kinds] = []
        for uid in value.decode("ascii", "replace").split("\\"):
            bare = uid.strip(" \0")
            if bare in self.tokens.uids:
                found.append(_UID)
            elif not bare.startswith(("2.25.", "1.2.840.10008.")):
                found += [match.kinds for match in self.tokens.match(bare)]
        return found

    def _in_numbers(self, value: bytes, *, whole: bool) -> list[Kinds]:
        parts = [part.strip() for part in value.decode("ascii", "replace").split("\\")]
        numbers = self.tokens.numbers
        found = [numbers[part][1] for part in parts if len(part) >= 6 and part in numbers]
        if whole and self.tokens.values:
            written = [written_number(part) for part in parts if len(part) >= MIN_DIGITS]
            found += [
                self.tokens.values[one] for one in written if one is not None and one in self.tokens.values
            ]
        return found

    def _in_binary_numbers(self, element: Element, value: bytes) -> list[Kinds]:
        found = []
        for number, single in binary_numbers(element, value, little_endian=self.little_endian):
            kinds = find(self.tokens.values, number, single=single)
            if kinds is not None and (number > MAX_COINCIDENCE or not self._is_required(element)):
                found.append(kinds)
        return found

    def _is_required(self, element: Element) -> bool:
        return self.types is not None and self.types.of(element.path) == "1"

    def _in_text(self, element: Element, value: bytes) -> list[Kinds]:
        person, maker = element.vr == "PN", element.tag in _MAKERS
        key = (value, person, maker)
        # Escape sequences of ISO 2022 are ASCII: what they make of a value depends on the character set.
        memorable = len(value) <= _MEMO_VALUE and value.isascii() and b"\x1b" not in value
        if memorable and key in self.tokens.clean:
            return []
        found: list[Kinds] = []
        for text in texts_of(value, element.charset):
            matches = [match for match in self.tokens.match(text) if person or not match.standalone_word]
            may_be_maker = maker and self._begins_like_maker(text)
            found += [
                one.kinds for one in matches if not (may_be_maker and one.one_word and one.kinds == _PERSON)
            ]
            if self.tokens.dates and not self.tokens.dates.isdisjoint(forms.dates_in(text)):
                found.append(_DATE)
        if memorable and not found and len(self.tokens.clean) < _MEMO_SIZE:
            self.tokens.clean.add(key)
        return found

    def _begins_like_maker(self, text: str) -> bool:
        """Whether nobody is named behind the first word of a text, and that one has no degree."""
        _, *rest = forms.words(text) or ("",)
        if rest and rest[0] in DEGREES:
            return False
        return not any(one.kinds == _PERSON for one in self.tokens.match(" ".join(rest)))


def _starts(value: bytes) -> list[int]:
    """Offsets at which the values of a multi-valued element begin."""
    return [0, *(at + 1 for at, byte in enumerate(value) if byte == 0x5C)]


def _value_part(value: bytes, offset: int) -> bytes:
    """The one of several backslash-separated values in which `offset` lies."""
    begin = value.rfind(b"\\", 0, offset) + 1
    end = value.find(b"\\", offset)
    return value[begin : len(value) if end < 0 else end]


def _part_of_another(buffer: Buffer, element: Element, hit: Hit) -> bool:
    """Whether the hit is only part of an ordinary word (a name in «CONTRAST») or of a longer number."""
    if hit.found.isdigit():
        whole = _extended(buffer, element, hit, bytes.isdigit)
        return len(whole) > len(hit.found)
    if not hit.found.isalpha():
        return False
    return _extended(buffer, element, hit, bytes.isalpha).decode("ascii").lower() in common_words()


def _extended(buffer: Buffer, element: Element, hit: Hit, belongs: Callable[[bytes], bool]) -> bytes:
    """The run of such bytes around a hit, inside its element."""
    begin, end = hit.offset, hit.offset + len(hit.pattern)
    while begin > element.start and belongs(bytes(buffer[begin - 1 : begin])):
        begin -= 1
    while end < element.end and belongs(bytes(buffer[end : end + 1])):
        end += 1
    return bytes(buffer[begin:end])
