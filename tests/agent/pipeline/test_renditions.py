"""Renditions: what a partner cannot take as frozen leaves in another transfer syntax, without loss."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - tests build their input
from pydicom.uid import UID

from agent.custody.deliveries import retry_now
from agent.custody.renditions import renditions_of
from agent.pipeline.deliver import send
from agent.pipeline.indexing import index
from agent.pipeline.outgoing import rendition_folder
from agent.pipeline.retire import retire_due, sweep_frozen
from exchange.dicomio.digest import dataset_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import encode_file_meta
from exchange.domain.delivery import InstanceState
from exchange.domain.exchange import DeliveryState
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Request, verify_bundles
from exchange.spool.records import ArrivalContext
from tests.agent.pipeline.house import House
from tests.agent.pipeline.partner import RETAINED, detail, partner_house, receipt
from tests.support.outgoing import example
from tests.support.scripted_scp import ScriptedScp, store_then_reset
from tests.support.small_studies import CT, PATIENT, make_study

MakeHouse = Callable[..., House]
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
COMPRESSED = {  # pydicom's own files: name and SOP class
    "rle, rgb": "SC_rgb_rle.dcm",
    "rle, 16 bit": "MR_small_RLE.dcm",
    "jpeg lossless": "JPEG-LL.dcm",
    "jpeg-ls": "MR_small_jpeg_ls_lossless.dcm",
    "jpeg 2000, rct": "GDCMJ2K_TextGBR.dcm",
    "jpeg 2000": "MR_small_jp2klossless.dcm",
    "deflated": "image_dfl.dcm",
    "big endian": "MR_small_bigendian.dcm",
}


class Keeper:
    """Keeps the data sets that a scripted SCP is sent."""

    def __init__(self) -> None:
        self.files: dict[str, list[bytes]] = {}

    def __call__(self, event: Any, _ended: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.files.setdefault(uid, []).append(event.encoded_dataset(include_meta=False))
        return 0x0000


class KeepingScp(ScriptedScp):
    """Accepts some SOP classes in Implicit VR Little Endian only, and keeps what comes."""

    def __init__(self, classes: Sequence[str] = (CT,), syntaxes: Sequence[str] = (IMPLICIT,)) -> None:
        self.keeper = Keeper()
        super().__init__(contexts=[(one, list(syntaxes)) for one in classes])

    def _store(self, event: Any) -> int:
        self.keeper(event, None)
        return super()._store(event)


def accept_file(house: House, path: Path) -> None:
    """Accept a file's data set as it stands, under its own transfer syntax."""
    layout = examine(path)
    context = ArrivalContext(uuid4().hex, "dimse", "PARTNER", "PACS", "", "127.0.0.1")
    with house.appliance.spool.begin(
        layout.sop_class_uid, layout.sop_instance_uid, layout.transfer_syntax_uid, context
    ) as writer:
        writer.write(path.read_bytes()[layout.dataset_offset :])
        spooled = writer.commit(house.now)
    index(house.appliance, [spooled])
    house.settle()
    house.process()


def sent(raw: bytes, sop_class_uid: str, uid: str, folder: Path) -> Dataset:
    """What came, as a data set that can be decoded."""
    path = folder / "came.dcm"
    path.write_bytes(encode_file_meta(sop_class_uid, uid, IMPLICIT) + raw)
    return dcmread(path)


def verified(house: House, folder: Path, slot: str) -> str:
    """Code of the first thing wrong, in the partner's eyes, with the files that came and this receipt."""
    bundles = [
        house.appliance.folders.state / one.path
        for one in detail(house).receipts
        if one.edition == "partner" and one.slot in ("R1", slot)
    ]
    trust = read_trust(house.folder / "trust")
    reports = verify_bundles(bundles, Request(trust, house.now, files=folder))
    return next((one.first_error.code for one in reports[-1:] if one.first_error), "")


