"""Sends alerts to any of the services that Apprise knows: Slack, mail, Teams, Telegram, PagerDuty, ntfy, webhooks, …

A URL names a service and holds its token (`slack://…`, `mailto://…`, `jsons://host/path`); put it into the environment,
not into the file. Several services are several URLs; each is sent to on its own, and one that is down does not make
the others get a message twice while the process lives. See https://github.com/caronc/apprise/wiki for the forms.

    notify:
      - type: apprise
        when_set: SHIPPER_NOTIFY
        urls: ["${SHIPPER_NOTIFY}"]
        min_level: medium
"""

import logging
import re
from importlib import import_module
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shipper.alerts import rank
from shipper.context import Context
from shipper.errors import Retry, UsageError

_KINDS = {"informational": "info", "low": "info", "medium": "warning", "high": "failure", "critical": "failure"}
_STATUS = re.compile(r"error=(\d{3})")


class Config(BaseModel):
    """Who is told, and of what."""

    model_config = ConfigDict(extra="forbid")

    urls: list[str] = Field(description="Apprise URLs; several may stand in one text, with spaces between them.")
    min_level: Literal["informational", "low", "medium", "high", "critical"] = Field(
        default="low", description="Alerts below this level are not sent."
    )


class Reasons(logging.Handler):
    """Apprise says why in its log alone. Only the status is taken over: the rest may hold the URL and its token."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        logger = logging.getLogger("apprise")
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        status = _STATUS.search(record.getMessage())
        if status:
            self.last = f"status {status[1]}"


class AppriseNotifier:
    """Sends to each service; raises `Retry` until all have taken the message."""

    name = "apprise"

    def __init__(self, services: list[tuple[str, Any]], reasons: Reasons, min_level: str = "low") -> None:
        self._services = services
        """Kind of service, for messages, and Apprise's object for it."""
        self._min_level = min_level
        self._reasons = reasons
        self._taken: tuple[str, set[int]] = ("", set())

    def send(self, title: str, body: str, level: str, dedup_key: str) -> None:
        """Sends to each service that has not taken this message yet. Raises `Retry` naming those that did not."""
        if rank(level) < rank(self._min_level):
            return
        if dedup_key not in body:
            body = f"{body}\n\nalert id: {dedup_key}"
        message = f"{dedup_key}\x00{title}\x00{body}"
        if self._taken[0] != message:
            self._taken = (message, set())
        failed = []
        for place, (kind, service) in enumerate(self._services):
            if place not in self._taken[1]:
                problem = self._send_to(service, title, body, level)
                if problem:
                    failed.append(f"{kind} ({problem})")
                else:
                    self._taken[1].add(place)
        if failed:
            raise Retry(f"not taken by {', '.join(failed)}")
        self._taken = ("", set())

    def _send_to(self, service: Any, title: str, body: str, level: str) -> str:
        """What went wrong; nothing if it was taken."""
        self._reasons.last = ""
        taken = service.notify(title=title, body=body, notify_type=_KINDS.get(level, "warning"), body_format="text")
        return "" if taken else self._reasons.last or "no answer"


def build(config: Config, context: Context) -> AppriseNotifier:
    """The notifier of a pipeline file's `type: apprise`. Raises `UsageError` without ever showing a URL."""
    try:
        # Takes a third of a second to load, which only those pay who are told by it.
        apprise = import_module("apprise")
    except ImportError:
        raise UsageError("notify apprise: the library is not installed; run: pip install 'shipper[notify]'") from None
    urls = [url for text in config.urls for url in text.split()]
    if not urls:
        raise UsageError("notify apprise: `urls` is empty; give at least one, or remove the notifier")
    reasons = Reasons()
    services = []
    for place, url in enumerate(urls, 1):
        service = apprise.Apprise()
        if not service.add(url):
            raise UsageError(
                f"notify apprise: URL number {place} is not one that Apprise knows (not shown, it may hold a token); "
                "the forms are at https://github.com/caronc/apprise/wiki"
            )
        services.append((url.partition("://")[0], service))
    return AppriseNotifier(services, reasons, config.min_level)
