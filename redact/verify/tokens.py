"""What to search for: identifiers compiled once a study into byte patterns and text rules.

Rules that keep false alarms low without opening a hole (measured on real files, see the specification):
- Raw bytes: only forms of at least 6 bytes with at least 4 distinct ones. UTF-16 forms count characters, not
  bytes: small 16-bit pixel values look like letters.
- A name part or institution word that is an ordinary word (`vocabulary`) or has two letters or fewer never
  fails alone outside a person name; beside another part of the same name it does, in any order, by initial,
  or joined.
- Numbers shorter than 4 characters (an accession number of 1) show nothing and are not searched; of 4 or 5,
  only between word boundaries in text; longer ones also with separators inside. As binary numbers from five
  digits on, where `numbers` lets them count.
- Dates are searched in every usual way of writing them; a date that is also the shifted form of another
  original date is no failure (1.5 % of patients), because per-element comparison decides those.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydicom.charset import python_encoding

from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.verify import forms
from redact.verify.bytescan import MIN_LENGTH, BytePatterns, fold
from redact.verify.numbers import numbers_in
from redact.verify.vocabulary import PLACEHOLDERS, common_words

MIN_DISTINCT = 4
MIN_WIDE_CHARACTERS = 6
MIN_NUMBER = 4
MIN_UID = 10

_NAMES = frozenset({IdentifierKind.PATIENT_NAME, IdentifierKind.PERSON})
_NUMBERS = frozenset({IdentifierKind.PATIENT_ID, IdentifierKind.NUMBER, IdentifierKind.PHONE})
_PHRASES = frozenset({IdentifierKind.INSTITUTION, IdentifierKind.ADDRESS, IdentifierKind.OTHER})
_LONG_DIGITS = re.compile(r"[1-9]\d{5,}")  # the number in MRN-4471180 names the patient without its letters
_ESCAPES = re.compile(rb"^\x1b[$()-/]+[@-~]|\x1b\([BJ]$")
_STANDARD_UIDS = "1.2.840.10008."
# UIDs that name a kind of thing, not a thing: they stay as they are (PS3.15 E.3.9 concerns instance UIDs
# only).
_CLASS_KEYWORDS = (
    "SOPClass",
    "TransferSyntax",
    "CodingScheme",
    "ContextUID",
    "ImplementationClass",
    "MappingResource",
)

Kinds = frozenset[IdentifierKind]
KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A rule that matched in text.

    Attributes:
        standalone_word: One ordinary word, which fails in person names only.
        one_word: One word of a name of several.
    """

    kinds: Kinds
    standalone_word: bool = False
    one_word: bool = False


@dataclass(slots=True)
class Tokens:
    """Identifiers in searchable form; build with `compile_tokens`. Its repr shows counts only."""

    patterns: BytePatterns = field(repr=False)
    pattern_kinds: Mapping[bytes, Kinds] = field(repr=False)
    wide: frozenset[bytes] = field(repr=False)
    names: Mapping[str, Kinds] = field(repr=False)
    phrases: Mapping[str, tuple[tuple[tuple[str, ...], Kinds], ...]] = field(repr=False)
    numbers: Mapping[str, tuple[re.Pattern[str], Kinds]] = field(repr=False)
    values: Mapping[int, Kinds] = field(repr=False)
    unspaced: Mapping[str, Kinds] = field(repr=False)
    dates: frozenset[str] = field(repr=False)
    uids: frozenset[str] = field(repr=False)
    clean: set[tuple[bytes, bool, bool]] = field(
        default_factory=set, repr=False
    )  # memo of short values without a match

    @property
    def searched(self) -> int:
        """How many forms are searched, of all sorts."""
        phrases = sum(len(listed) for listed in self.phrases.values())
        texts = len(self.names) + phrases + len(self.numbers) + len(self.unspaced)
        return len(self.patterns) + texts + len(self.values) + len(self.dates) + len(self.uids)

    def match(self, text: str) -> list[TextMatch]:
        """Every rule that matches in decoded text, UIDs and dates excepted."""
        return [match for spelling in forms.spellings(text) for match in self._match(spelling)]

    def _match(self, text: str) -> list[TextMatch]:
        plain = forms.words(text)
        found = self._words(plain)
        if self.numbers:
            bare = "".join(plain)
            for number, (pattern, kinds) in self.numbers.items():
                if number in bare and pattern.search(forms.folded(text)):
                    found.append(TextMatch(kinds))
        if self.unspaced and not text.isascii():
            whole = forms.folded(text)
            found += [TextMatch(kinds) for token, kinds in self.unspaced.items() if token in whole]
        return found

    def _words(self, plain: tuple[str, ...]) -> list[TextMatch]:
        found, ordinary = [], common_words()
        for index, word in enumerate(plain):
            kinds = self.names.get(word)
            if kinds is not None:
                common = word in ordinary or len(word) <= 2
                found.append(TextMatch(kinds, standalone_word=common, one_word=True))
            for phrase, kinds in self.phrases.get(word, ()):
                if plain[index : index + len(phrase)] == phrase:
                    found.append(TextMatch(kinds))
        return found


