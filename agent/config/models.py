"""The site file as typed values: unknown keys refused, nothing coerced, nothing changed after reading.

The published JSON Schema (`config/schemas/site.schema.json`) is generated from here.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Strict, Tag, model_validator

from agent.config.spot_check import SpotCheck
from agent.config.types import (
    AETitle,
    Count,
    DatabaseUrl,
    Host,
    IdPrefix,
    Issuer,
    Name,
    Pattern,
    Pin,
    Port,
    Seconds,
    SitePath,
    Text,
    Url,
    refuse,
)
from exchange.domain.exchange import Direction, Role

DATABASE_FILE = "lockgate.db"
CROSSWALK_FILE = "crosswalk.db"
CONTROL_SOCKET = "control.sock"


class Part(BaseModel):
    """Base of every part of the site file."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class DicomListener(Part):
    """Plain DICOM; the called AE titles of the routes are accepted besides these."""

    ae_titles: tuple[AETitle, ...] = Field(("LOCKGATE",), min_length=1)
    host: Host = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 is every interface.")
    port: Port = 11112


class TlsListener(Part):
    """DICOM over mutual TLS (PS3.15 B.12): callers without a certificate of `client_ca` are refused."""

    ae_titles: tuple[AETitle, ...] = Field((), description="Besides those of listen.dicom and of the routes.")
    host: Host = "127.0.0.1"
    port: Port = 2762
    cert: SitePath = Field(description="PEM, the chain in order, own certificate first.")
    key: SitePath = Field(description="PEM, mode 0600.")
    client_ca: SitePath = Field(description="PEM of the authorities whose clients are let in.")


class WebListener(Part):
    """The web page of people who review."""

    host: Host = "127.0.0.1"
    port: Port = 8443


class StowDoor(Part):
    """One address of the STOW-RS server, `/dicom-web/<called_ae>/studies`, and who may use it."""

    called_ae: AETitle = Field(description="What routes match; also the address.")
    token_file: SitePath | None = Field(None, description="Bearer token that callers must show; mode 0600.")
    pin: Pin | None = Field(None, description="SubjectPublicKeyInfo of the certificate they must show.")
    peer: Name | None = Field(None, description="The configured peer that a caller of this door is.")


class DicomwebListener(Part):
    """The STOW-RS server (PS3.18 10.5)."""

    host: Host = "127.0.0.1"
    port: Port = 8042
    cert: SitePath | None = Field(None, description="PEM chain; without it, plain HTTP on loopback only.")
    key: SitePath | None = Field(None, description="PEM, mode 0600.")
    client_ca: SitePath | None = Field(None, description="Clients must show a certificate of these.")
    doors: tuple[StowDoor, ...] = Field(min_length=1)


class MetricsListener(Part):
    """Prometheus metrics at `/metrics`; the control socket has them, too."""

    host: Host = "127.0.0.1"
    port: Port = 9464


class Listen(Part):
    """Where the appliance listens."""

    dicom: DicomListener | None = None
    dicom_tls: TlsListener | None = None
    web: WebListener | None = None
    dicomweb: DicomwebListener | None = None
    metrics: MetricsListener | None = None


class PeerTls(Part):
    """TLS towards a DICOM peer."""

    ca: SitePath = Field(description="PEM of the authority that signed the peer's certificate.")
    cert: SitePath | None = Field(None, description="Our certificate, for mutual TLS.")
    key: SitePath | None = None


class DicomPeer(Part):
    """A peer reached by C-STORE."""

    ae_title: AETitle
    host: Host
    port: Port
    calling_ae: AETitle | None = Field(
        None, description="What we call ourselves; default: the listener's first."
    )
    tls: PeerTls | None = None
    associations: Annotated[int, Strict(), Field(ge=1, le=16)] = Field(
        4, description="Open at once at most, when the peer is the faster for it."
    )
    commitment: Literal["auto", "require", "off"] = Field(
        "auto", description="Storage commitment: where the peer offers it, always, or never."
    )
    commitment_minutes: Annotated[int, Strict(), Field(ge=1, le=10080)] = Field(
        15, description="How long the peer may take to commit before it is asked again."
    )
    transcode: bool = Field(
        True, description="Send another lossless transfer syntax where the peer cannot take the original's."
    )
    instance_mib: Count | None = Field(None, description="The largest instance that the peer takes.")


