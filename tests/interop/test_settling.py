"""Settling with evidence, by the running appliance: a real Orthanc is asked what a study has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.sending import SUCCESS, store_files
from tests.interop.studies import HEADERS_ONLY, bare_study, paths
from tests.support.appliance import Appliance, dicom_peer, outbound
from tests.support.orthanc import Modality, Orthanc, available
from tests.support.ports import free_port
from tests.support.signed import log_text

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.interop,
    pytest.mark.skipif(not available(), reason="Orthanc is not installed"),
]


@pytest.fixture(scope="module")
def pacs(folder: Path) -> Iterator[Orthanc]:
    modalities = {"lockgate": Modality("LOCKGATE", free_port())}
    with Orthanc(folder / "pacs", ae_title="PACS", modalities=modalities) as orthanc:
        yield orthanc


@pytest.fixture(scope="module")
def box(folder: Path, pacs: Orthanc) -> Iterator[Appliance]:
    (folder / "study").mkdir()
    asking = {"quiet_seconds": 0.5, "query": "pacs", "longest_seconds": 60.0}
    appliance = Appliance(
        folder / "site",
        profiles={"headers": HEADERS_ONLY},
        peers={
            "pacs": dicom_peer("PACS", pacs.dicom_port),
            "gone": dicom_peer("GONE", free_port()),
        },
        routes=[
            outbound("asking", "ASKING", ["outgoing"], profile="headers", settle=asking),
            outbound("gone", "GONEAWAY", ["outgoing"], profile="headers", settle={**asking, "query": "gone"}),
        ],
    )
    with appliance:
        yield appliance


def closed(box: Appliance, called_ae: str) -> list[dict[str, Any]]:
    return [one for one in box.exchanges("closed") if one["called_ae"] == called_ae]


def test_the_pacs_is_asked_and_what_it_still_has_is_waited_for(
    box: Appliance, pacs: Orthanc, folder: Path
) -> None:
    study = paths(bare_study(folder / "study", "asked", 3))
    for path in study:
        pacs.upload(path)
    assert store_files(box.port, "ASKING", study[:2]) == [SUCCESS] * 2
    offset = len(box.log_text())
    box.wait_for(lambda one: "archive.asked" in log_text(one), "question to the PACS")
    (open_one,) = box.exchanges("open")
    assert open_one["instance_count"] == 2
    assert store_files(box.port, "ASKING", study[2:]) == [SUCCESS]
    (one,) = box.wait_for(lambda each: closed(each, "ASKING"), "the closed exchange")
    assert one["instance_count"] == 3
    evidence = one["evidence"]
    assert (evidence["rule"], evidence["expected"], evidence["received"]) == ("expected-count", 3, 3)
    assert [(source["kind"], source["peer"]) for source in evidence["sources"]] == [("c-find", "pacs")]
    assert "Traceback" not in box.log_text(offset)


def test_a_pacs_that_is_down_stops_nothing(box: Appliance, folder: Path) -> None:
    study = paths(bare_study(folder / "study", "gone", 2))
    assert store_files(box.port, "GONEAWAY", study) == [SUCCESS] * 2
    (one,) = box.wait_for(lambda each: closed(each, "GONEAWAY"), "the closed exchange")
    assert one["evidence"]["expected"] == "unknown"
    assert [source["outcome"] for source in one["evidence"]["sources"]] == ["unreachable"]
