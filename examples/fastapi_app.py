"""A FastAPI app that mails login codes. In production: fastapi run examples/fastapi_app.py."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from pydantic import BaseModel

from softbounce import AsyncClient, InvalidAddress, NotFound, StoreError

url = os.environ.get("SOFTBOUNCE_URL", f"unix://{Path('var/store.sock').absolute()}")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for the life of the process."""
    async with AsyncClient(url) as app.state.mail:
        yield


app = FastAPI(lifespan=lifespan)


class Login(BaseModel):
    """Who wants to log in."""

    email: str


@app.post("/login", status_code=202)
async def login(wanted: Login) -> dict[str, str]:
    message = EmailMessage()
    message["From"] = "login@example.com"
    message["To"] = wanted.email
    message["Subject"] = "Your code"
    message.set_content(f"Your code is {secrets.randbelow(10**6):06}. It works for ten minutes.")
    try:
        receipt = await app.state.mail.send(
            sender="login@example.com",
            recipients=[wanted.email],
            message=message,
            stream="otp",
            window=timedelta(minutes=10),  # later it is worth nothing
        )
    except InvalidAddress as error:
        raise HTTPException(422, f"this is no address: {error.reason}") from error
    except StoreError as error:
        raise HTTPException(503, "try again", {"Retry-After": "5"}) from error
    return {"mail": receipt.envelopes[wanted.email]}


@app.get("/mail/{envelope}")
async def mail(envelope: str) -> dict[str, str]:
    """For the page that says "we have sent you a code": whether a host has taken it."""
    try:
        return {"state": (await app.state.mail.show(envelope)).state}
    except NotFound as error:
        raise HTTPException(404, "there is no such mail") from error


if __name__ == "__main__":
    with TestClient(app) as client:
        sent = client.post("/login", json={"email": "ada@example.net"})
        print(sent.status_code)
        state = ""
        while state != "delivered":
            state = client.get(f"/mail/{sent.json()['mail']}").json()["state"]
        print(state)
        print(client.post("/login", json={"email": "nobody"}).json())
