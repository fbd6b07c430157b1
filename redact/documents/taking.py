"""The bytes of an encapsulated document, as an object gives them (PS3.3 C.24.2)."""

from pydicom.dataset import Dataset

DOCUMENT = 0x00420011
LENGTH = 0x00420015
_UTF_16 = b"\xff\xfe"


def document_bytes(ds: Dataset) -> bytes:
    """The document without padding; b"" where there is none."""
    value = ds[DOCUMENT].value if DOCUMENT in ds else None
    if not isinstance(value, bytes):
        return b""
    length = ds.get("EncapsulatedDocumentLength")
    if isinstance(length, int) and 0 < length <= len(value):
        return value[:length]
    bare = value.rstrip(b"\0")
    # The last byte of text in UTF-16 is a zero that belongs to it.
    return bare + b"\0" * (len(bare) % 2) if bare.startswith(_UTF_16) else bare
