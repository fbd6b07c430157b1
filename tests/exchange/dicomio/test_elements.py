"""Elements that recur: one object for all that are read alike, and read as pydicom reads them."""

import struct
import warnings
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from exchange.dicomio.elements import KnownElement, KnownElements
from exchange.dicomio.examine import examine
from exchange.dicomio.header import header_bytes, read_header, read_header_at
from exchange.domain.errors import InputError
from tests.exchange.dicomio import build
from tests.support.corpus import find_corpus

NAME = build.element(0x00100010, b"PN", b"Doe^Jane")


def real_files() -> list[Path]:
    corpus = find_corpus()
    more = sorted(path for path in corpus.rglob("*") if path.is_file()) if corpus else []
    return [path for path in (*build.pydicom_files(), *more) if path.stat().st_size < 2_000_000]


def write(path: Path, *elements: bytes, syntax: str = build.EXPLICIT) -> Path:
    first = [one for one in elements if struct.unpack_from("<HH", one) < (0x0008, 0x0016)]
    others = [one for one in elements if one not in first]
    path.write_bytes(build.meta(syntax) + b"".join((*first, build.uids(), *others)))
    return path


def element_of(path: Path, tag: int, known: KnownElements) -> object:
    return read_header(path, known=known).get_item(Tag(tag))


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")  # pydicom on odd files
def test_real_headers_are_what_pydicom_reads_of_them() -> None:
    """One memory for all files, as if they were one study; the second time nothing is converted."""
    known, read, recurring = KnownElements(), 0, 0
    for path in real_files()[::2]:
        try:
            layout = examine(path)
            first = read_header_at(layout, known=known)
        except InputError:
            continue
        again = read_header_at(layout, known=known)
        plain = read_dataset(BytesIO(header_bytes(layout)), layout.implicit_vr, layout.little_endian)
        recurring += sum(isinstance(again.get_item(tag), KnownElement) for tag in again.keys())  # noqa: SIM118
        assert first == again, path.name
        try:
            same = again == plain
        except Exception:  # noqa: BLE001, S112 - pydicom cannot give every element a VR
            continue
        assert same, path.name
        read += 1
    assert read > 40
    assert recurring > 2500


def test_the_same_element_of_two_headers_is_one_object(tmp_path: Path) -> None:
    known = KnownElements()
    one = write(tmp_path / "one", NAME)
    two = write(tmp_path / "two", NAME, build.element(0x00100020, b"LO", b"4711"))
    assert element_of(one, 0x00100010, known) is element_of(two, 0x00100010, known)


@pytest.mark.parametrize(
    "others",
    [
        (build.element(0x00100010, b"PN", b"Doe^John"),),
        (build.element(0x00100010, b"LO", b"Doe^Jane"),),
        (build.element(0x00080005, b"CS", b"ISO_IR 100"), NAME),
    ],
    ids=["value", "VR", "character set"],
)
def test_what_is_read_otherwise_is_another(tmp_path: Path, others: tuple[bytes, ...]) -> None:
    known = KnownElements()
    one, two = write(tmp_path / "one", NAME), write(tmp_path / "two", *others)
    assert element_of(one, 0x00100010, known) is not element_of(two, 0x00100010, known)


def test_a_private_element_is_its_creators(tmp_path: Path) -> None:
    """The private dictionary gives the same element of two makers two VRs."""
    known, value = KnownElements(), build.element(0x00191010, b"UN", b"12")
    one = write(tmp_path / "one", build.element(0x00190010, b"LO", b"GEMS_ACQU_01"), value)
    two = write(tmp_path / "two", build.element(0x00190010, b"LO", b"SIEMENS CT VA0  COAD"), value)
    assert element_of(one, 0x00191010, known) is element_of(one, 0x00191010, known)
    assert element_of(one, 0x00191010, known) is not element_of(two, 0x00191010, known)
    read = [read_header(path, known=known)[Tag(0x00191010)] for path in (one, two)]
    assert [item == read_header(path)[Tag(0x00191010)] for item, path in zip(read, (one, two), strict=True)]


@pytest.mark.parametrize(
    "odd",
    [
        build.element(0x00100020, b"LO", b"4711") + NAME,  # descending
        NAME + NAME,  # twice
        build.element(0x00091010, b"UN", build.implicit(build.ITEM, b""), build.UNDEFINED)
        + build.SEQUENCE_END,
    ],
    ids=["order", "twice", "unknown of undefined length"],
)
def test_pydicom_reads_what_is_out_of_the_ordinary(tmp_path: Path, odd: bytes) -> None:
    header = read_header(write(tmp_path / "odd", odd))
    assert not any(isinstance(header.get_item(tag), KnownElement) for tag in header.keys())  # noqa: SIM118
    assert len(header) > 2


@pytest.mark.parametrize("implicit", [False, True])
def test_sequences_of_undefined_length_recur_too(tmp_path: Path, *, implicit: bool) -> None:
    make = (
        build.implicit
        if implicit
        else (lambda tag, data, length=None: build.element(tag, b"SQ", data, length))
    )
    inner = (
        build.implicit(0x00081155, b"1.2.3\0") if implicit else build.element(0x00081155, b"UI", b"1.2.3\0")
    )
    item = build.implicit(build.ITEM, inner, build.UNDEFINED) + build.ITEM_END
    if implicit:
        path = tmp_path / "one"
        uids = build.implicit(0x00080016, build.even(build.SECONDARY_CAPTURE.encode()))
        uids += build.implicit(0x00080018, b"1.2.3.4\0")
        sequence = make(0x00081140, item * 2, build.UNDEFINED) + build.SEQUENCE_END
        path.write_bytes(build.meta(build.IMPLICIT) + uids + sequence)
    else:
        path = write(tmp_path / "one", make(0x00081140, item * 2, build.UNDEFINED) + build.SEQUENCE_END)
    known = KnownElements()
    found = element_of(path, 0x00081140, known)
    assert isinstance(found, KnownElement)
    assert found is element_of(path, 0x00081140, known)
    header: Dataset = read_header(path, known=known)
    assert [each.ReferencedSOPInstanceUID for each in header.ReferencedImageSequence] == ["1.2.3", "1.2.3"]


def test_what_pydicom_warns_about_is_converted_where_it_is_kept_quiet(tmp_path: Path) -> None:
    """Its warnings quote the value: nobody may convert such an element anew where they are heard."""
    known = KnownElements()
    charset = build.element(0x00080005, b"CS", b"ISO_IR 192")
    path = write(tmp_path / "broken", charset, build.element(0x00100010, b"PN", b"D\xf6e^Jane "))
    for _ in range(2):
        header = read_header(path, known=known)
        assert not isinstance(header.get_item(Tag(0x00100010)), KnownElement)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert str(header.PatientName).endswith("Jane")


def test_large_values_are_not_held(tmp_path: Path) -> None:
    known = KnownElements()
    path = write(tmp_path / "large", build.element(0x00204000, b"LT", b"x" * 5000))
    assert element_of(path, 0x00204000, known) is not element_of(path, 0x00204000, known)
