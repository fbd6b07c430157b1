"""The hostile set: several patients with several studies, on real files, with an answer key.

    python -m tests.hostile.generate OUT [--seed N] [--patients N] [--small]

writes OUT/files and OUT/key.json. The same seed and the same base files give the same bytes.
"""

import argparse
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path

from tests.hostile import every_vr, graphics, places, private, structured
from tests.hostile.bases import IMAGES, OBJECTS, Base, Loaded, available, load
from tests.hostile.chance import Chance
from tests.hostile.charsets import LIES
from tests.hostile.drafts import Case, Draft
from tests.hostile.encode import part10
from tests.hostile.identity import file_name, identify, note_technical
from tests.hostile.key import AnswerKey, Instance
from tests.hostile.people import Patient, patients
from tests.hostile.structured import Target
from tests.support.corpus import find_corpus

STUDIES = 2
Group = Callable[[Draft], None]

# Places for every kind of object, and those of images only. Each instance gets some, in turns, so that one
# place that a cleaner refuses does not hide all the others. Neither list's length is a multiple of three.
GROUPS: dict[str, Group] = {
    "envelope": places.envelope,
    "free text": places.free_text,
    "nested": places.nested,
    "private": private.private,
    "others": places.others,
    "VRs of text": every_vr.text_vrs,
    "VRs of bytes": every_vr.binary_vrs,
    "VRs of numbers": every_vr.number_vrs,
    "spellings": places.spellings,
    "dates": places.dates,
    "UIDs": places.uids,
    "retired": graphics.retired,
}
IMAGE_GROUPS: dict[str, Group] = {
    "overlay": graphics.overlay,
    "icon": graphics.icon,
    "frames": graphics.frames,
    "burned in": graphics.burn,
}
_DERIVED = ("KO", "PR", "RTSTRUCT", "DOC", "CDA")


@dataclass
class Generator:
    """Makes one set.

    Attributes:
        folder: Receives the files.
        people: How many patients.
        small: Small base files only, and fewer objects a study.
        answer: Make the model answer instead of the hostile files.
        corpus: Folder of real files; None for pydicom's own.
    """

    folder: Path
    seed: int = 1
    people: int = 12
    small: bool = False
    answer: bool = False
    corpus: Path | None = field(default_factory=find_corpus)

    def run(self) -> AnswerKey:
        """Write the set and return its answer key."""
        self._index = count()
        self._groups, self._image_groups = cycle(GROUPS.items()), cycle(IMAGE_GROUPS.items())
        self._images = cycle(available(IMAGES, self.corpus, small=self.small))
        self._objects = cycle(self._object_bases())
        made: list[Instance] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom on the very values that are planted
            for patient in patients(Chance(f"people {self.seed}"), self.people):
                made += self._patient(patient)
        return AnswerKey(self.seed, made)

    def _object_bases(self) -> list[Base | str]:
        """Real objects and derived ones in turns."""
        real = available(OBJECTS, self.corpus, small=self.small)
        mixed: list[Base | str] = []
        for number, base in enumerate(real):
            mixed.append(base)
            if number < len(_DERIVED):
                mixed.append(_DERIVED[number])
        return mixed

    def _patient(self, patient: Patient) -> Iterator[Instance]:
        earlier: list[Target] = []
        for number in range(STUDIES):
            targets: list[Target] = []
            for _ in range(2 if self.small else 3):
                yield self._instance(patient, number, next(self._images), targets)
            for _ in range(1 if self.small else 2):
                yield self._instance(patient, number, next(self._objects), [*targets, *earlier])
            earlier = targets[:1]

    def _instance(self, patient: Patient, number: int, base: Base | str, targets: list[Target]) -> Instance:
        """One file; an image is appended to the targets that later objects reference."""
        index = next(self._index)
        loaded = _derived(base) if isinstance(base, str) else load(base, self.corpus)
        chance = Chance(f"{self.seed}/{index}")
        charset = LIES[patient.charset] if index % 7 == 3 else patient.charset
        instance = Instance(
            file="", patient=patient.key, study=f"{patient.key}.{number}", modality=loaded.base.modality,
            origin=loaded.origin, transfer_syntax=str(loaded.dataset.file_meta.TransferSyntaxUID),
            charset=charset.name, codec=charset.codec,
        )  # fmt: skip
        groups = dict(self._next_groups(is_image=base in IMAGES, has_pixels="PixelData" in loaded.dataset))
        draft = Draft(
            loaded,
            case_of(patient, number, index, loaded, telling="UIDs" in groups),
            charset,
            chance,
            self.answer,
            instance,
        )
        instance.file = f"{index:04}.dcm" if self.answer else file_name(draft, index)
        instance.plants = (*groups, *(("lying charset",) if charset is not patient.charset else ()))
        note_technical(draft)
        identify(draft)
        structured.content(draft, targets)
        if base in IMAGES:
            structured.image_references(draft, targets)
            targets.append(_target(draft))
        for plant in groups.values():
            plant(draft)
        write(draft, self.folder / instance.file)
        return instance

    def _next_groups(self, *, is_image: bool, has_pixels: bool) -> Iterator[tuple[str, Group]]:
        for _ in range(3):
            yield next(self._groups)
        if is_image and has_pixels:
            yield from (next(self._image_groups) for _ in range(3))


def _derived(kind: str) -> Loaded:
    ds = structured.derived(kind)
    return Loaded(Base(str(ds.Modality)), f"derived: {kind}", ds)


def case_of(patient: Patient, number: int, index: int, loaded: Loaded, *, telling: bool) -> Case:
    root = f"1.2.826.0.1.3680043.10.775.{int(patient.key[1:]) + 1}.{number + 1}"
    series = f"{root}.{int.from_bytes(loaded.base.modality.encode(), 'big')}"
    sop = f"{series}.{index + 1}"
    if telling:
        sop = f"1.2.826.0.1.3680043.10.774.{patient.digits}.{patient.study_day(number):%Y%m%d}.{index + 1}"
    return Case(patient, number, index, root, series, sop, f"{root}.1")


def _target(draft: Draft) -> Target:
    case = draft.case
    return Target(draft.instance, str(draft.ds.SOPClassUID), case.sop_uid, case.series_uid, case.study_uid)


def write(draft: Draft, path: Path) -> None:
    """Write as drafted: preamble, file meta, data set, and what comes after it."""
    meta: dict[int, tuple[str, bytes]] = {
        0x00020001: ("OB", b"\0\1"),
        0x00020002: ("UI", str(draft.ds.SOPClassUID).encode()),
        0x00020003: ("UI", str(draft.ds.file_meta.MediaStorageSOPInstanceUID).encode()),
        0x00020010: ("UI", str(draft.ds.file_meta.TransferSyntaxUID).encode()),
        0x00020012: ("UI", b"1.2.826.0.1.3680043.10.778"),
        **draft.meta,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        part10(draft.ds, draft.ds.file_meta.TransferSyntaxUID, draft.preamble, meta) + draft.after
    )


def _parse(arguments: Iterable[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--small", action="store_true")
    return parser.parse_args(list(arguments) if arguments is not None else None)


def main() -> None:
    options = _parse()
    Generator(options.out / "files", options.seed, options.patients, options.small).run().write(
        options.out / "key.json"
    )


if __name__ == "__main__":
    main()
