"""Short frozen files read whole: what is given is what was proved, or nothing is."""

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from exchange.dimse.frozen import WHOLE_MAX, FrozenBytesError, WholeReader, frozen_pieces
from exchange.domain.delivery import OutgoingInstance
from exchange.spool.sealed import SealedSource, new_data_key, seal_file
from tests.support.outgoing import make_study, plain_file


@pytest.fixture
def study(tmp_path: Path) -> list[OutgoingInstance]:
    return list(make_study(tmp_path, 3))


def test_one_buffer_serves_all(study: list[OutgoingInstance]) -> None:
    reader = WholeReader()
    for instance in study:
        view = reader.read(instance)
        assert view is not None
        assert sha256(view).hexdigest() == instance.sha256
        assert b"".join(frozen_pieces(instance, with_file_meta=False)) == view


def test_a_sealed_file_is_read_in_clear(study: list[OutgoingInstance], tmp_path: Path) -> None:
    key = new_data_key()
    seal_file(tmp_path / "sealed", [plain_file(study[0]).read_bytes()], key)
    sealed = replace(study[0], source=SealedSource(tmp_path / "sealed", key, "sealed"))
    view = WholeReader().read(sealed)
    assert view is not None
    assert view == b"".join(frozen_pieces(study[0], with_file_meta=False))
    data = bytearray((tmp_path / "sealed").read_bytes())
    data[-1] ^= 1
    (tmp_path / "sealed").write_bytes(data)
    with pytest.raises(FrozenBytesError):
        WholeReader().read(sealed)


def test_altered_cut_longer_and_gone(study: list[OutgoingInstance]) -> None:
    path = plain_file(study[0])
    whole = path.read_bytes()
    for content in (whole[:-1], whole + b"x", whole[:-1] + bytes([whole[-1] ^ 1]), b"", whole[:100]):
        path.write_bytes(content)
        with pytest.raises(FrozenBytesError) as caught:
            WholeReader().read(study[0])
        assert caught.value.altered
    path.unlink()
    with pytest.raises(FrozenBytesError) as caught:
        WholeReader().read(study[0])
    assert caught.value.altered


def test_what_is_too_long_is_not_held_whatever_was_said_of_its_length(study: list[OutgoingInstance]) -> None:
    os.truncate(plain_file(study[0]), WHOLE_MAX + 10_000)
    assert WholeReader().read(study[0]) is None
