"""Sends a login code that is worthless after ten minutes, and gives up on it when a newer one is asked for."""

import asyncio
import os
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

from softbounce import AsyncClient, StoreUnavailable, StoreUncertain

url = os.environ.get("SOFTBOUNCE_URL", f"unix://{Path('var/store.sock').absolute()}")


async def send_code(mail: AsyncClient, address: str, code: str, request: str) -> str:
    """Hand a code over; its envelope's id. *request* is the key: the same request sends one mail, however often."""
    message = EmailMessage()
    message["From"] = "login@example.com"
    message["To"] = address
    message["Subject"] = f"{code} is your code"
    message.set_content(f"Your code is {code}. It works for ten minutes.")
    for patience in (0.2, 1.0, 0.0):
        try:
            receipt = await mail.send(
                sender="login@example.com",
                recipients=[address],
                message=message,
                stream="otp",
                key=request,
                window=timedelta(minutes=10),
            )
        except (StoreUncertain, StoreUnavailable):
            if not patience:
                raise
            await asyncio.sleep(patience)  # the key makes repeating harmless
        else:
            return receipt.envelopes[address]
    raise AssertionError


async def main() -> None:
    """Two codes for someone whose mail host greylists: the second makes the first pointless."""
    async with AsyncClient(url) as mail:
        first = await send_code(mail, "greylist@example.net", "1234", "login-88-1")
        print("first: ", first, (await mail.show(first)).state)
        print("first: ", await mail.cancel(first))
        second = await send_code(mail, "ada@example.net", "5678", "login-88-2")
        async for event in mail.events(follow=True):
            if event.id == second and event.kind in {"delivered", "bounced"}:
                print("second:", second, event.kind)
                break


asyncio.run(main())