class DicomwebPeer(Part):
    """A peer reached by STOW-RS."""

    url: Url
    ca: SitePath | None = Field(None, description="PEM; default: the system's authorities.")
    client_cert: SitePath | None = None
    client_key: SitePath | None = Field(None, description="Default: in the client_cert file.")
    token_file: SitePath | None = Field(None, description="Bearer token, mode 0600.")
    requests: Annotated[int, Strict(), Field(ge=1, le=16)] = Field(
        4, description="In flight at once at most."
    )
    instance_mib: Count | None = Field(None, description="The largest instance that the peer takes.")


class ReceiptsEndpoint(Part):
    """Where a peer takes receipts that its own protocol does not carry: each is posted as a zip."""

    url: Url = Field(description="https; plain http to this machine only.")
    ca: SitePath | None = Field(None, description="PEM; default: the system's authorities.")
    client_cert: SitePath | None = None
    client_key: SitePath | None = Field(None, description="Default: in the client_cert file.")
    token_file: SitePath | None = Field(None, description="Bearer token, mode 0600.")
    pin: Pin | None = Field(None, description="SHA-256 of the endpoint's SubjectPublicKeyInfo.")


class FolderPeer(Part):
    """A peer that is a folder."""

    path: SitePath


class Peer(Part):
    """A named system on the other end of a wire: exactly one of dicom, dicomweb, folder."""

    dicom: DicomPeer | None = None
    dicomweb: DicomwebPeer | None = None
    folder: FolderPeer | None = None
    receipts: ReceiptsEndpoint | None = Field(
        None, description="Where the peer takes receipts; a folder has them beside the study."
    )
    pin: Pin | None = Field(None, description="SHA-256 of the peer's SubjectPublicKeyInfo: sha256:<64 hex>.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("dicom", "dicomweb", "folder") if getattr(self, name) is not None]
        if len(given) != 1:
            raise refuse(
                f"a peer has exactly one of dicom, dicomweb, folder; here: {', '.join(given) or 'none'}",
                "leave one; give each protocol a peer of its own",
            )
        if self.folder is not None and self.receipts is not None:
            raise refuse("a folder has its receipts beside the study", "leave receipts out")
        return self

    @property
    def protocol(self) -> Literal["dicom", "dicomweb", "folder"]:
        """Which of the three it is."""
        if self.dicom is not None:
            return "dicom"
        return "dicomweb" if self.dicomweb is not None else "folder"


def _one_or_many(value: object) -> str:
    return "many" if isinstance(value, list | tuple) else "one"


OneOrMoreAETitles = Annotated[
    Annotated[AETitle, Tag("one")] | Annotated[tuple[AETitle, ...], Field(min_length=1), Tag("many")],
    Discriminator(_one_or_many),
]
OneOrMoreNames = Annotated[
    Annotated[Name, Tag("one")] | Annotated[tuple[Name, ...], Field(min_length=1), Tag("many")],
    Discriminator(_one_or_many),
]


class Match(Part):
    """What a route takes. All given conditions must hold; none given takes everything.

    Text conditions are regular expressions, case-insensitive. `modality` and `body_part` must match the whole
    value of at least one series of the study; `study_description` and `referring` may match a part of it.
    """

    called_ae: OneOrMoreAETitles | None = None
    calling_ae: OneOrMoreAETitles | None = None
    peer: OneOrMoreNames | None = None
    http_header: dict[str, Pattern] | None = Field(None, description="Not available in this version.")
    modality: Pattern | None = Field(None, description='Modality of a series, e.g. "CT|MR".')
    body_part: Pattern | None = Field(None, description="BodyPartExamined of a series.")
    study_description: Pattern | None = None
    referring: Pattern | None = Field(None, description="ReferringPhysicianName.")


class Settle(Part):
    """When a study counts as having arrived."""

    quiet_seconds: Annotated[float, Strict(), Field(ge=0.1, le=86400)] = Field(
        20.0, description="Seconds without a new instance."
    )
    query: Name | None = Field(
        None, description="A dicom peer that is asked by C-FIND how many instances the study has."
    )
    longest_seconds: Seconds = Field(
        900.0, description="How long instances that are known to be missing are waited for."
    )


class Deidentify(Part):
    """By which profile a study is cleaned; some retain the patient's identity."""

    profile: Name = "default"
    pseudonym_domain: Name | None = Field(
        None, description="Default: the route's name; none where the profile retains identity."
    )


class Protocol(Part):
    """Quality and protocol checks."""

    templates: tuple[Name, ...] = ()
    on_flag: Literal["forward", "hold"] = "forward"
    on_block: Literal["forward", "hold"] = "hold"


class Triage(Part):
    """Models that look at the study."""

    mode: Literal["off", "silent", "active"] = "off"
    models: tuple[Name, ...] = ()


class Retry(Part):
    """How a delivery is tried again while the peer is away: doubling pauses between the two bounds."""

    first_seconds: Seconds = 5.0
    most_seconds: Seconds = 600.0


class Quarantine(Part):
    """Under which identity an inbound study without a certain local patient enters the PACS."""

    issuer: Issuer | None = Field(
        None, description="IssuerOfPatientID; default: the sending peer's name, else the calling AE title."
    )
    prefix: IdPrefix | None = Field(
        None, description="Put before PatientID; default: the route's name and -."
    )


class Reidentify(Part):
    """A return route: what a partner made of studies that left under pseudonyms gets its identity back."""

    pseudonym_domain: Name = Field(description="Of a route that delivers to the peer that this one names.")
    no_longer_routed: bool = Field(
        False, description="No route sends under this domain any more; what was sent still comes back."
    )
    on_unknown: Literal["hold", "quarantine"] = Field(
        "hold", description="A study whose patient is unknown here: a hold, or the quarantine identity."
    )
    on_own: Literal["hold", "leave_out"] = Field(
        "hold", description="Instances that left here, not made by the partner: a hold, or not delivered."
    )


def _deidentify_kind(value: object) -> str:
    return "profile" if isinstance(value, dict | Deidentify) else "none"


class Route(Part):
    """Direction, what it matches, what is done, where it goes."""

    name: Name
    direction: Direction
    match: Match
    also: tuple[Name, ...] = Field(
        (), description="Further routes opened when this one is the first to match."
    )
    settle: Settle = Settle()
    deidentify: Annotated[
        Annotated[Deidentify, Tag("profile")] | Annotated[Literal["none"], Tag("none")],
        Discriminator(_deidentify_kind),
    ] = Field(description="A profile, or none with a reason.")
    reason: Text | None = Field(None, description="Why nothing is de-identified; written on the receipt.")
    protocol: Protocol | None = None
    triage: Triage | None = None
    seal: dict[str, Any] | None = Field(None, description="Not available in this version.")
    deliver: tuple[Name, ...] = Field(min_length=1)
    on_conflict: Literal["hold", "latest"] = "hold"
    on_resend: Literal["redeliver", "ignore"] = "redeliver"
    retry: Retry = Retry()
    priority: Literal["routine", "high", "stat"] = Field(
        "routine", description="What is more urgent is cleaned and sent first."
    )
    share: Annotated[int, Strict(), Field(ge=1, le=100)] = Field(
        1, description="Weight of this route where routes of one priority wait for the same thing."
    )
    iod_unchecked: Literal["pass", "hold"] = Field(
        "pass", description="What becomes of a cleaned instance that dciodvfy has not checked."
    )
    spot_check: tuple[SpotCheck, ...] = Field(
        (), description="What a person looks at before it leaves, though it is clean; any one that holds."
    )
    quarantine: Quarantine = Quarantine()
    reidentify: Reidentify | None = None

    @property
    def profile(self) -> str | None:
        """Name of the de-identification profile; None when identity is retained."""
        return self.deidentify.profile if isinstance(self.deidentify, Deidentify) else None

    @property
    def quarantine_prefix(self) -> str:
        """What is put before each PatientID of an inbound study without a certain local patient."""
        return self.quarantine.prefix or f"{self.name}-"

    @property
    def pseudonym_domain(self) -> str | None:
        """The domain that pseudonyms are made in, or resolved in; None when identity is retained."""
        if not isinstance(self.deidentify, Deidentify):
            return self.reidentify.pseudonym_domain if self.reidentify else None
        return self.deidentify.pseudonym_domain or self.name


class Person(Part):
    """Who may decide about holds."""

    roles: tuple[Role, ...] = Field(min_length=1)


class Proof(Part):
    """What the proof of cleaned instances uses beside its own code."""

    dciodvfy: SitePath | None = Field(
        None,
        description="The program dciodvfy (dicom3tools), an absolute path: a new error of its is a hold.",
    )


class SiteLimits(Part):
    """Bounds of what is taken in; beyond them the sender is refused, never served badly."""

    associations: Count = Field(16, description="Open associations at once, all listeners together.")
    idle_seconds: Seconds = Field(60.0, description="An association silent for longer is aborted.")
    pdu_bytes: Annotated[int, Strict(), Field(ge=4096, le=4 * 1024 * 1024)] = 131072
    instances_per_study: Count = 50_000
    instance_mib: Count = Field(16_384, description="Largest data set that is taken in.")
    request_mib: Count = Field(65_536, description="Largest STOW-RS request that is taken in.")
    spool_reserve_mib: Annotated[int, Strict(), Field(ge=1)] = Field(
        1024, description="Free space that intake leaves on the spool's disk."
    )
    workers: Annotated[int, Strict(), Field(ge=1, le=256)] | None = Field(
        None, description="Worker processes; default: the firmware profile's."
    )
    stage_seconds: Seconds = Field(
        900.0, description="Deadline of one stage of a study, or of 512 of its instances."
    )
    retention_days: Count = Field(
        30, description="Days after which the images of a closed exchange are deleted; receipts stay."
    )
    attempts: Annotated[int, Strict(), Field(ge=1, le=20)] = Field(
        3, description="Attempts that may crash before an exchange is held as poison."
    )


class Site(Part):
    """One appliance of one site. Paths are absolute after reading."""

    site: Name
    appliance: Name
    state: SitePath = Path("state")
    database: DatabaseUrl | None = Field(None, description="Default: sqlite in the state folder.")
    spool: SitePath | None = Field(None, description="Default: spool/ in the state folder.")
    keys: SitePath = Path("keys")
    log_heads: SitePath | None = Field(
        None, description="Signed heads of the log, apart from the state folder. Default: in the keys folder."
    )
    trust: SitePath = Path("trust")
    firmware_profile: Name | None = Field(None, description="Default: detected.")
    listen: Listen
    peers: dict[Name, Peer] = Field(json_schema_extra={"minProperties": 1})
    routes: tuple[Route, ...] = Field(json_schema_extra={"minItems": 1})
    people: dict[Text, Person] = Field(default_factory=dict)
    proof: Proof = Proof()
    limits: SiteLimits = SiteLimits()

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of custody's database."""
        return self.database or f"sqlite:///{self.state / DATABASE_FILE}"

    @property
    def spool_folder(self) -> Path:
        """Where instances lie."""
        return self.spool or self.state / "spool"

    @property
    def log_folder(self) -> Path:
        """Where the transparency log lies."""
        return self.state / "log"

    @property
    def log_heads_file(self) -> Path:
        """Where every signed head of the log is kept: apart from it, as the keys are."""
        return self.log_heads or self.keys / "log.heads"

    @property
    def journal_file(self) -> Path:
        """The journal of versions before 0.3, which the log seals."""
        return self.state / "journal" / "journal.jsonl"

    @property
    def crosswalk_file(self) -> Path:
        """The crosswalk: originals and pseudonyms, sealed."""
        return self.state / "crosswalk" / CROSSWALK_FILE

    @property
    def control_socket(self) -> Path:
        """The UNIX socket that the command line speaks to."""
        return self.state / CONTROL_SOCKET

    @property
    def accepted_ae_titles(self) -> frozenset[str]:
        """Every AE title that may be called over DICOM: the listeners' and the routes'.

        Not a door's of the STOW-RS server, unless a listener lists it, too: who has no token for the door
        shall not come in beside it.
        """
        titles: set[str] = set()
        for route in self.routes:
            titles.update(as_tuple(route.match.called_ae))
        if self.listen.dicomweb is not None:
            titles.difference_update(door.called_ae for door in self.listen.dicomweb.doors)
        for listener in (self.listen.dicom, self.listen.dicom_tls):
            titles.update(listener.ae_titles if listener else ())
        return frozenset(titles)

    def route(self, name: str) -> Route:
        """The route of this name.

        Raises:
            KeyError: There is none.
        """
        for route in self.routes:
            if route.name == name:
                return route
        raise KeyError(name)


def as_tuple(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """A condition that may be one name, several, or absent, as a tuple."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value
