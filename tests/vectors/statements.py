"""Statements: R1, R2 and R3 as plain documents, and their canonical bytes."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from tests.vectors.signing import pae
from tests.vectors.studies import Instance

NOW = datetime(2026, 5, 4, 12, 30, 15, 250_000, UTC)
STUDY = "2.25.1"
Document = dict[str, Any]


def canonical(document: object) -> bytes:
    """RFC 8785 of documents whose keys are ASCII and whose numbers are integers."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(payload: bytes) -> str:
    """What a later receipt's `previous` says."""
    return sha256(pae(payload)).hexdigest()


@dataclass
class Author:
    """An appliance that writes statements; time goes on with each."""

    site: str = "general-hospital"
    appliance: str = "edge-01"
    edition: str = "partner"
    count: int = field(default=0)

    def write(self, stage: str, study: Sequence[Instance], **links: object) -> Document:
        """A statement of this stage; `links` go into its `id` group."""
        self.count += 1
        at = NOW + timedelta(seconds=self.count)
        random = sha256(f"{self.site} {self.appliance} {self.edition} {self.count}".encode()).hexdigest()
        number = f"{int(at.timestamp() * 1000):012x}"
        receipt_id = f"{number[:8]}-{number[8:]}-7{random[:3]}-8{random[3:6]}-{random[6:18]}"
        group = {
            "receiptId": receipt_id,
            "issuedAt": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "stage": stage,
            "edition": self.edition,
            "direction": "outbound",
            "previous": "",
            "supersedes": "",
            "follows": "",
            **links,
        }
        return {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "urn:lockgate:exchange-receipt:v1",
            "subject": [item.subject() for item in sorted(study, key=lambda item: item.uid)],
            "predicate": {"id": group, **self._groups(stage, study)},
        }

    def chain(self, study: Sequence[Instance], delivered: Sequence[str] = ("forwarded",)) -> list[Document]:
        """R1, an R2 for each delivery, and the R3."""
        first = self.write("deidentified", study)
        before = digest(canonical(first))
        seconds = [self.write(stage, study, previous=before) for stage in delivered]
        links = [
            {"stage": item["predicate"]["id"]["stage"], "paeSha256": digest(canonical(item))}
            for item in seconds
        ]
        previous = links[-1]["paeSha256"] if links else before
        last = self.write("closed", study, previous=previous, deliveries=links)
        return [first, *seconds, last]

    def editions(self, stage: str, study: Sequence[Instance]) -> list[Document]:
        """The partner's and the site's edition of one event."""
        partner = self.write(stage, study)
        site = deepcopy(partner)
        site["predicate"]["id"]["edition"] = "site"
        site["predicate"]["study"]["sourceStudyInstanceUID"] = "1.2.3.4"
        return [partner, site]

    def _groups(self, stage: str, study: Sequence[Instance]) -> Document:
        count = len(study)
        size = sum(len(item.dataset()) for item in study)
        groups: Document = {
            "agent": {
                "id": self.appliance,
                "site": self.site,
                "version": "0.3.0",
                "sbomSha256": "",
                "configSha256": "",
                "firmwareProfile": "x86-cpu",
                "keyProtection": "file",
                "clock": "system",
            },
            "study": {
                "studyInstanceUID": STUDY,
                "series": 1,
                "instances": count,
                "bytes": size,
                "sourceRef": "hmac-sha256:" + "d5" * 32,
            },
            "policy": {"id": "second-opinion", "sha256": "ab" * 32, "rules": ["deidentify", "prove"],
                       "mode": "enforce", "decision": "pass", "overriddenBy": ""},
            "identity": {"state": "removed", "knownIdentifiers": "exact and fuzzy, 0 left",
                         "textDetection": "second reading, 0 left"},
            "deidentification": _DEIDENTIFICATION | {"proof": _PROOF | {"instances": count}},
            "checks": [{"count": 1, "evidence": "SliceLocation, 1 gap", "id": "quality.slice-gap",
                        "severity": "note"}],
            "models": [],
            "review": [{"at": "2026-05-04T12:00:00.000Z", "decision": "release", "itemSha256": "",
                        "meaning": "reviewed-no-identity", "role": "privacy",
                        "userRef": "hmac-sha256:" + "be" * 32}],
            "completeness": {"sent": count, "evidence": "quiet-timer", "expected": "unknown", "missing": 0,
                             "lacking": 0},
        }  # fmt: skip
        if stage in ("forwarded", "committed", "rejected"):
            groups["delivery"] = _DELIVERY | {"responses": [{"count": count, "status": "0x0000"}]}
        return groups


_PROOF = {"method": "independent-reread", "passed": "yes", "canary": "found",
          "dciodvfy": "no new dciodvfy error"}  # fmt: skip
_DEIDENTIFICATION = {
    "profile": [{"value": "113100", "scheme": "DCM", "meaning": "Basic Application Confidentiality Profile"}],
    "profileId": "default",
    "profileSha256": "cd" * 32,
    "tableEdition": "2026a",
    "removed": 31,
    "emptied": 12,
    "replaced": 9,
    "kept": 120,
    "uidsMapped": 14,
    "dateShift": "yes",
    "pixel": {"regions": 3, "instances": 1, "reviewedByHuman": "no"},
}
_DELIVERY = {
    "destination": "telerad",
    "protocol": "dimse",
    "attempts": 1,
    "peerSpkiSha256": "aa" * 32,
    "tls": "TLSv1.3",
    "storageCommitment": "not requested",
}
