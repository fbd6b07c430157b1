"""Sealed files: what was sealed is read back, and nothing else is ever given."""

import errno
import io
import os
import pickle
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.domain.errors import KeysError, SpoolError
from exchange.spool.envelope import CHUNK, PREFIX_BYTES, TAG, decode_prefix
from exchange.spool.sealed import SealedSource, new_data_key, seal_file, unwrap, wrap
from exchange.spool.store import Spool
from tests.exchange.spool.house import CLASS, KEK, NOW, SYNTAX, UID, context, put

SIZES = (0, 1, 15, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5)


def content(size: int) -> bytes:
    """Bytes that differ from chunk to chunk."""
    return b"".join(struct.pack("<L", at) for at in range(0, size + 4, 4))[:size]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed")


def sealed(folder: Path, data: bytes, name: str = "one") -> SealedSource:
    key = new_data_key()
    assert seal_file(folder / name, [data], key) == len(data)
    return SealedSource(folder / name, key, name)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_is_read_back(folder: Path, size: int) -> None:
    source = sealed(folder, content(size))
    with source.open_plain() as stream:
        assert stream.read() == content(size)
        assert stream.read() == b""
        assert stream.seek(0, io.SEEK_END) == size
    assert content(min(size, 64)) not in source.path.read_bytes() or size < 16


@settings(max_examples=40)
@given(
    size=st.sampled_from(SIZES),
    cuts=st.lists(st.integers(0, 4 * CHUNK), max_size=5),
    reads=st.lists(st.tuples(st.integers(0, 4 * CHUNK), st.integers(0, 2 * CHUNK)), max_size=5),
)
def test_any_cut_in_and_any_range_out(
    folder: Path, size: int, cuts: list[int], reads: list[tuple[int, int]]
) -> None:
    data, key = content(size), new_data_key()
    borders = [0, *sorted(min(cut, size) for cut in cuts), size]
    pieces = [memoryview(data)[begin:end] for begin, end in pairwise(borders)]
    seal_file(folder / "ranges", pieces, key)
    with SealedSource(folder / "ranges", key, "ranges").open_plain() as stream:
        for offset, count in reads:
            stream.seek(offset)
            assert stream.read(count) == data[offset : offset + count]
            stream.seek(offset)
            buffer = bytearray(count)
            got = stream.readinto(buffer)  # type: ignore[attr-defined]
            assert bytes(buffer[:got]) == data[offset : offset + count]


def test_a_spool_file_is_cut_anywhere_and_comes_back(tmp_path: Path) -> None:
    spool, data = Spool(tmp_path, kek=KEK), content(3 * CHUNK + 5)
    for step in (1000, CHUNK - 1, CHUNK, CHUNK + 1, len(data)):
        with spool.begin(CLASS, f"{UID}.{step}", SYNTAX, context()) as writer:
            for at in range(0, len(data), step):
                writer.write(bytearray(data[at : at + step]))
            stored = writer.commit(NOW)
        with spool.source(stored.identity, stored.wrapped_key).open_plain() as stream:
            assert stream.read().endswith(data)
        spool.verify(stored.identity, stored.wrapped_key)


def test_a_source_crosses_to_another_process_and_shows_no_key(folder: Path) -> None:
    source = sealed(folder, b"content")
    with pickle.loads(pickle.dumps(source)).open_plain() as stream:  # noqa: S301 - our own
        assert stream.read() == b"content"
    assert source.key.hex() not in repr(source)
    assert repr(source.key) not in repr(source)


def test_a_wrapped_key_opens_only_what_it_is_bound_to() -> None:
    key = new_data_key()
    wrapped = wrap(KEK, key, b"this")
    assert unwrap(KEK, wrapped, b"this") == key
    changed = bytes((wrapped[0] ^ 1,)) + wrapped[1:]
    for kek, text, bound_to in (
        (KEK, wrapped, b"that"),
        (bytes(32), wrapped, b"this"),
        (KEK, changed, b"this"),
        (KEK, wrapped[:-1], b"this"),
        (KEK, b"", b"this"),
    ):
        with pytest.raises(KeysError):
            unwrap(kek, text, bound_to)


# Tampering: each attempt is refused, at the opening or at the first byte of the chunk concerned.


def chunks_of(raw: bytes) -> tuple[bytes, list[bytes]]:
    """Prefix with header, and the sealed chunks."""
    start = decode_prefix(raw[:PREFIX_BYTES]).content_offset
    body = raw[start:]
    return raw[:start], [body[at : at + CHUNK + TAG] for at in range(0, len(body), CHUNK + TAG)]


def cut_a_byte(raw: bytes) -> bytes:
    return raw[:-1]


def cut_a_chunk(raw: bytes) -> bytes:
    return raw[: -len(chunks_of(raw)[1][-1])]


def extend(raw: bytes) -> bytes:
    return raw + bytes(1)


def extend_by_a_chunk(raw: bytes) -> bytes:
    return raw + chunks_of(raw)[1][-1]


