#!/usr/bin/env python3
"""Write the published JSON Schemas of the site file and of every JSON answer into config/schemas/."""

from pathlib import Path

from pydantic import BaseModel

from agent.config.answers import (
    CheckAnswer,
    OcrAnswer,
    PlanAnswer,
    ProfileAnswer,
    ProfileDifference,
    ProfilesAnswer,
)
from agent.config.firmware import FirmwareProfile
from agent.config.init import InitAnswer
from agent.config.key_answers import InstalledAnswer, KeysAnswer, MadeKeyAnswer, RevokedAnswer
from agent.config.models import Site
from agent.config.people_answers import ReceiptsExportAnswer, ReportAnswer
from agent.config.profile_file import ProfileFile
from agent.config.schemas import schema_text
from agent.daemon.answers import (
    ExchangeDetailAnswer,
    ExchangesAnswer,
    HoldPicturesAnswer,
    HoldsAnswer,
    ReidentifyAnswer,
    RotateAnswer,
    StatusAnswer,
)
from agent.daemon.log_answers import LogChecksAnswer, LogExportAnswer, LogKeysAnswer, LogLeafAnswer
from agent.doctor.results import DoctorAnswer
from agent.pipeline.report import CleanReport

MODELS: dict[str, type[BaseModel]] = {
    "site": Site,
    "firmware-profile": FirmwareProfile,
    "profile": ProfileFile,
    "check": CheckAnswer,
    "plan": PlanAnswer,
    "profiles-list": ProfilesAnswer,
    "profiles-show": ProfileAnswer,
    "profiles-diff": ProfileDifference,
    "ocr": OcrAnswer,
    "init": InitAnswer,
    "doctor": DoctorAnswer,
    "clean": CleanReport,
    "status": StatusAnswer,
    "exchanges": ExchangesAnswer,
    "exchange": ExchangeDetailAnswer,
    "holds": HoldsAnswer,
    "hold-pictures": HoldPicturesAnswer,
    "reidentify": ReidentifyAnswer,
    "rotate": RotateAnswer,
    "log-show": LogLeafAnswer,
    "log-export": LogExportAnswer,
    "log-fsck": LogChecksAnswer,
    "log-vkey": LogKeysAnswer,
    "report": ReportAnswer,
    "receipts-export": ReceiptsExportAnswer,
    "keys": KeysAnswer,
    "keys-init": MadeKeyAnswer,
    "keys-install": InstalledAnswer,
    "keys-revoke": RevokedAnswer,
}

if __name__ == "__main__":
    folder = Path(__file__).resolve().parents[1] / "config" / "schemas"
    folder.mkdir(exist_ok=True)
    for name, model in MODELS.items():
        (folder / f"{name}.schema.json").write_text(schema_text(model, name), "utf-8")
