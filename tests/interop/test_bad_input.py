"""Bad input through the running appliance: a clear answer, nothing outside the spool, others unaffected."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import encode_uid
from tests.interop.sending import SUCCESS, store_bytes, store_files, store_nothing
from tests.interop.studies import HEADERS_ONLY, PATIENT, bare_study, mentions, paths
from tests.support.appliance import Appliance, outbound

pytestmark = pytest.mark.timeout(120)

CALLED = "OUTGOING"
MR = "1.2.840.10008.5.1.4.1.1.4"
SOP_CLASS, SOP_INSTANCE = b"\x08\x00\x16\x00UI", b"\x08\x00\x18\x00UI"
STUDY, PATIENT_ID = b"\x20\x00\x0d\x00UI", b"\x10\x00\x20\x00LO"
HOSTILE = ("../../x", "/etc/cron.d/x", "..", "a/../../../b")
NEST = struct.pack("<HH2sHLHHL", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)


@dataclass
class Good:
    """A conforming instance as data set bytes."""

    uid: str
    data: bytes

    @classmethod
    def of(cls, folder: Path, name: str) -> "Good":
        (one,) = bare_study(folder / name, name, 1)
        layout = examine(one.path)
        return cls(one.sop_instance_uid, one.path.read_bytes()[layout.dataset_offset :])

    def without(self, tag: bytes) -> bytes:
        start, end = self._element(tag)
        return self.data[:start] + self.data[end:]

    def having(self, tag: bytes, value: bytes) -> bytes:
        start, end = self._element(tag)
        return self.data[:start] + tag + struct.pack("<H", len(value)) + value + self.data[end:]

    def claiming(self, tag: bytes, length: int) -> bytes:
        start, _ = self._element(tag)
        return self.data[: start + 6] + struct.pack("<H", length) + self.data[start + 8 :]

    def _element(self, tag: bytes) -> tuple[int, int]:
        start = self.data.index(tag)
        (length,) = struct.unpack_from("<H", self.data, start + 6)
        return start, start + 8 + length


@pytest.fixture(scope="module")
def box(folder: Path) -> Iterator[Appliance]:
    appliance = Appliance(
        folder / "site",
        profiles={"headers": HEADERS_ONLY},
        routes=[outbound("outgoing", CALLED, ["outgoing"], profile="headers")],
    )
    with appliance:
        yield appliance


def surroundings(box: Appliance) -> list[str]:
    """Everything around state and outgoing folder, up to the temporary folder that all of it lies in."""
    root = box.folder.parent
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if box.state not in path.parents and box.outgoing not in path.parents
    )


def deliver_good(box: Appliance, folder: Path, name: str) -> None:
    """A good study goes through, start to end."""
    study = bare_study(folder / "good" / name, f"good-{name}", 1)
    delivered = len(box.delivered())
    assert store_files(box.port, CALLED, paths(study)) == [SUCCESS]
    box.wait_for(lambda one: len(one.delivered()) == delivered + 1, "the good study")


BAD: dict[str, tuple[Callable[[Good], bytes], set[int]]] = {
    "truncated": (lambda good: good.data[:-7], {0xC001}),
    "cut inside an element's header": (lambda good: good.data[: good.data.index(PATIENT_ID) + 5], {0xC001}),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, {0xC000, 0xC001}),
    "text": (lambda _: b"Dear colleague, please find attached " * 40, {0xC000, 0xC001}),
    "one byte": (lambda _: b"\0", {0xC000, 0xC001, 0xC002}),
    "an element longer than the rest": (lambda good: good.claiming(PATIENT_ID, 0xFFFE), {0xC001}),
    "an element shorter than its value": (lambda good: good.claiming(PATIENT_ID, 2), {0xC000, 0xC001}),
    "no SOP class": (lambda good: good.without(SOP_CLASS), {0xC002}),
    "no SOP instance": (lambda good: good.without(SOP_INSTANCE), {0xC002}),
    "another instance than announced": (lambda good: good.having(SOP_INSTANCE, b"1.2.3.4\0"), {0xA900}),
    "10,000 levels": (lambda good: good.data + NEST * 10_000, {0xC004}),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused_with_a_clear_status(box: Appliance, folder: Path, name: str) -> None:
    make, expected = BAD[name]
    good = Good.of(folder / "bad", name.replace(" ", "-"))
    before, arrivals, known = surroundings(box), box.status()["arrivals"], len(box.exchanges())
    offset = len(box.log_text())
    status = store_bytes(box.port, CALLED, (MR, good.uid), make(good))
    assert status in expected, hex(status)
    assert surroundings(box) == before
    assert (box.status()["arrivals"], len(box.exchanges())) == (arrivals, known)
    assert not list((box.state / "spool" / "incoming").iterdir())
    assert any(line["event"] == "intake.refused" for line in box.log_lines(offset))
    assert not mentions([*PATIENT.words, good.uid], box.log_text(offset).encode())


def test_the_others_are_served_meanwhile(box: Appliance, folder: Path) -> None:
    for number, (make, _) in enumerate(BAD.values()):
        good = Good.of(folder / "mixed", f"mixed-{number}")
        assert store_bytes(box.port, CALLED, (MR, good.uid), make(good)) != SUCCESS
    deliver_good(box, folder, "after-all")


def test_an_association_without_a_store_opens_nothing(box: Appliance) -> None:
    before, known = box.status(), len(box.exchanges())
    store_nothing(box.port, CALLED)
    assert box.status()["arrivals"] == before["arrivals"]
    assert len(box.exchanges()) == known


@pytest.mark.parametrize("number", range(len(HOSTILE)))
@pytest.mark.parametrize("tag", [SOP_INSTANCE, STUDY], ids=["instance", "study"])
def test_a_uid_that_looks_like_a_path(box: Appliance, folder: Path, tag: bytes, number: int) -> None:
    value, name = HOSTILE[number], f"path-{tag[2]}-{number}"
    good = Good.of(folder / "paths", name)
    around, known = surroundings(box), {one["exchange_id"] for one in box.exchanges()}
    announced = value if tag == SOP_INSTANCE else good.uid
    status = store_bytes(box.port, CALLED, (MR, announced), good.having(tag, encode_uid(value)))
    assert status == SUCCESS

    def over(one: Appliance) -> list[str]:
        fresh = [found for found in one.exchanges() if found["exchange_id"] not in known]
        return [found["state"] for found in fresh if found["state"] in {"held", "closed"}]

    assert len(box.wait_for(over, "the end of it")) == 1
    assert surroundings(box) == around
    names = [path.name for path in (*box.state.rglob("*"), *box.outgoing.rglob("*"))]
    assert not [name for name in names if name in {"x", "b", "cron.d"}]
    deliver_good(box, folder, f"beside-{name}")


def test_a_study_that_cannot_be_cleaned_does_not_stop_another(box: Appliance, folder: Path) -> None:
    """An instance whose private creator is broken, or whatever: here, one without a study UID."""
    good = Good.of(folder / "poison", "poison")
    known = {one["exchange_id"] for one in box.exchanges()}
    assert store_bytes(box.port, CALLED, (MR, good.uid), good.without(STUDY)) == SUCCESS
    deliver_good(box, folder, "beside-poison")

    def over(one: Appliance) -> list[dict[str, object]]:
        fresh = [found for found in one.exchanges() if found["exchange_id"] not in known]
        return fresh if len(fresh) == 2 and all(f["state"] in {"held", "closed"} for f in fresh) else []

    states = [one["state"] for one in box.wait_for(over, "both studies over")]
    assert "held" in states, "nothing is dropped silently"
