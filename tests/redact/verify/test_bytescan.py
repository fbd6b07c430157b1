"""The byte scan: finds everything that is there, wherever it lies, and nothing else."""

import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.verify import bytescan
from redact.verify.bytescan import MIN_LENGTH, BytePatterns, fold

patterns = st.binary(min_size=MIN_LENGTH, max_size=40)


@given(st.lists(patterns, min_size=1, max_size=8), st.binary(max_size=400), st.data())
def test_planted_pattern_is_found_at_its_place(
    listed: list[bytes], noise: bytes, data: st.DataObject
) -> None:
    planted = data.draw(st.sampled_from(listed))
    at = data.draw(st.integers(0, len(noise)))
    hits = list(BytePatterns(listed).scan(noise[:at] + planted + noise[at:]))
    assert (at, fold(planted)) in {(hit.offset, hit.pattern) for hit in hits}


@given(st.lists(patterns, max_size=6), st.binary(max_size=300))
def test_hits_are_exactly_what_naive_search_finds(listed: list[bytes], buffer: bytes) -> None:
    plain = fold(buffer)
    naive = {
        (at, fold(pattern))
        for pattern in listed
        for at in range(len(plain))
        if plain.startswith(fold(pattern), at)
    }
    assert {(hit.offset, hit.pattern) for hit in BytePatterns(listed).scan(buffer)} == naive


few_bytes = st.sampled_from(b"aA\0")


@given(
    st.lists(st.lists(few_bytes, min_size=MIN_LENGTH, max_size=7).map(bytes), min_size=1, max_size=6),
    st.lists(few_bytes, max_size=200).map(bytes),
    st.sampled_from([8, 13, 1 << 18]),
)
def test_hits_are_exact_where_almost_everything_is_similar(
    listed: list[bytes], buffer: bytes, block: int
) -> None:
    plain = fold(buffer)
    naive = [
        (at, pattern)
        for at in range(len(plain))
        for pattern in sorted({fold(one) for one in listed}, key=lambda one: (len(one), one))
        if plain.startswith(pattern, at)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bytescan, "BLOCK", block)
        found = [(hit.offset, hit.pattern) for hit in BytePatterns(listed).scan(buffer)]
    assert found == naive


@pytest.mark.parametrize("shift", range(-12, 2))
def test_pattern_across_a_block_border(shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytescan, "BLOCK", 64)
    buffer = bytearray(300)
    buffer[128 + shift : 128 + shift + 12] = b"Doering^Joha"
    hits = list(BytePatterns([b"DOERING^JOHA"]).scan(bytes(buffer)))
    assert [hit.offset for hit in hits] == [128 + shift]


@pytest.mark.parametrize("block", [32, 1 << 18])
@pytest.mark.parametrize("pattern", [b"doering ", b"doering", b"aaaaaa"])
def test_every_occurrence_once_and_in_order(
    pattern: bytes, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytescan, "BLOCK", block)
    buffer = pattern * 40
    found = [hit.offset for hit in BytePatterns([pattern]).scan(buffer)]
    step = 1 if len(set(pattern)) == 1 else len(pattern)
    assert found == list(range(0, len(buffer) - len(pattern) + 1, step))


def test_region_bounds_are_kept() -> None:
    buffer = b"doering" * 3
    found = [hit.offset for hit in BytePatterns([b"doering"]).scan(buffer, 1, 20)]
    assert found == [7]


def test_short_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than"):
        BytePatterns([b"doe"])


def test_empty_set_and_empty_buffer_find_nothing() -> None:
    assert list(BytePatterns([]).scan(b"anything")) == []
    assert list(BytePatterns([b"doering"]).scan(b"")) == []


def test_repr_shows_no_bytes() -> None:
    hits = list(BytePatterns([b"doering"]).scan(b"..doering.."))
    assert "doering" not in repr(hits)


def test_thousands_of_patterns_in_random_bytes_give_no_hit() -> None:
    words = [f"{string.ascii_letters[at % 26]}name{at:05d}".encode() for at in range(5000)]
    assert list(BytePatterns(words).scan(os.urandom(1 << 20))) == []
