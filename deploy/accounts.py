"""Gives Kibana its password, and shipper a user with the rights that `run`, its tiers, `search` and `tail` need.

`accounts.py NAME`; NAME is the pipeline's. Reads ELASTICSEARCH_URL, ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD
of an administrator, KIBANA_PASSWORD and SHIPPER_PASSWORD. Run again, it changes only what changed in these.
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from shipper.elastic.privileges import roles

ROLES = ("run", "search", "tier")
TIMEOUT_SECONDS = 30

Request = tuple[str, str, dict[str, Any]]


def requests(name: str, kibana_password: str, shipper_password: str) -> Iterator[Request]:
    """Method, path and body of everything that is asked of Elasticsearch, in order."""
    yield "POST", "/_security/user/kibana_system/_password", {"password": kibana_password}
    for who in ROLES:
        yield "PUT", f"/_security/role/{name}-{who}", roles(name)[who]
    user = {"password": shipper_password, "roles": [f"{name}-{who}" for who in ROLES]}
    yield "PUT", "/_security/user/shipper", user


def send(url: str, user: str, password: str, request: Request) -> None:
    """Raises `OSError`."""
    method, path, body = request
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"authorization": f"Basic {basic}", "content-type": "application/json"}
    asked = urllib.request.Request(url + path, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS):
        pass


def why(error: OSError) -> str:
    """The server's own words, where it has said something."""
    if isinstance(error, urllib.error.HTTPError):
        if error.code == 401:
            return "401, the password is not the one that the volume was made with; put that one into .env"
        return f"{error.code} {error.read(2000).decode(errors='replace')}"
    return str(error)


def main() -> None:
    env = os.environ
    administrator = env["ELASTICSEARCH_USERNAME"], env["ELASTICSEARCH_PASSWORD"]
    for request in requests(sys.argv[1], env["KIBANA_PASSWORD"], env["SHIPPER_PASSWORD"]):
        try:
            send(env["ELASTICSEARCH_URL"], *administrator, request)
        except OSError as error:
            sys.exit(f"accounts: {request[0]} {request[1]}: {why(error)}")
        print(f"accounts: {request[1]} is set")


if __name__ == "__main__":
    main()
