"""`examine`: may this file be read at all, and where does everything lie?"""

import struct
from collections.abc import Set
from typing import BinaryIO

from exchange.dicomio.filemeta import (
    MEDIA_STORAGE_SOP_CLASS_UID,
    MEDIA_STORAGE_SOP_INSTANCE_UID,
    TRANSFER_SYNTAX_UID,
    FileMeta,
    encode_uid,
    read_file_meta,
)
from exchange.dicomio.inflated import inflate
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.limits import Limits
from exchange.dicomio.refusals import not_dicom, unknown_syntax
from exchange.dicomio.stream import open_binary
from exchange.dicomio.syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding, encoding_of
from exchange.dicomio.walk import Captured, Walk, WalkResult, dicomdir
from exchange.dicomio.window import Window
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError
from exchange.domain.source import Source

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
_DEFAULTS = Limits()
_NOTHING: frozenset[int] = frozenset()


def examine(source: Source, limits: Limits = _DEFAULTS) -> FileLayout:
    """Walk the structure of a file once, linearly and without recursion.

    Files without preamble or file meta are repaired: the syntax is guessed from the first element, and the
    whole data set must then parse and hold elements of group 0008.

    Args:
        source: The file.
        limits: What it may cost.

    Returns:
        Where everything lies.

    Raises:
        InputError: `not-dicom`, `dicomdir`, `truncated`, `missing-uid`, `group-0000`, `limit-exceeded` or
            `transfer-syntax`.
        OSError: The file cannot be read.
    """
    return survey(source, limits)[0]


def survey(
    source: Source, limits: Limits = _DEFAULTS, capture: Set[int] = _NOTHING
) -> tuple[FileLayout, dict[int, Captured]]:
    """As `examine`, and the raw values of these top-level elements; those that are absent are left out.

    Raises:
        InputError: As `examine`.
        OSError: The file cannot be read.
    """
    with open_binary(source) as file:
        size = file.seek(0, 2)
        window = Window(file, size)
        meta = read_file_meta(window)
        syntax, encoding, result = _survey((file, meta, window), limits, capture)
    return _layout(source, size, meta, result, syntax, encoding), result.captured


def survey_bare(
    file: BinaryIO, byte_count: int, announced: tuple[str, str, str], limits: Limits, capture: Set[int]
) -> tuple[str, WalkResult]:
    """As `survey` of a bare data set, under a file meta of what was announced of it.

    Args:
        file: The data set from its first byte.
        byte_count: Its length.
        announced: SOP class, SOP instance and transfer syntax UID.
        limits: What it may cost.
        capture: As `survey`.

    Returns:
        The transfer syntax as found, and what was found.

    Raises:
        InputError: As `examine`.
        OSError: It cannot be read.
    """
    elements = (MEDIA_STORAGE_SOP_CLASS_UID, MEDIA_STORAGE_SOP_INSTANCE_UID, TRANSFER_SYNTAX_UID)
    values = {number: encode_uid(uid) for number, uid in zip(elements, announced, strict=True)}
    opened = (file, FileMeta(prefixed=True, values=values, dataset_offset=0), Window(file, byte_count))
    syntax, _, result = _survey(opened, limits, capture)
    return _found_syntax(syntax, result), result


def _survey(
    opened: tuple[BinaryIO, FileMeta, Window], limits: Limits, capture: Set[int]
) -> tuple[str, Encoding, WalkResult]:
    """The transfer syntax as declared or guessed, its encoding, and what the walk found."""
    _, meta, window = opened
    if meta.uid(MEDIA_STORAGE_SOP_CLASS_UID) == MEDIA_STORAGE_DIRECTORY:
        raise dicomdir()
    declared = meta.uid(TRANSFER_SYNTAX_UID)
    syntax = declared or _guess(window, meta.dataset_offset)
    encoding = encoding_of(syntax)
    if encoding is None:
        raise unknown_syntax()
    result = _walk(opened, encoding, limits, capture)
    if result.pixels is not None and result.pixels.encapsulated and not declared:
        raise unknown_syntax()  # fragments of a codec that nobody named
    return syntax, encoding, result


def _walk(
    opened: tuple[BinaryIO, FileMeta, Window], encoding: Encoding, limits: Limits, capture: Set[int]
) -> WalkResult:
    file, meta, window = opened
    if encoding.deflated:
        with inflate(file, meta.dataset_offset, limits) as inflated:
            walk = Walk(Window(inflated, inflated.seek(0, 2)), 0, encoding, limits, capture)
            result = walk.run()
    else:
        walk = Walk(window, meta.dataset_offset, encoding, limits, capture)
        try:
            result = walk.run()
        except InputError as error:
            if meta.prefixed or meta.values or walk.result.recognised:
                raise
            raise not_dicom("it has no DICM prefix and no data set") from error
    if not (meta.prefixed or meta.values or result.recognised):
        raise not_dicom("it has no DICM prefix and no data set")
    if not result.sop_class_uid or not result.sop_instance_uid:
        raise InputError(
            ReasonCode.MISSING_UID,
            "cannot identify the instance: SOPClassUID or SOPInstanceUID is missing or empty",
            "have the sender repair the object",
        )
    return result


def _layout(
    source: Source, size: int, meta: FileMeta, result: WalkResult, syntax: str, encoding: Encoding
) -> FileLayout:
    return FileLayout(
        source=source,
        transfer_syntax_uid=_found_syntax(syntax, result),
        sop_class_uid=result.sop_class_uid,
        sop_instance_uid=result.sop_instance_uid,
        has_file_meta=bool(meta.values),
        dataset_offset=meta.dataset_offset,
        dataset_length=size - meta.dataset_offset,
        implicit_vr=result.implicit_vr,
        little_endian=encoding.little_endian,
        deflated=encoding.deflated,
        end_offset=result.end_offset,
        pixels=result.pixels,
        sequence_ends=result.sequence_ends,
    )


def _found_syntax(syntax: str, result: WalkResult) -> str:
    """What was declared, but implicit or explicit VR as it really is."""
    if syntax in (IMPLICIT_LITTLE, EXPLICIT_LITTLE):
        return IMPLICIT_LITTLE if result.implicit_vr else EXPLICIT_LITTLE
    return syntax


def _guess(window: Window, offset: int) -> str:
    """Guess the syntax of a data set from its first element, as `pydicom.dcmread(force=True)` does.

    A first group below 0x0400 read with the wrong byte order is at least 0x0400.
    """
    if window.end - offset < 8:
        if offset:
            return EXPLICIT_LITTLE  # nothing left to read: the walk will say what is missing
        raise not_dicom("it is too short")
    group, _, vr = struct.unpack("<HH2s", window.take(offset, 6))
    if not (0x40 < vr[0] < 0x5B and 0x40 < vr[1] < 0x5B):
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if group >= 0x0400 else EXPLICIT_LITTLE
