"""The small parts of the STOW-RS server: a file's head in pieces, the answer's data set, the pipe."""

import asyncio
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from exchange.destinations.stow import parse_store_answer
from exchange.dicomio.filemeta import encode_file_meta
from exchange.domain.errors import InputError
from exchange.intake.acceptance import Acceptance, new_arrival_id
from exchange.intake.stow_answer import JSON_TYPE, XML_TYPE, encode_answer, wanted_type
from exchange.intake.stow_head import FileHead, HeadReader
from exchange.intake.stow_pipe import BodyCutError, BodyPipe
from exchange.intake.stow_reception import PartOutcome, StowReception
from exchange.spool.records import ArrivalContext
from exchange.spool.store import Spool
from tests.exchange.dicomio.build import uids
from tests.support.stow_house import BOUNDARY, multipart

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
HEAD = encode_file_meta(CT, "2.25.1", EXPLICIT)


def read_head(data: bytes, cuts: list[int]) -> tuple[FileHead, int]:
    """The head of a file that comes in these pieces, and how much of it had come by then."""
    reader = HeadReader()
    edges = [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    start = 0
    for end in edges:
        if (head := reader.feed(data[start:end])) is not None:
            return head, end
        start = end
    return reader.finish(), len(data)


@given(st.binary(max_size=3000), st.lists(st.integers(0, 5000), max_size=40))
def test_a_head_in_any_pieces(more: bytes, cuts: list[int]) -> None:
    dataset = uids() + more
    head, come = read_head(HEAD + dataset, cuts)
    assert (head.sop_class_uid, head.sop_instance_uid, head.transfer_syntax_uid) == (CT, "2.25.1", EXPLICIT)
    assert head.rest == (HEAD + dataset)[len(HEAD) : come]


@given(st.binary(max_size=3000), st.integers(0, 400), st.lists(st.integers(0, 5000), max_size=5))
def test_hostile_heads_raise_one_error_only(noise: bytes, kept: int, cuts: list[int]) -> None:
    try:
        head, _ = read_head(HEAD[:kept] + noise, cuts)
    except InputError:
        return
    assert all((head.sop_class_uid, head.sop_instance_uid, head.transfer_syntax_uid))


OUTCOMES = [
    PartOutcome(CT, "2.25.1", 0),
    PartOutcome(CT, "2.25.2", 0xA700),
    PartOutcome(CT, "2.25.3", 0),
    PartOutcome("", "", 0xC000),
]


def test_the_answer_is_a_data_set() -> None:
    ds = Dataset.from_json(encode_answer(OUTCOMES, JSON_TYPE).decode())
    assert [item.ReferencedSOPInstanceUID for item in ds.ReferencedSOPSequence] == ["2.25.1", "2.25.3"]
    assert {item.ReferencedSOPClassUID for item in ds.ReferencedSOPSequence} == {CT}
    assert [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in ds.FailedSOPSequence] == [
        ("2.25.2", 0xA700)
    ]
    assert [item.FailureReason for item in ds.OtherFailuresSequence] == [0xC000]
    assert "RetrieveURL" in ds  # type 2: there, and empty
    assert not ds.RetrieveURL
    assert list(json.loads(encode_answer([], JSON_TYPE))) == ["00081190"]


def test_both_encodings_say_the_same() -> None:
    found = [parse_store_answer(kind, encode_answer(OUTCOMES, kind)) for kind in (JSON_TYPE, XML_TYPE)]
    assert found[0] == found[1]
    assert found[0].stored == {"2.25.1": 0, "2.25.3": 0}
    assert found[0].failed == {"2.25.2": 0xA700}
    root = ElementTree.fromstring(encode_answer(OUTCOMES, XML_TYPE))  # noqa: S314 - our own words
    assert [child.attrib["tag"] for child in root] == ["00081190", "00081198", "00081199", "0008119A"]
    assert {child.attrib["vr"] for child in root} == {"UR", "SQ"}


@given(st.text(max_size=100))
def test_any_accept_field_gets_an_answer(accept: str) -> None:
    assert wanted_type(accept) in (JSON_TYPE, XML_TYPE)


def test_xml_only_for_those_who_prefer_it() -> None:
    assert wanted_type("application/dicom+xml") == XML_TYPE
    assert wanted_type('multipart/related; type="application/dicom+xml", */*;q=0.1') == JSON_TYPE
    assert wanted_type("application/dicom+xml;q=0.5, application/dicom+json;q=0.5") == JSON_TYPE
    assert wanted_type("application/dicom+xml;q=2, */*;q=0.1") == JSON_TYPE


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=3)), max_size=4), st.integers(1, 4000))
def test_whatever_is_sent_what_is_called_stored_is_durable(
    tmp_path: Path, changes: list[tuple[int, bytes]], chunk: int
) -> None:
    parts = [
        encode_file_meta(CT, f"2.25.{number}", EXPLICIT) + uids(f"2.25.{number}".encode(), CT.encode())
        for number in (1, 2)
    ]
    body = bytearray(multipart(parts))
    for at, new in changes:
        at %= len(body)
        body[at : at + 2] = new
    spool = Spool(tmp_path / uuid4().hex, kek=bytes(32))
    try:
        acceptance = Acceptance(spool, lambda: datetime.now(UTC), lambda _: None)
        chunks = (bytes(body[at : at + chunk]) for at in range(0, len(body), chunk))
        taken = StowReception(acceptance, _context).run(BOUNDARY, chunks)
        stored = {each.sop_instance_uid for each in taken.outcomes if each.reason == 0}
        assert {each.sop_instance_uid for each in spool.index()} == stored
        assert list((spool.root / "incoming").iterdir()) == []
        assert changes or stored == {"2.25.1", "2.25.2"}
    finally:
        spool.close()


def _context() -> ArrivalContext:
    return ArrivalContext(new_arrival_id(), "stow", "TELERAD", "", "partner", "127.0.0.1")


@pytest.mark.anyio
@pytest.mark.parametrize("whole", [True, False])
async def test_the_pipe_holds_a_bound_and_keeps_the_order(whole: bool) -> None:
    pipe = BodyPipe(waiting_max=1000)
    most: list[int] = []
    taken: list[bytes] = []
    cut = threading.Event()

    def read() -> None:
        try:
            for chunk in pipe:
                most.append(pipe._put - pipe._taken)
                taken.append(chunk)
        except BodyCutError:
            cut.set()

    chunks = [bytes([number % 256]) * 300 for number in range(500)]
    reading = asyncio.get_running_loop().run_in_executor(None, read)
    for chunk in chunks:
        await pipe.put(chunk)
    pipe.close(whole=whole)
    pipe.close(whole=False)
    await reading
    assert taken == chunks
    assert max(most) <= 1300
    assert cut.is_set() is not whole
