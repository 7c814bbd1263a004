"""A Flask app that confirms orders by mail. In production: flask --app examples/flask_app run."""

import os
from email.message import EmailMessage
from pathlib import Path

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from softbounce import Client, InvalidAddress, StoreUnavailable, StoreUncertain

app = Flask(__name__)
# One client for all threads; a worker that gunicorn forks opens connections of its own.
mail = Client(os.environ.get("SOFTBOUNCE_URL", f"unix://{Path('var/store.sock').absolute()}"))


@app.post("/orders/<number>/confirmation")
def confirm(number: str) -> ResponseReturnValue:
    message = EmailMessage()
    message["From"] = "Shop <shop@example.com>"
    message["To"] = request.json["email"]
    message["Subject"] = f"Your order {number}"
    message.set_content("Thank you! It is on its way.")
    try:
        # The key makes a repeated request harmless: the order is confirmed once.
        receipt = mail.send(
            sender="shop@example.com",
            recipients=[request.json["email"]],
            message=message,
            stream="orders",
            key=f"order-{number}",
            metadata={"order": number},
        )
    except InvalidAddress as error:
        return jsonify(error=f"this is no address: {error.reason}"), 422
    except (StoreUnavailable, StoreUncertain):
        return jsonify(error="try again"), 503, {"Retry-After": "5"}
    return jsonify(envelope=next(iter(receipt.envelopes.values())), known=receipt.known), 202


if __name__ == "__main__":
    client = app.test_client()
    for email in ("ada@example.net", "ada@example.net", "nobody"):
        answer = client.post("/orders/1042/confirmation", json={"email": email})
        print(answer.status_code, answer.json)