class _Builder:
    def __init__(self, encodings: Iterable[str]) -> None:
        self.encodings = tuple(dict.fromkeys(("latin-1", "utf-8", *encodings)))
        self.raw: dict[bytes, set[IdentifierKind]] = defaultdict(set)
        self.wide: set[bytes] = set()
        self.names: dict[str, set[IdentifierKind]] = defaultdict(set)
        self.phrases: dict[tuple[str, ...], set[IdentifierKind]] = defaultdict(set)
        self.numbers: dict[str, set[IdentifierKind]] = defaultdict(set)
        self.values: dict[int, set[IdentifierKind]] = defaultdict(set)
        self.unspaced: dict[str, set[IdentifierKind]] = defaultdict(set)
        self.uids: set[str] = set()

    def add_raw(self, text: str, kind: IdentifierKind) -> None:
        """Add the encodings of a text that are long and distinct enough to mean something anywhere."""
        # Patterns are folded: ASCII letters need one case only, the one that they are written in, which has
        # at least as many distinct bytes as another.
        for variant in {text} if text.isascii() else {text, text.upper(), text.lower()}:
            for encoding in self.encodings:
                encoded = _encode(variant, encoding)
                if len(encoded) >= MIN_LENGTH and len(set(encoded)) >= MIN_DISTINCT:
                    self.raw[fold(encoded)].add(kind)
            if len(variant) >= MIN_WIDE_CHARACTERS and len(set(variant)) >= MIN_DISTINCT:
                for encoding in ("utf-16-le", "utf-16-be"):
                    encoded = fold(_encode(variant, encoding))
                    self.raw[encoded].add(kind)
                    self.wide.add(encoded)

    def add_name(self, value: str, kind: IdentifierKind) -> None:
        if forms.folded(value).strip(" ^=") in PLACEHOLDERS:
            return
        self.add_raw(value, kind)
        for family, given in forms.name_groups(value):
            for word in (*family, *given):
                self._add_word(word, kind)
            for phrase in forms.name_phrases(family, given):
                self._add_phrase(phrase, kind)

    def _add_word(self, word: str, kind: IdentifierKind) -> None:
        if word.isdigit() or word in PLACEHOLDERS:
            return
        if forms.is_unspaced(word):
            if len(word) > 1:
                self.unspaced[word].add(kind)
        elif len(word) > 1:
            self.names[word].add(kind)
        if word not in common_words():
            self.add_raw(word, kind)

    def _add_phrase(self, phrase: tuple[str, ...], kind: IdentifierKind) -> None:
        self.phrases[phrase].add(kind)
        if len("".join(phrase)) > MIN_LENGTH:
            for separator in ("^", " ", ", ", ",", "_", "-", ""):
                self.add_raw(separator.join(phrase), kind)

    def add_number(self, value: str, kind: IdentifierKind) -> None:
        bare = forms.squeezed(value)
        telephones = forms.telephone_digits(value) if kind is IdentifierKind.PHONE else set()
        for written in (bare, *telephones):
            for number in numbers_in(written):
                self.values[number].add(kind)
        if len(bare) < MIN_NUMBER or len(set(bare)) == 1 or not any(c.isdigit() for c in bare):
            if not bare.isdigit() and len(bare) >= MIN_NUMBER:
                self.add_phrase_value(value, kind)
            return
        for form in {bare, *_LONG_DIGITS.findall(bare), *telephones}:
            self.numbers[form].add(kind)
            self.add_raw(form, kind)
        self.add_raw(value.strip(), kind)

    def add_phrase_value(self, value: str, kind: IdentifierKind) -> None:
        """Several words count as a whole; a single word, or an institution's own word, by itself."""
        plain, ordinary = forms.words(value), common_words()
        telling = [word for word in plain if word not in ordinary and len(word) > 2 and not word.isdigit()]
        if not plain or (not telling and len(plain) < 3) or forms.folded(value).strip() in PLACEHOLDERS:
            return
        self.phrases[plain].add(kind)
        self.add_raw(value.strip(), kind)
        if kind is IdentifierKind.INSTITUTION:
            for word in telling:
                if len(word) > 4:
                    self._add_word(word, kind)

    def add_uid(self, value: str, source: str) -> None:
        uid = value.strip(" \0")
        if uid.startswith(_STANDARD_UIDS) or any(keyword in source for keyword in _CLASS_KEYWORDS):
            return
        self.uids.add(uid)
        if len(uid) >= MIN_UID:
            self.raw[uid.encode("utf-8", "replace").lower()].add(IdentifierKind.UID)


