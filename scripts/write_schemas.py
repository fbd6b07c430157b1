#!/usr/bin/env python3
"""Write the published JSON Schemas of configuration, check, plan, init and doctor into config/schemas/."""

from pathlib import Path

from pydantic import BaseModel

from agent.config.answers import CheckAnswer, PlanAnswer
from agent.config.firmware import FirmwareProfile
from agent.config.init import InitAnswer
from agent.config.models import Site
from agent.config.schemas import schema_text
from agent.doctor.results import DoctorAnswer

MODELS: dict[str, type[BaseModel]] = {
    "site": Site,
    "firmware-profile": FirmwareProfile,
    "check": CheckAnswer,
    "plan": PlanAnswer,
    "init": InitAnswer,
    "doctor": DoctorAnswer,
}

if __name__ == "__main__":
    folder = Path(__file__).resolve().parents[1] / "config" / "schemas"
    folder.mkdir(exist_ok=True)
    for name, model in MODELS.items():
        (folder / f"{name}.schema.json").write_text(schema_text(model, name), "utf-8")
