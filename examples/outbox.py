"""An order and its receipt in one transaction of SQLAlchemy: the mail goes if and only if the order is committed."""

import os
import time
from email.message import EmailMessage
from pathlib import Path
from tempfile import mkdtemp

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from softbounce import Client, outbox

store = os.environ.get("SOFTBOUNCE_URL", f"unix://{Path('var/store.sock').absolute()}")
engine = create_engine(os.environ.get("DATABASE_URL", f"sqlite:///{mkdtemp()}/shop.db"))


class Base(DeclarativeBase):
    """The app's models."""


class Order(Base):
    """What is sold."""

    __tablename__ = "orders"
    number: Mapped[int] = mapped_column(primary_key=True)
    buyer: Mapped[str]


outbox.table(Base.metadata)  # the table softbounce_outbox, for create_all and for Alembic
Base.metadata.create_all(engine)


def sell(number: int, buyer: str) -> None:
    """One transaction, with the mail in it. Nothing is asked of softbounce here: it may be away."""
    message = EmailMessage()
    message["From"] = "shop@example.com"
    message["To"] = buyer
    message["Subject"] = f"Your order {number}"
    message.set_content("Thank you! It is on its way.")
    with Session(engine) as session, session.begin():
        session.add(Order(number=number, buyer=buyer))
        outbox.add(
            session,
            sender="shop@example.com",
            recipients=[buyer],
            message=message,
            stream="receipts",
            key=f"o-{number}",
        )
        if buyer.startswith("broke"):
            raise ValueError("no money")


# In production: `softbounce relay --database URL`, as many as you like. A thread of the app does as well.
with outbox.Relay(engine, store), Client(store) as mail:
    for number, buyer in enumerate(["ada@example.net", "broke@example.net", "full@example.org"], start=1042):
        try:
            sell(number, buyer)
        except ValueError as error:
            print(buyer, "bought nothing:", error)
    ends: dict[str, str] = {}
    while ends.keys() != {"ada@example.net", "full@example.org"}:
        for event in mail.events():
            if event.kind != "accepted":
                ends.setdefault(event.recipient, event.kind)
        time.sleep(0.1)
    print(ends)
