"""What `lockgate keys` answers, from the running daemon and offline alike; nothing secret."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CertificateAnswer(_Answer):
    """A certificate."""

    subject: str
    issuer: str
    serial: str = Field(description="Hexadecimal.")
    sha256: str = Field(description="Fingerprint of its DER; compare it by telephone.")
    notBefore: datetime  # noqa: N815 - as in JSON
    notAfter: datetime  # noqa: N815
    daysLeft: int = Field(description="Whole days; negative when it is over.")  # noqa: N815


class KeyAnswer(_Answer):
    """One key in the keys folder."""

    purpose: str = Field(
        description="receipts, site-ca, pseudonyms (with the epoch), crosswalk, storage, log (which)."
    )
    state: str = Field(description="current, former, revoked, uncertified, or unusable with the reason.")
    keyid: str = Field(description="SHA-256 of the public key; empty for a secret.")
    protection: str = Field(description="file, or elsewhere when the private half is not on this box.")
    certificate: CertificateAnswer | None
    invalidFrom: str = Field("", description="Of a revoked key.")  # noqa: N815
    reason: str = Field("", description="Why it was revoked.")


class KeysAnswer(_Answer):
    """`lockgate keys show`."""

    folder: str
    keys: tuple[KeyAnswer, ...]


class MadeKeyAnswer(_Answer):
    """`lockgate keys init`."""

    keyid: str
    certified: bool = Field(description="False: have it certified, then install the certificate.")
    replaced: str = Field(description="The revoked key in whose place it is; empty for none.")


class InstalledAnswer(_Answer):
    """`lockgate keys install`."""

    keyid: str
    certificate: CertificateAnswer
    anchor: str = Field(description="The CA's certificate; partners need this file.")
    anchorSha256: str  # noqa: N815
    former: str = Field(description="Where the former certificate is kept; empty if there was none.")


class RevokedAnswer(_Answer):
    """`lockgate keys revoke`."""

    keyid: str
    invalidFrom: str  # noqa: N815
    reason: str
    file: str = Field(description="For the trust folders of partners.")
