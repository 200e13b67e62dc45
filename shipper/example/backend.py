"""The example backend: `python -m shipper.example.backend --port 8001`, on loopback unless `--host` says otherwise.

A FastAPI application with users, chat, a health endpoint and metrics. JSON logging by `ENABLE_JSON_LOGGING=true`.
"""

import argparse
import logging

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shipper.example import auth, chat, health, metrics
from shipper.example.leash import end_with_parent
from shipper.example.logs import set_up_logging
from shipper.example.services import Services

log = logging.getLogger("app.main")


def create_app(services: Services | None = None) -> FastAPI:
    """The application, with services of its own unless some are handed in."""
    app = FastAPI(title="Xionimus AI", version=health.VERSION)
    app.state.services = services or Services()
    app.state.metrics = metrics.Metrics()
    for part in (health, metrics, auth, chat):
        app.include_router(part.router)
    app.add_middleware(metrics.Measured, metrics=app.state.metrics)
    app.add_exception_handler(Exception, unhandled)
    return app


async def unhandled(request: Request, error: Exception) -> JSONResponse:
    """Logs what no endpoint caught. uvicorn then prints the same traceback as plain text."""
    about = f"{request.method} {request.url.path}"
    log.error("Unhandled exception while serving %s", about, exc_info=error)
    return JSONResponse({"detail": "Internal server error"}, status_code=500)


def main() -> None:
    """Serves until it is told to stop, or until who started it is gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8001)
    wanted = parser.parse_args()
    end_with_parent()
    set_up_logging()
    log.info("Application starting on port %d", wanted.port)
    uvicorn.run(create_app(), host=wanted.host, port=wanted.port, timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
