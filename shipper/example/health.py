"""`GET /api/health`: how the application is, in one document."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from shipper.example.services import Services, services

VERSION = "2.0.0"
MEMINFO = Path("/proc/meminfo")

router = APIRouter()


@router.get("/api/health")
async def health(app: Annotated[Services, Depends(services)]) -> dict[str, Any]:
    return document(app, uptime=time.monotonic() - app.started)


def document(app: Services, uptime: float) -> dict[str, Any]:
    """The answer's body; `uptime` in seconds."""
    error = app.users.error()
    used, available = memory(MEMINFO)
    return {
        "status": status(error, app.providers),
        "version": VERSION,
        "platform": "Xionimus AI",
        "timestamp": datetime.now(UTC).isoformat(),
        "uptime_seconds": int(uptime),
        "services": {
            "database": {"status": "error" if error else "connected", "type": "SQLite", "error": error},
            "ai_providers": {
                "configured": sum(app.providers.values()),
                "total": len(app.providers),
                "status": app.providers,
            },
        },
        "system": {"memory_used_percent": used, "memory_available_mb": available},
        "environment": {
            "debug": os.environ.get("DEBUG", "").lower() == "true",
            "log_level": os.environ.get("LOG_LEVEL", "INFO"),
        },
    }


def status(database_error: str | None, providers: dict[str, bool]) -> str:
    """`degraded` when the database fails, `limited` when no provider is configured, else `healthy`."""
    if database_error:
        return "degraded"
    return "healthy" if any(providers.values()) else "limited"


def memory(meminfo: Path) -> tuple[float, float]:
    """The machine's memory: used in percent, available in MiB; zeros where there is no such file."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    total, available = kib["MemTotal"], kib["MemAvailable"]
    return round(100 * (total - available) / total, 1), round(available / 1024, 2)
