"""Validates JSON against schemas, with the optional package jsonschema."""

from __future__ import annotations

from typing import Any

NEEDED = "needs the package jsonschema: pip install 'chatload[schema]'"


def schema_problem(schema: Any) -> str:
    """Why a schema cannot be used; empty if it can. Any: the user's own JSON."""
    try:
        import jsonschema
    except ImportError:
        return NEEDED
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"no JSON schema: {error.message[:120]}"
    return ""


def validator(schema: Any) -> Any:
    """The validator of a valid schema. Any: jsonschema has no types."""
    import jsonschema

    return jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)(schema)
