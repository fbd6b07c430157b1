"""The bundle `<receiptId>.receipt.zip`: everything that a reader needs, except whom to trust."""

import io
import zipfile

from exchange.keys.signing import SigningKey
from exchange.receipts.cms import detached_signature
from exchange.receipts.dsse import envelope

PAYLOAD = "receipt.json"
ENVELOPE = "receipt.dsse.json"
SIGNATURE = "receipt.p7s"
CHAIN = "chain.pem"
README = "README.txt"
PROOF = "receipt.tlog-proof"

_README = """\
This is a signed receipt of a DICOM exchange, made by Lockgate. Nothing in this folder says whom to trust:
take the certificate of the sending site's CA (called SITE-CA.pem below) from your own trust folder, after you
have compared its fingerprint with the site by another way, for instance by telephone.

With Lockgate:

    lockgate verify --trust TRUST-FOLDER --files STUDY-FOLDER {name}.receipt.zip

With openssl alone, in this folder. 1. The signature over the receipt, and its signer:

    openssl cms -verify -binary -inform DER -in receipt.p7s -content receipt.json \\
        -CAfile SITE-CA.pem -purpose any -out /dev/null

2. The same by the DSSE envelope (the key is the one whose certificate comes first in chain.pem):

    openssl x509 -in chain.pem -noout -pubkey > key.pem
    sed -n 's/.*"sig":"\\([^"]*\\)".*/\\1/p' receipt.dsse.json | openssl base64 -d -A > receipt.sig
    printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c < receipt.json)" > receipt.pae
    cat receipt.json >> receipt.pae
    openssl dgst -sha256 -verify key.pem -signature receipt.sig receipt.pae
    openssl verify -CAfile SITE-CA.pem -purpose any chain.pem

3. A file: its digest is of the data set, after the file meta, and stands in receipt.json under "subject"
beside the SOP Instance UID:

    META=$(od -An -tu1 -j140 -N4 FILE.dcm | awk '{{print $1 + 256*$2 + 65536*$3 + 16777216*$4}}')
    tail -c +$((META + 145)) FILE.dcm | openssl dgst -sha256

4. receipt.tlog-proof (C2SP tlog-proof@v1) shows that the receipt is in the site's log. Its checkpoint is the
signed note at its end; the log's key (a line in a *.vkey file) comes from your trust folder.
`lockgate verify` checks it.
"""


def bundle_files(receipt_id: str, payload: bytes, key: SigningKey) -> dict[str, bytes]:
    """The bundle's files by name; signs the payload twice, as DSSE and as CMS."""
    return {
        PAYLOAD: payload,
        ENVELOPE: envelope(payload, key),
        SIGNATURE: detached_signature(payload, key),
        CHAIN: key.chain_pem,
        README: _README.format(name=receipt_id).encode("ascii"),
    }


def has_proof(bundle: bytes) -> bool:
    """Whether the zip holds a proof."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return PROOF in archive.namelist()


def with_proof(bundle: bytes, proof: bytes) -> bytes:
    """The bundle's zip with the proof that it is in the log; the signed parts stay byte for byte."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return zipped({**files, PROOF: proof})


def zipped(files: dict[str, bytes]) -> bytes:
    """An uncompressed zip with fixed times and modes: the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()
