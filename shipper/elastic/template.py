"""The index templates: what every field of `fields.TABLE` is to Elasticsearch, and how an index is kept. Pure.

`subobjects: false`: a dotted name is a name, so that a record may hold structlog's text `event` beside `event.id`, or
`error` as a text in one record and as an object in the next. Kibana sees `event.id` either way.

Fields that are not in the table are mapped as they come: text and booleans as `keyword`, every number as `double`
(`cost: 0` must not make the `0.0012` behind it a 0). What fits no field goes under `labels`, one `flattened` field.

What is not said here is Elasticsearch's default: one shard a day (good for some 50 GB), a refresh every second
while somebody searches. Who wants it otherwise (shards, a lifecycle policy, fields of their own) puts it
into the component template `NAME@custom`, which no `shipper setup` touches; ours win where both say something.
"""

from typing import Any

from shipper.elastic.names import ALERTS, RESTORED, pattern_of
from shipper.fields import TABLE, Field
from shipper.query.tree import FREE_TEXT
from shipper.query.words import RANGES

VERSION = 1
"""Of the templates: one higher with every change of what they hold, so that `shipper setup` knows an older one."""
MANAGER = "shipper"
LABELS = "labels"
"""The `flattened` field that takes what no other field can."""

LONGEST_KEYWORD = 8_191
"""Characters; in UTF-8 never more than Lucene's 32,766 bytes. What is longer is stored and not indexed."""
LONGEST_TEXT_KEYWORD = 1_024
MOST_FIELDS = 1_000
"""In one index; the next new one goes under `labels`."""
PRIORITY = 500

WORDS = "words"
"""The analyzer that cuts text as `query.words` does."""

ALERT_FIELDS = (
    Field("rule.id", "keyword"),
    Field("rule.name", "keyword"),
    Field("rule.description", "text"),
    Field("alert.id", "keyword"),
    Field("alert.level", "keyword"),
    Field("alert.state", "keyword"),
    Field("alert.count", "long"),
    Field("alert.first", "date"),
    Field("alert.last", "date"),
    Field("alert.evidence", "keyword"),
    Field("tags", "keyword"),
    Field("threat.technique.id", "keyword"),
)
"""What an alert's record has beside the fields of the table; `alert.group` holds any field, hence is `flattened`."""

_FLATTENED = {"type": "flattened", "ignore_above": LONGEST_KEYWORD}
_KINDS: dict[str, dict[str, Any]] = {
    "keyword": {"type": "keyword", "ignore_above": LONGEST_KEYWORD},
    "text": {
        "type": "text",
        "analyzer": WORDS,
        "norms": False,
        "fields": {"keyword": {"type": "keyword", "ignore_above": LONGEST_TEXT_KEYWORD}},
    },
    "long": {"type": "long", "ignore_malformed": True},
    "double": {"type": "double", "ignore_malformed": True},
    "date": {"type": "date_nanos", "format": "strict_date_optional_time_nanos", "ignore_malformed": True},
    "ip": {"type": "ip"},
    "boolean": {"type": "boolean", "ignore_malformed": True},
}
"""`Field.kind` → mapping. A value that does not fit a number or a time is stored and not indexed."""

_DYNAMIC = (
    {"texts": {"match_mapping_type": "string", "mapping": _KINDS["keyword"]}},
    {"whole_numbers": {"match_mapping_type": "long", "mapping": {"type": "double"}}},
    {"numbers": {"match_mapping_type": "double", "mapping": {"type": "double"}}},
    {"booleans": {"match_mapping_type": "boolean", "mapping": {"type": "keyword"}}},
)


def templates(name: str) -> dict[str, dict[str, Any]]:
    """Template name → body of `PUT _index_template/…`, for the records and for the alerts of a pipeline.

    Elasticsearch (tried: 8.19, 9.4) hands back literally what was put, and sets its own dates beside it.
    """
    return {
        name: _template(name, name, "records", aliases={name: {}}),
        f"alerts-{name}": _template(f"alerts-{name}", name, ALERTS, aliases={}),
    }


def restored_template(name: str) -> dict[str, dict[str, Any]]:
    """As `templates`, for days that come back from the archive. A run does without it: it makes none of them."""
    return {f"{RESTORED}-{name}": _template(f"{RESTORED}-{name}", name, RESTORED, aliases={})}


def mapping(stream: str = "records") -> dict[str, Any]:
    """The mapping of an index."""
    fields = (*TABLE, *ALERT_FIELDS) if stream == ALERTS else TABLE
    properties: dict[str, Any] = {field.name: _KINDS[field.kind] for field in fields}
    properties["@timestamp"] = {key: value for key, value in _KINDS["date"].items() if key != "ignore_malformed"}
    properties[LABELS] = _FLATTENED
    if stream == ALERTS:
        properties["alert.group"] = _FLATTENED
    return {
        "_meta": {"managed_by": MANAGER, "version": VERSION},
        "subobjects": False,
        "date_detection": False,
        "numeric_detection": False,
        "dynamic_templates": list(_DYNAMIC),
        "properties": dict(sorted(properties.items())),
    }


def _template(own_name: str, pipeline: str, stream: str, aliases: dict[str, Any]) -> dict[str, Any]:
    custom = f"{own_name}@custom"
    description = f"your own settings go into {custom}"
    return {
        "index_patterns": [pattern_of(pipeline, stream)],
        "priority": PRIORITY,
        "version": VERSION,
        "_meta": {"managed_by": MANAGER, "pipeline": pipeline, "description": description},
        "composed_of": [custom],
        "ignore_missing_component_templates": [custom],
        "template": {"settings": _settings(), "mappings": mapping(stream), "aliases": aliases},
    }


def _settings() -> dict[str, Any]:
    return {
        "index": {
            "auto_expand_replicas": "0-1",
            "codec": "best_compression",
            "mapping": {"total_fields": {"limit": str(MOST_FIELDS)}},
            "query": {"default_field": list(FREE_TEXT)},
            "analysis": {
                "tokenizer": {WORDS: {"type": "simple_pattern", "pattern": f"[{_word_characters()}]+"}},
                "filter": {"cut": {"type": "truncate", "length": str(LONGEST_KEYWORD)}},
                "analyzer": {WORDS: {"type": "custom", "tokenizer": WORDS, "filter": ["lowercase", "cut"]}},
            },
        }
    }


def _word_characters() -> str:
    """The inside of a character class in Lucene's notation. Surrogates are no characters, and end the range before."""
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in RANGES)
