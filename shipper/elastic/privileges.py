"""The least that Elasticsearch has to allow, for each of those who use it, and the commands that make a role and a key.

Tried on 8.19 and 9.4: with one privilege less, something of what is said here fails (in 9.4 a search does without
`view_index_metadata`). `tier` is all that a run with tiers needs, so one key does.
"""

import json
import shlex
from itertools import starmap
from typing import Any

from shipper.elastic.names import ALERTS, RESTORED, pattern_of

Role = dict[str, Any]

LOOK_AT_TEMPLATES = "indices:admin/index_template/get"
"""No named privilege allows only this; `manage_index_templates` would also let a run write them."""

WIDTH = 72

KIBANA_IMPORT = "feature_savedObjectsManagement.all"


def roles(name: str) -> dict[str, Role]:
    """Who → role descriptor: `run` writes, `search` reads, `setup` makes templates and changes older indices, `tier`
    writes, reads and deletes days, `erase` changes all."""
    records, alerts, restored = (pattern_of(name, stream) for stream in ("records", ALERTS, RESTORED))
    both = [records, alerts]
    writing = ["create_doc", "auto_configure", "view_index_metadata"]
    return {
        "run": {
            "cluster": [LOOK_AT_TEMPLATES],
            "indices": [{"names": both, "privileges": writing}],
        },
        "search": {
            "cluster": [],
            "indices": [{"names": [name, records], "privileges": ["read", "view_index_metadata"]}],
        },
        "setup": {
            "cluster": ["manage_index_templates"],
            "indices": [{"names": [name, *both], "privileges": ["manage"]}],
            "applications": [{"application": "kibana-.kibana", "privileges": [KIBANA_IMPORT], "resources": ["*"]}],
        },
        "tier": {
            "cluster": [LOOK_AT_TEMPLATES],
            "indices": [
                {"names": [records, restored], "privileges": ["create_doc", "read", "manage"]},
                {"names": [alerts], "privileges": writing},
            ],
        },
        "erase": {
            "cluster": [],
            "indices": [{"names": [records, restored, alerts], "privileges": ["read", "write", "manage"]}],
        },
    }


WHAT_FOR = {
    "run": "shipper run: writes records and alerts, reads none of them.",
    "search": "shipper search and tail: read the records.",
    "setup": "shipper setup: templates, alias, mappings; --kibana.",
    "tier": "shipper run with tiers, tier and hold: as run; reads, blocks, deletes days.",
    "erase": "shipper erase: reads and changes records, alerts, restored days.",
}


def commands(name: str, url: str, ca: str = "") -> list[str]:
    """Lines for bash or zsh: for each role one request that makes it, and one that makes an API key with it.

    No credential is in them: the password is asked for, and no list of processes ever shows it.
    """
    lines = [
        "# This line first, alone: it waits for the password of the administrator.",
        "read -rs PASSWORD",
        "# Then the others, as they are.",
        f"ES={shlex.quote(url)}; ADMIN=elastic",
        "BASIC=$(printf '%s:%s' $ADMIN \"$PASSWORD\" | base64 | tr -d '\\n')",
        "ask() { curl -sS \"$@\" -H 'Content-Type: application/json' \\",
        *([f" --cacert {shlex.quote(ca)} \\"] if ca else []),
        " -H @<(printf 'Authorization: Basic %s' \"$BASIC\"); echo; }",
    ]
    for who, role in roles(name).items():
        lines += ["", f"# {WHAT_FOR[who]}", *_role(f"{name}-{who}", role)]
    return lines


def _role(role_name: str, role: Role) -> list[str]:
    return [
        "ROLE='{",
        *_laid_out(role),
        "}'",
        f'ask -X PUT "$ES/_security/role/{role_name}" -d "$ROLE"',
        'ask "$ES/_security/api_key" -d \'{',
        f' "name": "{role_name}",',
        f' "role_descriptors": {{"{role_name}": \'"$ROLE"\'}}}}\'',
    ]


def _laid_out(role: Role) -> list[str]:
    """JSON without its outer braces, a line for every list: short lines, and not one for every word."""
    parts = []
    for key, value in role.items():
        if key == "cluster":
            parts.append(f' "{key}": {json.dumps(value)}')
        else:
            entries = (",\n   ".join(starmap(_entry, one.items())) for one in value)
            parts.append(f' "{key}": [\n  ' + ",\n  ".join(f"{{{entry}}}" for entry in entries) + "]")
    return ",\n".join(parts).splitlines()


def _entry(name: str, value: object) -> str:
    """On a line of its own, or on several when that would be a long one."""
    line = f'"{name}": {json.dumps(value)}'
    if len(line) < WIDTH or not isinstance(value, list):
        return line
    return f'"{name}": [\n     ' + ",\n     ".join(map(json.dumps, value)) + "]"