def swap_chunks(raw: bytes) -> bytes:
    head, chunks = chunks_of(raw)
    return head + b"".join((chunks[1], chunks[0], *chunks[2:]))


def repeat_a_chunk(raw: bytes) -> bytes:
    head, chunks = chunks_of(raw)
    return head + b"".join((chunks[0], chunks[0], *chunks[2:]))


def drop_the_last_for_another(raw: bytes) -> bytes:
    """As long as before, but an inner chunk stands where the last one was."""
    head, chunks = chunks_of(raw)
    return head + b"".join((*chunks[:-1], chunks[0][: len(chunks[-1])]))


TAMPERINGS: list[Callable[[bytes], bytes]] = [
    cut_a_byte,
    cut_a_chunk,
    extend,
    extend_by_a_chunk,
    swap_chunks,
    repeat_a_chunk,
    drop_the_last_for_another,
    lambda _: b"",
    lambda raw: raw[:PREFIX_BYTES],
]


def refused(source: SealedSource) -> None:
    with pytest.raises(OSError) as told, source.open_plain() as stream:  # noqa: PT011 - errno is looked at
        stream.read()
    assert told.value.errno == errno.EBADMSG


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_what_was_tampered_with_is_refused(folder: Path, tamper: Callable[[bytes], bytes]) -> None:
    source = sealed(folder, content(2 * CHUNK + 100))
    source.path.write_bytes(tamper(source.path.read_bytes()))
    refused(source)


@given(at=st.integers(0, 2 * CHUNK + 600), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_every_flipped_bit_is_refused(folder: Path, at: int, bit: int) -> None:
    if not (folder / "flip").exists():
        seal_file(folder / "flip", [content(2 * CHUNK + 100)], bytes(32))
    raw = bytearray((folder / "flip").read_bytes())
    raw[at % len(raw)] ^= 1 << bit
    (folder / "flipped").write_bytes(raw)
    refused(SealedSource(folder / "flipped", bytes(32), "flip"))


def test_a_changed_chunk_gives_no_byte_but_its_neighbours_are_read(folder: Path) -> None:
    source = sealed(folder, content(3 * CHUNK))
    head, chunks = chunks_of(source.path.read_bytes())
    chunks[1] = bytes((chunks[1][0] ^ 1,)) + chunks[1][1:]
    source.path.write_bytes(head + b"".join(chunks))
    with source.open_plain() as stream:
        assert stream.read(CHUNK) == content(CHUNK)
        with pytest.raises(OSError, match="changed"):
            stream.read(1)
        stream.seek(2 * CHUNK)
        assert stream.read(8) == content(3 * CHUNK)[2 * CHUNK : 2 * CHUNK + 8]


def test_no_part_of_another_file_is_taken(folder: Path) -> None:
    """Even under the same key, which never happens: salt and file id keep files apart."""
    key = new_data_key()
    for name in ("one", "two"):
        seal_file(folder / name, [content(2 * CHUNK)], key, "same")
    one, two = (chunks_of((folder / name).read_bytes()) for name in ("one", "two"))
    mixed = SealedSource(folder / "mixed", key, "same")
    for head, chunks in ((one[0], two[1]), (two[0], one[1]), (one[0], [one[1][0], two[1][1]])):
        mixed.path.write_bytes(head + b"".join(chunks))
        refused(mixed)


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path, kek=KEK)
    one, two = put(spool, b"one"), put(spool, b"two")
    os.replace(spool.path(two.identity), spool.path(one.identity))
    refused(spool.source(one.identity, one.wrapped_key))  # another key
    key = spool.source(one.identity).key  # the moved file's own, from its epoch
    refused(SealedSource(spool.path(one.identity), key, one.identity))
    with pytest.raises(SpoolError):
        spool.verify(one.identity)
    with pytest.raises(SpoolError):
        spool.source(one.identity, two.wrapped_key)


def test_a_header_of_another_spool_file_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path, kek=KEK)
    one, two = put(spool, content(300_000)), put(spool, content(300_001)[1:])
    head = chunks_of(spool.path(one.identity).read_bytes())[0]
    chunks = chunks_of(spool.path(two.identity).read_bytes())[1]
    spool.path(one.identity).write_bytes(head + b"".join(chunks))
    refused(spool.source(one.identity, one.wrapped_key))
    with pytest.raises(SpoolError, match="not those that were sealed"):
        spool.verify(one.identity)


def test_a_closed_stream_gives_nothing(folder: Path) -> None:
    stream = sealed(folder, content(10)).open_plain()
    stream.close()
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        stream.read(1)


def test_a_failing_disk_leaves_no_sealed_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> int:
        raise OSError(errno.ENOSPC, "injected")

    monkeypatch.setattr(os, "pwrite", failing)
    before = set(folder.iterdir())
    with pytest.raises(OSError, match="injected"):
        seal_file(folder / "never", [content(10)], new_data_key())
    assert set(folder.iterdir()) == before
