"""Signed notes, checkpoints, cosignatures and heads: to the byte, and nothing but our error on any bytes."""

import base64
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.errors import KeysError, LogError
from exchange.keys.log import (
    LOG_COSIGNER_KEY,
    LOG_KEY,
    LogKeys,
    make_log_keys,
    note_key_id,
    vkey,
    write_vkeys,
)
from exchange.log.checkpoint import Head, cosigned_message, open_checkpoint, parse_head, sign_checkpoint
from exchange.log.note import parse
from exchange.log.tiles import bundle_name, tile_name
from tests.exchange.log.making import log_keys

HEAD = Head("lockgate.log/0123456789abcdef/1", 4711, sha256(b"root").digest())

# The example of C2SP signed-note, with its published key.
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6Ryy"
    "BwJnAM=\n"
)  # fmt: skip
NOTE_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_the_example_of_gos_note() -> None:
    """Of the documentation of golang.org/x/mod/sumdb/note."""
    text, (signature,) = parse(NOTE.encode())
    public = base64.b64decode(NOTE_VKEY.rpartition("+")[2])
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature.data, text.encode())
    assert signature.key_id == note_key_id("PeterNeumann", 1, public[1:])
    assert vkey("PeterNeumann", 1, public[1:]) == NOTE_VKEY


def test_a_checkpoint_to_the_byte() -> None:
    note = sign_checkpoint(HEAD, log_keys(), 1_700_000_000).decode()
    lines = note.split("\n")
    root = base64.b64encode(HEAD.root).decode()
    assert lines[:4] == [HEAD.origin, "4711", root, ""]
    assert lines[4].startswith(f"— {HEAD.origin} ")
    assert lines[5].startswith(f"— {HEAD.origin}/mldsa ")
    assert lines[6:] == [""]
    data = base64.b64decode(lines[5].rpartition(" ")[2])
    assert len(data) == 4 + 8 + 2420
    assert data[4:12] == (1_700_000_000).to_bytes(8, "big")
    assert len(base64.b64decode(lines[4].rpartition(" ")[2])) == 4 + 64


def test_what_the_cosigner_signs() -> None:
    message = cosigned_message("name", HEAD, bytes(7) + b"\x05")
    origin = HEAD.origin.encode()
    assert message == (
        b"subtree/v1\n\x00" + b"\x04name" + bytes(7) + b"\x05" + bytes([len(origin)]) + origin
        + bytes(8) + (4711).to_bytes(8, "big") + HEAD.root
    )  # fmt: skip


def test_only_ones_own_checkpoint_is_opened(tmp_path: Path) -> None:
    note = sign_checkpoint(HEAD, log_keys(), 0)
    assert open_checkpoint(note, log_keys()) == HEAD
    with pytest.raises(LogError, match="not signed by this log's keys"):
        open_checkpoint(note, make_log_keys(tmp_path))
    text, signatures = parse(note)
    for one in signatures:
        with pytest.raises(LogError, match="not signed"):
            open_checkpoint(f"{text}\n{one.line}".encode(), log_keys())
    for old, new in ((b"4711", b"4712"), (b"/1\n", b"/2\n")):
        with pytest.raises(LogError, match="not signed"):
            open_checkpoint(note.replace(old, new, 1), log_keys())


@pytest.mark.parametrize(
    "text",
    ["", "a\n", "\n1\n\n", "a\n01\nAA==\n", "a\n-1\nAA==\n", "a\n1\nAA==\n", "a\nx\n\n", "a\n1\n!\n"],
    ids=repr,
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(LogError, match="cannot read a checkpoint"):
        parse_head(text)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode), st.integers(0, 400))
def test_any_bytes_raise_our_error_only(data: bytes, at: int) -> None:
    whole = sign_checkpoint(HEAD, log_keys(), 0)
    for note in (data, whole[:at] + data + whole[at:], whole[:at] + data):
        try:
            assert open_checkpoint(note, log_keys()) == HEAD
        except LogError:
            continue


def test_extension_lines_are_signed_and_passed_over() -> None:
    assert parse_head(HEAD.text + "more\n") == HEAD


@pytest.mark.parametrize(
    ("index", "name"),
    [(0, "000"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067")],
)
def test_names_of_tiles(index: int, name: str) -> None:
    assert tile_name(3, index) == f"tile/3/{name}"
    assert bundle_name(index, 7) == f"tile/entries/{name}.p/7"


def test_keys_are_made_once_and_read_whole(tmp_path: Path) -> None:
    made = make_log_keys(tmp_path)
    assert LogKeys.from_folder(tmp_path).public == made.public
    assert made.origin(3) == f"lockgate.log/{sha256(made.public).hexdigest()[:16]}/3"
    with pytest.raises(KeysError, match="never overwritten"):
        make_log_keys(tmp_path)
    (tmp_path / LOG_COSIGNER_KEY).write_bytes((tmp_path / LOG_KEY).read_bytes())
    with pytest.raises(KeysError, match="must be Ed25519"):
        LogKeys.from_folder(tmp_path)
    (tmp_path / LOG_KEY).write_bytes(b"nonsense")
    with pytest.raises(KeysError, match="not an unencrypted PEM"):
        LogKeys.from_folder(tmp_path)
    (tmp_path / LOG_KEY).chmod(0o640)
    with pytest.raises(KeysError, match="lets others read it"):
        LogKeys.from_folder(tmp_path)


def test_vkeys_are_one_line_a_file(tmp_path: Path) -> None:
    files = write_vkeys(tmp_path / "trust", log_keys(), 2)
    assert [path.read_text() for path in files] == [f"{line}\n" for line in log_keys().vkeys(2)]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}
    before = [path.stat().st_mtime_ns for path in files]
    assert write_vkeys(tmp_path / "trust", log_keys(), 2) == files
    assert [path.stat().st_mtime_ns for path in files] == before
