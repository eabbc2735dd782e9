"""The JSON schema with which editors complete and check studies (configs/studies/schema.json)."""

from __future__ import annotations

import json

from arcface_plus.studies.study_file import StudyFile


def json_schema() -> str:
    """`StudyFile` as JSON schema; a variant may also be empty."""
    schema = StudyFile.model_json_schema()
    variant = schema["properties"]["variants"]["additionalProperties"]
    schema["properties"]["variants"]["additionalProperties"] = {
        "anyOf": [variant, {"type": "null"}]
    }
    return json.dumps(schema, indent=2)