@pytest.mark.parametrize("name", COMPRESSED.values(), ids=COMPRESSED.keys())
def test_a_partner_that_takes_implicit_only_gets_the_same_pixels(
    name: str, make_house: MakeHouse, tmp_path: Path
) -> None:
    before = dcmread(example(name))
    with KeepingScp([str(before.SOPClassUID)]) as scp:
        house = partner_house(make_house, scp.port, deidentify=RETAINED)
        accept_file(house, example(name))
        assert house.deliver() == [DeliveryState.FORWARDED]
        (comings,) = scp.keeper.files.values()
    uid = str(before.SOPInstanceUID)
    after = sent(comings[0], str(before.SOPClassUID), uid, tmp_path)
    assert np.array_equal(before.pixel_array, after.pixel_array)
    assert after.PhotometricInterpretation in {before.PhotometricInterpretation, "RGB"}
    encoding = {"PixelData", "PhotometricInterpretation", "PlanarConfiguration", "DataSetTrailingPadding"}
    for element in before:
        if element.keyword not in encoding and element.tag.element and not element.tag.is_private:
            assert str(after[element.tag].value) == str(element.value) or element.VR in ("UN", "SQ", "OW")
    second = receipt(house, "R2")
    (gone,) = second["delivery"]["transcoded"]["instances"]
    assert second["delivery"]["transcoded"]["count"] == 1
    assert second["delivery"]["transcoded"]["to"] == [IMPLICIT]
    assert gone == {
        "sopInstanceUID": uid,
        "transferSyntax": IMPLICIT,
        "sha256": dataset_sha256(tmp_path / "came.dcm"),
    }
    # R1 attests the frozen bytes; R2 binds what went to them, and whoever has both can check it.
    assert detail(house).frozen[0].sha256 != gone["sha256"]
    assert verified(house, tmp_path, "R2") == ""
    assert verified(house, tmp_path, "R1") == "transcoded"


def test_each_instance_leaves_as_it_can(make_house: MakeHouse) -> None:
    """What the partner takes as frozen is sent so; nothing is transcoded without need."""
    with ScriptedScp(contexts=[(CT, [EXPLICIT, IMPLICIT])]) as scp:
        house = partner_house(make_house, scp.port)
        house.arrive(make_study(1), "PARTNER")
        house.settle()
        house.process()
        assert house.deliver() == [DeliveryState.FORWARDED]
        assert sorted(digest for (digest,) in scp.received.values()) == sorted(
            one.sha256 for one in detail(house).frozen
        )
    assert "transcoded" not in receipt(house, "R2")["delivery"]
    assert not rendition_folder(house.appliance).exists()


def test_a_retry_sends_the_same_rendition(make_house: MakeHouse) -> None:
    with KeepingScp() as scp:
        house = partner_house(make_house, scp.port)
        house.arrive(make_study(1), "PARTNER")
        house.settle()
        house.process()
        lost = detail(house).frozen[0].sop_instance_uid
        scp.script[lost] = store_then_reset
        assert house.deliver() == [DeliveryState.WAITING]
        delivery_id = detail(house).deliveries[0].delivery_id
        chosen = renditions_of(house.appliance.custody, delivery_id)
        assert len(chosen) == 2
        scp.script.clear()
        house.wait(minutes=5)
        assert house.deliver() == [DeliveryState.FORWARDED]
        assert scp.received[lost] == [chosen[lost].sha256] * 2
    assert receipt(house, "R2")["delivery"]["transcoded"]["count"] == 2