def _encode(text: str, encoding: str) -> bytes:
    try:
        encoded = text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return b""
    # ISO 2022 codecs frame the text in escape sequences that may stand elsewhere in the file
    return _ESCAPES.sub(b"", encoded) if b"\x1b" in encoded else encoded


def encodings_of(specific_character_sets: Iterable[str]) -> frozenset[str]:
    """Python codecs of DICOM defined terms (PS3.3 C.12.1.1.2); unknown terms are left out."""
    return frozenset(python_encoding[term] for term in specific_character_sets if term in python_encoding)


def compile_tokens(
    identifiers: HarvestedIdentifiers,
    *,
    specific_character_sets: Iterable[str] = (),
    expected_dates: Callable[[str], str] | None = None,
    own: Iterable[Identifier] = (),
) -> Tokens:
    """Compile identifiers for searching.

    Args:
        identifiers: Of the whole study and the patient's earlier exchanges.
        specific_character_sets: Defined terms that the originals declare.
        own: The patient's own, where the profile retains identity: their forms are of the kind OWN, too.
        expected_dates: Original DA to the DA that the profile puts in its place; None when dates may remain.
    """
    builder = _Builder(sorted(encodings_of(specific_character_sets)))
    dates: set[str] = set()
    for identifier in sorted(identifiers.items):
        if identifier.kind is IdentifierKind.DATE:
            dates.update(forms.dates_in(identifier.value[:8]))
        else:
            _add(builder, identifier, identifier.kind)
    for identifier in own:
        _add(builder, identifier, IdentifierKind.OWN)
    dates = _telling_dates(dates, expected_dates)
    for day in dates:
        builder.raw[day.encode()].add(IdentifierKind.DATE)
    return _build(builder, frozenset(dates))


def _add(builder: _Builder, identifier: Identifier, told: IdentifierKind) -> None:
    """Add an identifier in the forms of its kind; `told` is the kind that a match of them is said to be."""
    kind, value = identifier.kind, identifier.value
    if not value.strip(" \0"):
        return
    if kind in _NAMES:
        builder.add_name(value, told)
    elif kind in _NUMBERS:
        builder.add_number(value, told)
    elif kind in _PHRASES:
        builder.add_phrase_value(value, told)
    elif kind is IdentifierKind.UID:
        builder.add_uid(value, identifier.source)


def _telling_dates(dates: set[str], expected: Callable[[str], str] | None) -> set[str]:
    """The days whose presence shows a leak: none that a shift may produce, no constants such as 1900."""
    if expected is None:
        return set()
    produced = {expected(day) for day in dates}
    return {
        day for day in dates if day not in produced and len(set(day)) >= 3 and "19000101" < day < "21000101"
    }


def _build(builder: _Builder, dates: frozenset[str]) -> Tokens:
    by_first: dict[str, list[tuple[tuple[str, ...], Kinds]]] = defaultdict(list)
    for phrase, kinds in builder.phrases.items():
        by_first[phrase[0]].append((phrase, frozenset(kinds)))
    return Tokens(
        patterns=BytePatterns(builder.raw),
        pattern_kinds=_frozen(builder.raw),
        wide=frozenset(builder.wide),
        names=_frozen(builder.names),
        phrases={
            word: tuple(sorted(listed, key=lambda entry: entry[0])) for word, listed in by_first.items()
        },
        numbers={bare: (_separable(bare), frozenset(kinds)) for bare, kinds in builder.numbers.items()},
        values=_frozen(builder.values),
        unspaced=_frozen(builder.unspaced),
        dates=dates,
        uids=frozenset(builder.uids),
    )


def _frozen(kinds: Mapping[KeyT, set[IdentifierKind]]) -> dict[KeyT, Kinds]:
    return {key: frozenset(value) for key, value in kinds.items()}


def _separable(bare: str) -> re.Pattern[str]:
    """The number with at most two separators between characters, and not inside a longer number or word."""
    body = r"[\W_]{0,2}".join(re.escape(character) for character in bare)
    if len(bare) < MIN_LENGTH:
        return re.compile(rf"(?<![^\W_]){body}(?![^\W_])")
    before = r"(?<!\d)" if bare[0].isdigit() else r"(?<![^\W\d_])"
    after = r"(?!\d)" if bare[-1].isdigit() else r"(?![^\W\d_])"
    return re.compile(before + body + after)
