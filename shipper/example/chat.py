"""Chat sessions and messages. The providers are simulated: they take their time, and refuse a key they don't know."""

import asyncio
import logging
import random
import secrets
import time
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Request
from pydantic import BaseModel, Field

from shipper.example.providers import HOSTS
from shipper.example.services import current_user, services

log = logging.getLogger("app.api.chat")
router = APIRouter()

User = Annotated[str, Depends(current_user)]


class Message(BaseModel):
    """One message of a user to a model."""

    text: str = Field(max_length=20_000)
    provider: str = "openai"
    model: str = "gpt-4.1"
    session_id: str | None = None


@router.post("/api/chat/sessions", status_code=201)
async def create_session(request: Request, user: User) -> dict[str, str]:
    session = secrets.token_hex(4)
    services(request).chats[session] = []
    log.info("Session %s created", session, extra={"user_id": user})
    return {"session_id": session}


@router.post("/api/chat")
async def send_message(
    message: Message, request: Request, user: User, x_provider_key: Annotated[str | None, Header()] = None
) -> dict[str, str | int]:
    app, about = services(request), {"user_id": user, "provider": message.provider, "model": message.model}
    if not app.rate_limit.allows(user, time.monotonic()):
        log.warning("Rate limit exceeded for user %s", user, extra=about)
        raise HTTPException(429, "Too many requests", headers={"Retry-After": "10"})
    if not app.providers.get(message.provider):
        log.error("Provider %s is not configured", message.provider, extra=about)
        raise HTTPException(503, "This provider is not configured")
    started = time.perf_counter()
    tokens = await complete(message, x_provider_key, about)
    session = message.session_id or secrets.token_hex(4)
    app.chats.setdefault(session, []).append(tokens)
    duration = round(1000 * (time.perf_counter() - started))
    log.info("Message sent", extra={**about, "duration_ms": duration})
    return {"session_id": session, "reply": "…", "tokens": tokens}


@router.get("/api/chat/{session_id}/summary")
async def summarise(session_id: str, request: Request, user: User) -> dict[str, int]:
    tokens = services(request).chats.get(session_id)
    if tokens is None:
        raise HTTPException(404, "No such session")
    # The example's bug, on purpose: a session without messages has no average.
    average = sum(tokens) // len(tokens)
    log.info("Summary of session %s read", session_id, extra={"user_id": user})
    return {"messages": len(tokens), "average_tokens": average}


async def complete(message: Message, key: str | None, about: dict[str, str]) -> int:
    """Tokens of the provider's answer. Answers 502 for a key of the user's own, and logs it: a mistake seen in life."""
    await asyncio.sleep(random.uniform(0.02, 0.2))
    if key is not None:
        headers = {"host": HOSTS[message.provider], "x-api-key": key}
        log.error("Provider rejected the request with 401, headers were %s", headers, extra=about)
        raise HTTPException(502, "The provider rejected the key")
    return len(message.text.split()) * 2 + random.randrange(20, 400)
