"""The published JSON Schemas, generated from the models that read and write."""

import json
from typing import Any

from pydantic import BaseModel

_BASE = "urn:lockgate:schema:"


def schema_text(model: type[BaseModel], name: str) -> str:
    """The schema of `model` as it is committed: stable order, a final newline.

    Args:
        model: What is described.
        name: File name without `.schema.json`; becomes part of `$id`.
    """
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{_BASE}{name}",
        **model.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def site_schema() -> str:
    """The schema of the site file: what `lockgate check --schema` prints."""
    from agent.config.models import Site

    return schema_text(Site, "site")