def test_killed_after_the_refusal_it_goes_on(make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal of the first try is not recorded as one: the next attempt makes the rendition."""
    with KeepingScp() as scp:
        house = partner_house(make_house, scp.port)
        house.arrive(make_study(1), "PARTNER")
        house.settle()
        house.process()

        def die(*_: object) -> None:
            raise RuntimeError("killed")

        with monkeypatch.context() as context:
            context.setattr("agent.pipeline.renditions._make", die)
            with pytest.raises(RuntimeError):
                house.deliver()
        assert {one.state for one in detail(house).effects} == {InstanceState.PENDING}
        (active,) = detail(house).deliveries
        assert send(house.appliance, active.delivery_id, active.attempts) == DeliveryState.FORWARDED


def test_lossy_is_refused_with_the_reason(make_house: MakeHouse) -> None:
    name = example("SC_rgb_jpeg_dcmtk.dcm")
    with KeepingScp([str(dcmread(name).SOPClassUID)], [EXPLICIT, IMPLICIT]) as scp:
        house = partner_house(make_house, scp.port, deidentify=RETAINED)
        accept_file(house, name)
        assert house.deliver() == [DeliveryState.REJECTED]
    (effect,) = detail(house).effects
    assert effect.state is InstanceState.REFUSED
    assert "compressed with loss" in effect.detail
    assert receipt(house, "R2")["id"]["stage"] == "rejected"


def test_transcoding_off_means_refused(make_house: MakeHouse) -> None:
    with KeepingScp() as scp:
        house = partner_house(make_house, scp.port, ", transcode: false")
        house.arrive(make_study(1, 1), "PARTNER")
        house.settle()
        house.process()
        assert house.deliver() == [DeliveryState.REJECTED]
    assert "transcoding is off" in detail(house).effects[0].detail


def test_what_may_have_landed_as_frozen_is_not_sent_as_anything_else(make_house: MakeHouse) -> None:
    with ScriptedScp(contexts=[(CT, [EXPLICIT])]) as scp:
        house = partner_house(make_house, scp.port)
        house.arrive(make_study(1, 1), "PARTNER")
        house.settle()
        house.process()
        uid = detail(house).frozen[0].sop_instance_uid
        scp.script[uid] = store_then_reset
        assert house.deliver() == [DeliveryState.WAITING]
        scp._ae.remove_supported_context(CT)
        scp._ae.add_supported_context(CT, [IMPLICIT])
        for context in scp._server.contexts:
            if context.abstract_syntax == CT:
                context.transfer_syntax = [UID(IMPLICIT)]
        house.wait(minutes=5)
        assert house.deliver() == [DeliveryState.WAITING]
        assert len(scp.received[uid]) == 1
    assert detail(house).effects[0].state is InstanceState.UNKNOWN


def test_renditions_of_what_keeps_its_identity_are_encrypted(make_house: MakeHouse) -> None:
    with KeepingScp() as scp:
        house = partner_house(make_house, scp.port, deidentify=RETAINED)
        house.arrive(make_study(1, 1), "PARTNER")
        house.settle()
        house.process()
        assert house.deliver() == [DeliveryState.FORWARDED]
        (came,) = next(iter(scp.keeper.files.values()))
    assert PATIENT[0].encode() in came
    (path,) = (one for one in rendition_folder(house.appliance).rglob("*") if one.is_file())
    assert PATIENT[0].encode() not in path.read_bytes()
    assert not [one for one in house.appliance.folders.scratch.rglob("*") if one.is_file()]


def test_a_damaged_rendition_waits_for_a_person(make_house: MakeHouse) -> None:
    with KeepingScp() as scp:
        house = partner_house(make_house, scp.port)
        house.arrive(make_study(1, 1), "PARTNER")
        house.settle()
        house.process()
        uid = detail(house).frozen[0].sop_instance_uid
        scp.script[uid] = 0xA700
        assert house.deliver() == [DeliveryState.WAITING]
        scp.script.clear()
        (path,) = (one for one in rendition_folder(house.appliance).rglob("*") if one.is_file())
        kept = path.read_bytes()
        path.write_bytes(kept[:-1] + b"?")
        house.wait(minutes=5)
        assert house.deliver() == [DeliveryState.WAITING]
        assert detail(house).deliveries[0].last_error_code == "damaged"
        path.write_bytes(kept)
        retry_now(house.appliance.custody, house.exchanges()[0].exchange_id, house.now)
        assert house.deliver() == [DeliveryState.FORWARDED]


def test_retention_takes_them_along_and_strays_are_swept(make_house: MakeHouse) -> None:
    with KeepingScp() as scp:
        house = partner_house(make_house, scp.port)
        house.arrive(make_study(1), "PARTNER")
        house.settle()
        house.process()
        house.deliver()
    folder = rendition_folder(house.appliance)
    files = [one for one in folder.rglob("*") if one.is_file()]
    assert len(files) == 2
    stray = files[0].with_name("stray.dcm")
    stray.write_bytes(b"")
    sweep_frozen(house.appliance)
    assert sorted(one for one in folder.rglob("*") if one.is_file()) == sorted(files)
    house.wait(days=40)
    retire_due(house.appliance)
    assert not [one for one in folder.rglob("*") if one.is_file()]
