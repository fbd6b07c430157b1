"""Layer D: the study's files are not the receipt's."""

import json
from collections.abc import Callable
from dataclasses import replace

from tests.hostile.chance import Chance
from tests.vectors.mutants import NAMED, Bench, Make, add, named
from tests.vectors.statements import canonical
from tests.vectors.studies import BIG, EXPLICIT, IMPLICIT, Instance
from tests.vectors.world import Case, Files, folder_of

_CHANGED = ("pixels-changed", "file-changed", "header-changed")


def path(uid: str) -> str:
    """Of an instance's file."""
    return f"series/{uid}.dcm"


def _instead(bench: Bench, at: int, **changes: object) -> Files:
    """The folder with one instance made otherwise."""
    item = bench.world.study[at]
    changed = replace(item, **changes)  # type: ignore[arg-type]
    return {**bench.folder(), path(item.uid): changed.file()}


def _edit(bench: Bench, at: int, old: bytes, new: bytes) -> Files:
    files = bench.folder()
    name = path(bench.world.study[at].uid)
    assert old in files[name]
    return {**files, name: files[name].replace(old, new)}


def _without(bench: Bench, at: int) -> Files:
    files = bench.folder()
    del files[path(bench.world.study[at].uid)]
    return files


_LATER = b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00"
_TABLE: list[tuple[str, tuple[str, ...], Callable[[Bench], Files]]] = [
    ("flip a pixel bit", ("pixels-changed",), lambda b: _instead(b, 0, pixels=b"\1" * 8)),
    ("flip a pixel bit of an implicit file", ("pixels-changed",), lambda b: _instead(b, 1, pixels=b"\1" * 8)),
    (
        "flip a pixel bit of an encapsulated file",
        ("pixels-changed",),
        lambda b: _instead(b, 2, pixels=b"\1" * 8),
    ),
    ("edit a header attribute", ("header-changed",), lambda b: _instead(b, 0, description="NECK")),
    ("rename an instance", ("renamed",), lambda b: _instead(b, 0, uid="2.25.9999")),
    (
        "exchange an instance for a new one",
        ("extra", "missing"),
        lambda b: _instead(b, 0, uid="2.25.9999", pixels=b"other bytes!"),
    ),
    ("re-encode an instance", ("transcoded",), lambda b: _instead(b, 0, syntax=IMPLICIT)),
    ("re-encode an instance in big endian", ("transcoded",), lambda b: _instead(b, 0, syntax=BIG)),
    ("strip the pixels", ("pixels-changed",), lambda b: _instead(b, 0, pixels=None)),
    ("another UID in the file meta", ("meta-differs",), lambda b: _instead(b, 0, meta_uid="2.25.5")),
    (
        "another transfer syntax in the file meta",
        ("meta-differs",),
        lambda b: _edit(b, 0, _LATER, _LATER.replace(b"2.1\0", b"2.2\0")),
    ),
    ("delete an instance", ("missing",), lambda b: _without(b, 1)),
    ("an empty folder", ("missing",), lambda _: {"notes.txt": b"nothing here"}),
    (
        "add an instance",
        ("extra",),
        lambda b: {**b.folder(), "series/new.dcm": Instance("2.25.9999", pixels=b"unknown!").file()},
    ),
    (
        "a second copy of an instance",
        ("duplicate",),
        lambda b: {**b.folder(), "copy.dcm": b.folder()[path("2.25.1000")]},
    ),
    (
        "a copy that hides a missing one",
        ("missing", "duplicate"),
        lambda b: {**_without(b, 1), "copy.dcm": b.folder()[path("2.25.1000")]},
    ),
    (
        "cut a file in its data set",
        (*_CHANGED, "file-unreadable"),
        lambda b: {**b.folder(), path("2.25.1000"): b.folder()[path("2.25.1000")][:-3]},
    ),
    (
        "cut a file in its file meta",
        ("file-unreadable",),
        lambda b: {**b.folder(), path("2.25.1000"): b.folder()[path("2.25.1000")][:200]},
    ),
    (
        "a file without a group length",
        ("file-unreadable",),
        lambda b: {**b.folder(), "odd.dcm": bytes(128) + b"DICM" + bytes(40)},
    ),
    ("only a magic", ("file-unreadable",), lambda b: {**b.folder(), "odd.dcm": bytes(128) + b"DICM"}),
    (
        "append to a file",
        (*_CHANGED, "file-unreadable"),
        lambda b: {**b.folder(), path("2.25.1000"): b.folder()[path("2.25.1000")] + b"\0\0"},
    ),
    (
        "a sequence without end",
        ("file-unreadable",),
        lambda b: {**b.folder(), path("2.25.1000"): _endless(b)},
    ),
    ("the whole of another study", ("extra", "missing"), lambda b: folder_of(b.other)),
]


def _endless(bench: Bench) -> bytes:
    data = bench.folder()[path("2.25.1000")]
    end = data.index(b"\xfe\xff\xdd\xe0")
    return data[:end]


def _beside(make: Callable[[Bench], Files], *codes: str) -> Make:
    return lambda bench, _: bench.study_case(make(bench), *codes)


for _name, _codes, _make in _TABLE:
    add(NAMED, f"study: {_name}", _beside(_make, *_codes))


@named("study: the receipt of study A with the package B")
def _crossed(bench: Bench, _: Chance) -> Case:
    document = bench.author().write("deidentified", bench.other)
    return bench.case("D", "missing", "extra", bundle=bench.site.issue(document))


@named("study: swap two data sets under their file metas")
def _swapped(bench: Bench, _: Chance) -> Case:
    one, two = Instance("2.25.3001"), Instance("2.25.3002", pixels=b"\4\3\2\1")
    heads = [replace(item, pixels=None).file() for item in (one, two)]
    files = {
        "one.dcm": heads[0][: -len(replace(one, pixels=None).dataset())] + two.dataset(),
        "two.dcm": heads[1][: -len(replace(two, pixels=None).dataset())] + one.dataset(),
    }
    bundle = bench.site.issue(bench.author().write("deidentified", [one, two]))
    return bench.case("D", "meta-differs", bundle=bundle, files=files)


def _lies(bench: Bench, old: str, new: str) -> Case:
    document = json.loads(bench.first["receipt.json"])
    text = json.dumps(document).replace(old, new)
    return bench.case("D", bundle=bench.site.issue(json.loads(text)))


@named("study: a really signed digest of other bytes")
def _other_digest(bench: Bench, _: Chance) -> Case:
    return _lies(bench, bench.first["receipt.json"].decode().split('"sha256":"')[-1][:64], "ab" * 32)


@named("study: a really signed other transfer syntax")
def _other_syntax(bench: Bench, _: Chance) -> Case:
    document = json.loads(bench.first["receipt.json"])
    document["subject"][0]["annotations"]["transferSyntax"] = IMPLICIT
    assert document["subject"][0]["annotations"]["transferSyntax"] != EXPLICIT
    return bench.case("D", "meta-differs", bundle=bench.site.sign(canonical(document)))


@named("study: files for a receipt of no instance")
def _no_subjects(bench: Bench, _: Chance) -> Case:
    document = bench.author().write("closed", (), previous="0" * 64, deliveries=[])
    return bench.case("D", "no-subjects", bundle=bench.site.issue(document))
