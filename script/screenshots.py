"""Takes a picture of each page of the screen: see ``script/screenshots``."""

from __future__ import annotations

import argparse
import time
from datetime import timedelta
from pathlib import Path

from browser import DESKTOP, PHONE, Browser
from screens import THERE, Screen, full_screen, look_at_health

WAYS = {
    "desktop-light": (DESKTOP, False),
    "desktop-dark": (DESKTOP, True),
    "phone-light": (PHONE, False),
    "phone-dark": (PHONE, True),
}
SETTLES = 30.0


def main(folder: Path) -> None:
    """Take them."""
    folder.mkdir(parents=True, exist_ok=True)
    with full_screen() as screen, Browser() as browser:
        act(screen)
        wait_for_looks(screen)
        for name, path in pages(screen).items():
            if name == "login":
                screen.add_token("night", "read", "operate")
            for way, (size, dark) in WAYS.items():
                browser.look_as(size, dark=dark)
                seconds = browser.open(f"http://127.0.0.1:{screen.port}{path}")
                browser.picture(folder / f"{name}-{way}.png")
            print(f"{name}: {seconds:.2f} s")
        for said in sorted(set(browser.said)):
            print(f"said: {said}")


def act(screen: Screen) -> None:
    """Do a little of what an operator does, so that the pages of that are not empty."""
    screen.submit("/ui/holds", {"of": "sender", "value": "tenant.test", "reason": "their DMARC is broken", "for": "4h"})
    with screen.service.client() as mail:
        mail.begin_action("hold", domain="grey.test", by="ann")
        mail.begin_action("cancel", recipient="*@full.test", by="ann", grace=timedelta(hours=1))
        mail.retry(screen.ids["full"])


def wait_for_looks(screen: Screen) -> None:
    """Wait until what is looked at beside the pages was."""
    look_at_health(screen)
    end = time.monotonic() + SETTLES
    while time.monotonic() < end and "being looked" in screen.http.get("/ui/bounces").text:
        time.sleep(0.5)


def pages(screen: Screen) -> dict[str, str]:
    """Which, by name."""
    ids = screen.ids
    return {
        "now": "/ui",
        "sites": "/ui/sites",
        "site": f"/ui/sites/{THERE}",
        "message-deferred": f"/ui/message/{ids['deferred']}",
        "message-bounced": f"/ui/message/{ids['bounced']}",
        "message-held": f"/ui/message/{ids['held']}",
        "confirm": f"/ui/message/{ids['deferred']}/bounce",
        "search": "/ui/search?sender=*@shop.test",
        "act": "/ui/act?action=cancel&recipient=*@busy.test",
        "events": "/ui/events",
        "bounces": "/ui/bounces",
        "suppressed": "/ui/suppressed",
        "holds": "/ui/holds",
        "policies": "/ui/policies?base=otp&window=1h&delays=1m,10m",
        "actions": "/ui/actions",
        "health": "/ui/health",
        "error": "/ui/message/nothing",
        "no-page": "/ui/no/such/page",
        "login": "/ui/login",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Takes a picture of each page of the screen.")
    parser.add_argument("folder", type=Path, help="where to; var/screenshots, where script/screenshots is told none")
    main(parser.parse_args().folder)
