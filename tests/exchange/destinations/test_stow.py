"""Store requests as they are announced; responses of real shapes, and anything else without harm."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.destinations.stow import StowBody, parse_store_answer
from exchange.dimse.frozen import FrozenBytesError
from tests.support.outgoing import make_study, plain_file
from tests.support.scripted_stow import dicom_json

XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">
<DicomAttribute tag="00081190" vr="UR"><Value number="1">http://x/studies/1</Value></DicomAttribute>
<DicomAttribute tag="00081198" vr="SQ"><Item number="1">
  <DicomAttribute tag="00081150" vr="UI"><Value number="1">1.2</Value></DicomAttribute>
  <DicomAttribute tag="00081155" vr="UI"><Value number="1">2.25.2</Value></DicomAttribute>
  <DicomAttribute tag="00081197" vr="US"><Value number="1">42752</Value></DicomAttribute>
</Item></DicomAttribute>
<DicomAttribute tag="00081199" vr="SQ">
  <Item number="1"><DicomAttribute tag="00081155" vr="UI"><Value number="1">2.25.1</Value></DicomAttribute>
    <DicomAttribute tag="0040A170" vr="SQ"><Item number="1">
      <DicomAttribute tag="00081155" vr="UI"><Value number="1">2.25.99</Value></DicomAttribute>
    </Item></DicomAttribute></Item>
  <Item number="2"><DicomAttribute tag="00081155" vr="UI"><Value number="1">2.25.3</Value></DicomAttribute>
    <DicomAttribute tag="00081196" vr="US"><Value number="1">45056</Value></DicomAttribute></Item>
</DicomAttribute></NativeDicomModel>"""


def test_a_body_holds_the_files_and_is_as_long_as_announced(tmp_path: Path) -> None:
    study = make_study(tmp_path, 3)
    request = StowBody(study)
    pieces = list(request)
    body = b"".join(pieces)
    assert len(body) == request.content_length
    assert request.finished == 3
    boundary = b"--" + request.content_type.rpartition("boundary=")[2].encode()
    *parts, end = body.split(boundary)
    assert end == b"--\r\n"
    head = b"\r\nContent-Type: application/dicom\r\n\r\n"
    files = [plain_file(each).read_bytes() for each in study]
    assert parts == [b"", *(head + file + b"\r\n" for file in files)]
    # Nothing small is sent on its own between two files.
    assert len(pieces) == 2 * len(study) + 1


def test_the_last_piece_of_an_altered_instance_is_never_given(tmp_path: Path) -> None:
    good, bad = make_study(tmp_path, 2)
    request = StowBody([good, replace(bad, sha256="0" * 64)])
    body = given_until_it_fails(request)
    assert request.finished == 1
    # Both files end alike: their last piece went out once.
    assert body.count(plain_file(good).read_bytes()[-1000:]) == 1
    assert plain_file(bad).read_bytes()[-1000:] == plain_file(good).read_bytes()[-1000:]


def given_until_it_fails(request: StowBody) -> bytes:
    given_out = bytearray()
    try:
        for piece in request:
            given_out += piece
    except FrozenBytesError:
        return bytes(given_out)
    raise AssertionError("altered bytes went out whole")


def test_json() -> None:
    answer = parse_store_answer("application/dicom+json", dicom_json(["2.25.1"], {"2.25.2": 0xA700}))
    assert (answer.stored, answer.failed) == ({"2.25.1": 0}, {"2.25.2": 0xA700})


def test_json_in_an_array_and_with_charset() -> None:
    body = b"[" + dicom_json(["2.25.1"]) + b"]"
    assert parse_store_answer("application/dicom+json; charset=utf-8", body).stored == {"2.25.1": 0}


def test_xml() -> None:
    answer = parse_store_answer("application/dicom+xml", XML)
    assert answer.stored == {"2.25.1": 0, "2.25.3": 0xB000}
    assert answer.failed == {"2.25.2": 0xA700}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"<html>ok</html>"),
        ("", b""),
        ("application/dicom+json", b"{"),
        ("application/dicom+json", b"[" * 100_000),
        ("application/dicom+json", b'{"00081199": {"Value": [null, 1, {"00081155": 7}]}}'),
        ("application/dicom+xml", b"<a>" * 1000),
        ("application/dicom+xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    ],
)
def test_what_is_not_understood_names_nobody(content_type: str, body: bytes) -> None:
    answer = parse_store_answer(content_type, body)
    assert (answer.stored, answer.failed) == ({}, {})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["00081199", "00081198", "00081155", "00081197", "Value", "x"]), inner, max_size=3
        )
    ),
)


@given(json_values)
def test_any_json_is_survived(value: object) -> None:
    parse_store_answer("application/dicom+json", json.dumps(value).encode())


@given(st.sampled_from(["application/dicom+json", "application/dicom+xml"]), st.binary(max_size=300))
def test_any_bytes_are_survived(content_type: str, body: bytes) -> None:
    parse_store_answer(content_type, body)
