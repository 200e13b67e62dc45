"""Signing up, signing in, finding other users."""

import logging
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, Field

from shipper.example.services import address, current_user, services

log = logging.getLogger("app.api.auth")
router = APIRouter()

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{1,31}$")]


class Credentials(BaseModel):
    """What a user types in."""

    username: Name
    password: str = Field(min_length=8, max_length=200)


@router.post("/api/auth/login")
async def login(credentials: Credentials, request: Request) -> dict[str, str]:
    app, name = services(request), credentials.username
    if not app.users.check(name, credentials.password):
        log.warning("Failed login attempt for user %s from %s", name, address(request), extra={"user_id": name})
        raise HTTPException(401, "Wrong user name or password")
    token = secrets.token_urlsafe(24)
    app.tokens[token] = name
    log.info("User %s signed in from %s", name, address(request), extra={"user_id": name})
    return {"token": token}


@router.post("/api/users", status_code=201)
async def register(credentials: Credentials, request: Request) -> dict[str, str]:
    if not services(request).users.add(credentials.username, credentials.password):
        raise HTTPException(409, "This name is taken")
    log.info("New user registered", extra={"user_id": credentials.username})
    return {"username": credentials.username}


@router.get("/api/users")
async def find_users(
    request: Request,
    user: Annotated[str, Depends(current_user)],
    q: Annotated[str, Query(max_length=64)] = "",
) -> list[str]:
    found = services(request).users.search(q)
    log.info("User search returned %d entries", len(found), extra={"user_id": user})
    return found
