"""HTTP to the example backend, with nothing but the standard library."""

import http.client
import json
from typing import Protocol

TIMEOUT_SECONDS = 5.0


class Asks(Protocol):
    """What traffic sends its requests with."""

    def request(
        self, method: str, path: str, body: object = None, *, address: str, **headers: str
    ) -> tuple[int, dict[str, object]]: ...


class Client:
    """Sends one request at a time. A backend that is down or slow is an answer as well: status 0."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    def request(
        self, method: str, path: str, body: object = None, *, address: str, **headers: str
    ) -> tuple[int, dict[str, object]]:
        """Status and JSON object of the answer (empty when it is none); `address` is whom the request is from."""
        headers |= {"x-forwarded-for": address, "connection": "close"}
        if body is not None:
            headers["content-type"] = "application/json"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, _object(response.read())
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()

    def up(self) -> bool:
        """Whether the health endpoint answers."""
        return self.request("GET", "/api/health", address="127.0.0.1")[0] == 200


def _object(body: bytes) -> dict[str, object]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
