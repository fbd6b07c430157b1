"""Orthanc as the PACS and Orthanc as the partner, with the real appliance between: C-STORE and STOW-RS."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - an independent reader of what the partner holds

from tests.interop.studies import PATIENT, Instance, build, files_mentioning, paths
from tests.support.appliance import Appliance, dicom_peer, dicomweb_peer, outbound
from tests.support.corpus import find_corpus
from tests.support.orthanc import Modality, Orthanc, needs_dicomweb
from tests.support.outgoing import example

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(240),
    needs_dicomweb,
]

CORPUS_SERIES = (
    [f"mr-ge-2series/axial_epi_fmri_interleaved_i_to_s-{number:05d}.dcm" for number in (1, 2, 3)],
    [f"mr-ge-2series/axial_epi_fmri_interleaved_s_to_i-{number:05d}.dcm" for number in (1, 2)],
    ["ruby-misc/implicit_us_jpeg2k-lossless-mono2-multiframe.dcm"],
    ["charset-fodicom/chrGerm.dcm"],
    ["fodicom-misc/GH184.dcm"],
)
"""Two MR series, ultrasound in JPEG 2000, a secondary capture, PET in JPEG Lossless: all small."""

OWN_SERIES = (["MR_small.dcm", "MR_small.dcm"], ["CT_small.dcm"], ["SC_rgb_small_odd.dcm"])


@dataclass
class Town:
    """PACS, appliance and partner, after one study went to both virtual AEs."""

    box: Appliance
    partner: Orthanc
    study: list[Instance]
    exchanges: dict[str, dict[str, object]]

    def held_by_partner(self, route: str) -> list[Dataset]:
        """What the partner holds of the study that came by this route, read from its own files."""
        sent = self.exchanges[route]["study_uid_sent"]
        files = (self.partner.file(one) for one in self.partner.instances())
        return [ds for ds in (dcmread(BytesIO(blob)) for blob in files) if ds.StudyInstanceUID == sent]


def sources() -> list[list[Path]]:
    corpus = find_corpus()
    if corpus is None:
        return [[example(name) for name in series] for series in OWN_SERIES]
    return [[corpus / name for name in series] for series in CORPUS_SERIES]


@pytest.fixture(scope="module")
def town(folder: Path) -> Iterator[Town]:
    study = build(folder / "made", "town", sources())
    with Orthanc(folder / "partner", ae_title="PARTNER") as partner:
        box = Appliance(
            folder / "site",
            peers={
                "partner": dicom_peer("PARTNER", partner.dicom_port),
                "archive": dicomweb_peer(partner.dicomweb_url),
            },
            routes=[outbound("by-store", "BYSTORE", ["partner"]), outbound("by-stow", "BYSTOW", ["archive"])],
            limits={"workers": 2},
        )
        with box:
            # where the partner reports its storage commitment
            partner.add_modality("lockgate", Modality("LOCKGATE", box.port))
            peers = {title: Modality(title, box.port) for title in ("BYSTORE", "BYSTOW")}
            with Orthanc(folder / "pacs", ae_title="PACS", modalities=peers) as pacs:
                ids = [pacs.upload(path) for path in paths(study)]
                for title in peers:
                    answer = pacs.send_to(title, ids)
                    assert (answer["FailedInstancesCount"], answer["InstancesCount"]) == (0, len(study))
            closed = box.wait_closed(2, 200)
            yield Town(box, partner, study, {one["route"]: one for one in closed})


def test_both_protocols_delivered_every_instance(town: Town) -> None:
    assert town.box.holds() == []
    assert len(town.partner.studies()) == 2
    for route in ("by-store", "by-stow"):
        detail = town.box.exchange(str(town.exchanges[route]["exchange_id"]))
        ended, confirmed = ("committed", "committed") if route == "by-store" else ("forwarded", "sent")
        assert [one["state"] for one in detail["deliveries"]] == [ended]
        assert {one["state"] for one in detail["instances"]} == {confirmed}
        assert len(town.held_by_partner(route)) == len(town.study)


@pytest.mark.parametrize("route", ["by-store", "by-stow"])
def test_study_and_series_keep_their_structure(town: Town, route: str) -> None:
    received = town.held_by_partner(route)
    before = {(read.SeriesNumber, read.InstanceNumber): read for read in map(dcmread, paths(town.study))}
    after = {(one.SeriesNumber, one.InstanceNumber): one for one in received}
    assert before.keys() == after.keys()
    assert len({one.SOPInstanceUID for one in received}) == len(town.study)
    assert len({one.FrameOfReferenceUID for one in received}) == 1
    series = {one.SeriesNumber: one.SeriesInstanceUID for one in received}
    assert len(set(series.values())) == len(series) == len({one.series_uid for one in town.study})
    assert all(series[one.SeriesNumber] == one.SeriesInstanceUID for one in received)
    for place, original in before.items():
        kept = after[place]
        assert (kept.SOPClassUID, kept.Rows, kept.Columns) == (
            original.SOPClassUID, original.Rows, original.Columns,
        )  # fmt: skip
    assert Counter(one.Modality for one in received) == Counter(one.Modality for one in before.values())


@pytest.mark.parametrize("route", ["by-store", "by-stow"])
def test_references_follow_the_instances(town: Town, route: str) -> None:
    received = town.held_by_partner(route)
    first = {one.SeriesNumber: one.SOPInstanceUID for one in received if one.InstanceNumber == 1}
    for one in received:
        (reference,) = one.ReferencedImageSequence
        assert reference.ReferencedSOPInstanceUID == first[one.SeriesNumber]
        assert reference.ReferencedSOPClassUID == one.SOPClassUID


def test_the_two_domains_cannot_be_linked(town: Town) -> None:
    def uids(route: str) -> set[str]:
        found = town.held_by_partner(route)
        return {str(value) for one in found for value in (
            one.PatientID, one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID,
            one.FrameOfReferenceUID,
        )}  # fmt: skip

    assert not uids("by-store") & uids("by-stow")
    patients = {str(one.PatientID) for one in town.held_by_partner("by-store")}
    assert len(patients) == 1
    assert patients != {""}


def test_nothing_of_the_patient_lies_in_the_partners_storage(town: Town) -> None:
    originals = {uid for one in town.study for uid in (one.study_uid, one.series_uid, one.sop_instance_uid)}
    words = [*PATIENT.words, *originals]
    assert len(files_mentioning(words, town.study[0].path.parent)) == len(town.study)  # the search finds
    assert files_mentioning(words, town.partner.storage) == {}
