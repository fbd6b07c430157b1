"""The multipart reader: whatever the cuts, the same parts; whatever the bytes, only a bound of them held."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.intake.stow_multipart import (
    HEAD_MAX,
    PREAMBLE_MAX,
    MultipartError,
    MultipartReader,
    is_boundary,
    media_type,
)

BOUNDARY = "b0undary"
DELIMITER = b"\r\n--" + BOUNDARY.encode()


@dataclass
class Collected:
    """A sink that keeps everything."""

    heads: list[Mapping[str, str] | None] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    ended: int = 0

    def begin(self, headers: Mapping[str, str] | None) -> None:
        assert self.ended == len(self.heads)
        self.heads.append(headers)
        self.bodies.append(b"")

    def data(self, piece: memoryview) -> None:
        assert piece
        assert self.ended == len(self.heads) - 1
        self.bodies[-1] += bytes(piece)

    def end(self) -> None:
        self.ended += 1


def read(body: bytes, cuts: list[int] | None = None, *, boundary: str = BOUNDARY) -> Collected:
    """Feed a body cut at these offsets."""
    sink = Collected()
    reader = MultipartReader(boundary, sink)
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts or ()), len(body)]
    for start, end in pairwise(edges):
        reader.feed(body[start:end])
        assert len(reader._buffer) - reader._at <= HEAD_MAX + 4 + len(DELIMITER)
    reader.finish()
    return sink


def encode(parts: list[tuple[bytes, bytes]], *, preamble: bytes = b"", epilogue: bytes = b"") -> bytes:
    body = b"".join(DELIMITER + b"\r\n" + head + b"\r\n\r\n" + content for head, content in parts)
    body += DELIMITER + b"--\r\n" + epilogue
    return preamble + body if preamble else body.removeprefix(b"\r\n")


# Contents that look much like delimiters, so that the search is really tried.
NEARLY = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", b"\r\n--b0undar", b"b0undary", b"x"]),
    max_size=12,
).map(b"".join)
CONTENTS = st.one_of(st.binary(max_size=300), NEARLY).filter(
    lambda content: DELIMITER not in b"\r\n" + content
)
HEADS = st.sampled_from([b"Content-Type: application/dicom", b"A: b\r\nContent-Type:text/plain ", b"X:"])
# A content's end and the delimiter's beginning must not make a delimiter of their own.
PARTS = st.lists(st.tuples(HEADS, CONTENTS), max_size=5)


@given(PARTS, st.lists(st.integers(0, 10_000), max_size=30), st.sampled_from([b"", b"hello"]))
def test_any_cuts_give_the_same_parts(parts: list[tuple[bytes, bytes]], cuts: list[int], more: bytes) -> None:
    body = encode(parts, preamble=more, epilogue=more)
    found = read(body, cuts)
    assert found.bodies == [content for _, content in parts]
    assert found.ended == len(parts)
    assert all(head is not None for head in found.heads)


@given(PARTS)
def test_one_byte_at_a_time(parts: list[tuple[bytes, bytes]]) -> None:
    body = encode(parts)
    assert read(body, list(range(len(body)))).bodies == [content for _, content in parts]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=10))
def test_hostile_bytes_fail_in_one_way_only(noise: bytes, cuts: list[int]) -> None:
    body = b"--" + BOUNDARY.encode() + b"\r\nA: b\r\n\r\n" + noise
    outcomes = []
    for each in (cuts, []):
        try:
            outcomes.append(read(body, each).bodies)
        except MultipartError as error:
            outcomes.append([str(error).encode()])
    assert outcomes[0] == outcomes[1]


@given(PARTS, st.data())
def test_a_body_cut_short_never_ends_a_part_that_is_not_whole(
    parts: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    body = encode(parts)
    closing = len(DELIMITER + b"--\r\n") if parts else len(body)
    short = body[: data.draw(st.integers(0, max(len(body) - closing, 0)))]
    sink = Collected()
    reader = MultipartReader(BOUNDARY, sink)
    reader.feed(short)
    with pytest.raises(MultipartError, match="the body ends"):
        reader.finish()
    assert sink.bodies[: sink.ended] == [content for _, content in parts][: sink.ended]


def test_unreadable_heads_do_not_hide_the_parts_behind_them() -> None:
    good = (b"Content-Type: application/dicom", b"good")
    bad = [b"no colon", b" folded: x", b"a\x00: b", b"A: " + b"x" * (HEAD_MAX + 10), b"A: b\r\n" * 100]
    found = read(encode([part for head in bad for part in ((head, b"bad"), good)]))
    assert found.heads[::2] == [None] * len(bad)
    assert found.bodies[1::2] == [b"good"] * len(bad)


def test_parts_without_head_or_content() -> None:
    start = b"--" + BOUNDARY.encode()
    body = (
        start
        + b"\r\n\r\nplain"
        + DELIMITER
        + b" \t\r\nA: b\r\n"
        + DELIMITER
        + b"\r\nA: c\r\n\r\n"
        + DELIMITER
    )
    found = read(body + b"--")
    assert found.heads == [{}, {"a": "b"}, {"a": "c"}]
    assert found.bodies == [b"plain", b"", b""]


BROKEN = {
    "no boundary at all": (b"x" * (PREAMBLE_MAX + 100), "does not occur"),
    "something behind a boundary": (encode([(b"A: b", b"c")]).replace(b"y\r\n", b"y?\r\n", 1), "followed by"),
    "a bare line feed": (encode([(b"A: b", b"c")]).replace(b"y\r\n", b"y\n", 1), "followed by"),
    "blanks without end": (b"--" + BOUNDARY.encode() + b" " * 1000, "too many blanks"),
    "nothing": (b"", "the body ends before the first delimiter"),
    "an end behind a boundary": (b"--" + BOUNDARY.encode(), "the body ends behind a boundary"),
    "an end in a head": (b"--" + BOUNDARY.encode() + b"\r\nA: b\r\n", "in header fields"),
    "an end in a part": (b"--" + BOUNDARY.encode() + b"\r\nA: b\r\n\r\nxyz", "in a part"),
}


@pytest.mark.parametrize(("body", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_framing(body: bytes, words: str) -> None:
    with pytest.raises(MultipartError, match=words):
        read(body)
    with pytest.raises(MultipartError, match=words):
        read(body, list(range(len(body))))


def test_the_epilogue_is_passed_over_whatever_it_is() -> None:
    found = read(encode([(b"A: b", b"c")], epilogue=DELIMITER + b"\r\nA: b\r\n\r\nmore" * 1000))
    assert found.bodies == [b"c"]


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        ("application/dicom", "application/dicom", {}),
        (' Text/HTML ; Q=0.5; level="1"', "text/html", {"q": "0.5", "level": "1"}),
        ('a/b; type="c/d"; boundary=x=y/z', "a/b", {"type": "c/d", "boundary": "x=y/z"}),
        ('a/b; x="q\\"uo;te"; ; x=second', "a/b", {"x": 'q"uo;te'}),
        ('a/b; x="open', "a/b", {"x": '"open'}),
        ("", "", {}),
    ],
)  # fmt: skip
def test_media_types(value: str, kind: str, parameters: dict[str, str]) -> None:
    found = media_type(value)
    assert found[0] == kind
    if '"open' not in value:
        assert found[1] == parameters


@given(st.text(max_size=200))
def test_media_type_reads_anything(value: str) -> None:
    kind, parameters = media_type(value)
    assert kind == kind.lower()
    assert all(name == name.lower() for name in parameters)


def test_boundaries() -> None:
    assert is_boundary("a")
    assert is_boundary("gc0pJq0M:08jU534c0p=")
    assert not is_boundary("")
    assert not is_boundary("ends with blank ")
    assert not is_boundary("x" * 201)
    assert not is_boundary("ü")
    assert not is_boundary("a\r\nb")
