"""A deflated data set reads like the bytes that went in, wherever one looks, and lies nowhere else."""

import os
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.dicomio.digest import content_digests
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header
from exchange.dicomio.inflated import inflate
from exchange.dicomio.limits import Limits
from exchange.domain.errors import InputError
from tests.exchange.dicomio import build

DEFLATED = "1.2.840.10008.1.2.1.99"
LIMITS = Limits()


def deflated(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CONTENT = os.urandom(1000) * 700 + bytes(400_000) + os.urandom(300_000)
PACKED = b"before" + deflated(CONTENT) + b"\0"


@given(
    looks=st.lists(
        st.tuples(st.integers(0, len(CONTENT) + 10), st.integers(-1, len(CONTENT))), min_size=1, max_size=8
    )
)
def test_any_look_gives_what_went_in(looks: list[tuple[int, int]]) -> None:
    with inflate(BytesIO(PACKED), 6, LIMITS) as stream:
        assert stream.seek(0, os.SEEK_END) == len(CONTENT)
        for offset, size in looks:
            stream.seek(offset)
            end = len(CONTENT) if size < 0 else offset + size
            assert stream.read(size) == CONTENT[offset:end]
            assert stream.tell() == max(offset, min(end, len(CONTENT)))


@given(data=st.binary(max_size=2000), level=st.integers(0, 9))
def test_reading_on(data: bytes, level: int) -> None:
    with inflate(BytesIO(deflated(data, level)), 0, LIMITS) as stream:
        assert b"".join(iter(lambda: stream.read(7), b"")) == data
        assert stream.seek(-len(data), os.SEEK_CUR) == 0
        assert stream.read() == data


def test_another_reader_of_the_source_does_not_matter() -> None:
    source = BytesIO(PACKED)
    stream = inflate(source, 6, LIMITS)
    found = b""
    while piece := stream.read(100_000):
        found += piece
        source.seek(3)
    assert found == CONTENT


@pytest.mark.parametrize("cut", [1, 100, 200_000])
def test_a_stream_that_does_not_end(cut: int) -> None:
    with pytest.raises(InputError) as told:
        inflate(BytesIO(deflated(CONTENT)[:-cut]), 0, LIMITS)
    assert told.value.code == "truncated"


def test_a_source_that_is_cut_meanwhile() -> None:
    source = BytesIO(deflated(CONTENT))
    stream = inflate(source, 0, LIMITS)
    source.truncate(len(source.getvalue()) - 250_000)
    with pytest.raises(InputError) as told:
        stream.read()
    assert told.value.code == "truncated"


def test_a_large_one_costs_no_memory_and_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 MB inflated: a look at it holds a few pieces, and leaves no trace in the temporary folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))  # does not exist: use of it fails
    path = tmp_path / "x.dcm"
    pixels = build.element(0x7FE00010, b"OW", bytes(40_000_000))
    path.write_bytes(build.meta(DEFLATED) + deflated(build.uids() + pixels, 1))
    tracemalloc.start()
    try:
        layout = examine(path)
        read_header(path)
        content_digests(layout)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert layout.pixels is not None
    assert layout.pixels.value_length == 40_000_000
