"""What a Sigma rule and a Sigma correlation have in common: the keys around the detection, Sigma's and ours."""

from typing import Any

from sigma.exceptions import SigmaError
from sigma.rule import SigmaRuleBase

from shipper.clock import parse_duration
from shipper.detect.documents import Document, Invalid
from shipper.detect.rule import RuleTests
from shipper.errors import UsageError

DEFAULT_LEVEL = "medium"

_KEYS = {
    "SigmaAuthorError": "author",
    "SigmaDateError": "date",
    "SigmaDescriptionError": "description",
    "SigmaFalsePositivesError": "falsepositives",
    "SigmaFieldsError": "fields",
    "SigmaIdentifierError": "id",
    "SigmaLevelError": "level",
    "SigmaLicenseError": "license",
    "SigmaLogsourceError": "logsource",
    "SigmaModifiedError": "modified",
    "SigmaNameError": "name",
    "SigmaReferencesError": "references",
    "SigmaRelatedError": "related",
    "SigmaScopeError": "scope",
    "SigmaStatusError": "status",
    "SigmaTagError": "tags",
    "SigmaTaxonomyError": "taxonomy",
    "SigmaTitleError": "title",
}


def require(document: Document, *keys: str) -> None:
    """Raises `Invalid` when a key is missing or empty."""
    for key in keys:
        if not document.data.get(key):
            raise Invalid(document.line_of(key), f"{key} is missing")


def key_of_error(document: Document, error: Exception) -> str | None:
    """The key of the document that an error of pySigma is about; None for one in the detection or correlation."""
    key = "tags" if "sigma tag " in str(error).lower() else _KEYS.get(type(error).__name__, "")
    return key if key in document.data else None


def reason_of(error: Exception) -> str:
    """An error of pySigma as one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, SigmaError) and text else f"not understood: {text} ({type(error).__name__})"


def header(document: Document, parsed: SigmaRuleBase) -> dict[str, Any]:
    """The arguments that `Rule` and `Correlation` share. Raises `Invalid`."""
    rule_id = str(document.data["id"])
    return {
        "id": rule_id,
        "name": parsed.name or rule_id,
        "title": parsed.title,
        "level": str(parsed.level) if parsed.level else DEFAULT_LEVEL,
        "tags": tuple(map(str, parsed.tags)),
        "description": (parsed.description or "").strip(),
        "path": document.path,
        "line": document.line,
        "realert": realert(document),
        "tests": tests(document),
    }


def tests(document: Document) -> RuleTests:
    """The rule's own evidence. Raises `Invalid`."""
    found = _section(document, "tests", ("match", "pass"))
    for key, inputs in found.items():
        if not isinstance(inputs, list):
            raise Invalid(document.line_of("tests", key), f"tests.{key} is a list of log lines or records")
    return RuleTests(tuple(found.get("match", ())), tuple(found.get("pass", ())))


def group_by(document: Document) -> tuple[str, ...]:
    """`alert.group-by`: a field or a list of fields. Raises `Invalid`."""
    found = _section(document, "alert", ("group-by", "realert")).get("group-by", [])
    names = [found] if isinstance(found, str) else found
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Invalid(document.line_of("alert", "group-by"), "alert.group-by is a field or a list of fields")
    return tuple(names)


def realert(document: Document) -> float | None:
    """`alert.realert` in seconds. Raises `Invalid`."""
    found = _section(document, "alert", ("group-by", "realert")).get("realert")
    if found is None:
        return None
    try:
        return parse_duration(str(found))
    except UsageError as error:
        raise Invalid(document.line_of("alert", "realert"), f"alert.realert: {error}") from error


def _section(document: Document, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    found = document.data.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Invalid(document.line_of(name), f"{name} is a mapping of {' and '.join(keys)}")
    for key in found:
        if key not in keys:
            raise Invalid(document.line_of(name, key), f"{name}.{key} is unknown; {name} has {' and '.join(keys)}")
    return found
