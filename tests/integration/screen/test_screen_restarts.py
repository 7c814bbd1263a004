"""A page that stands open behind a proxy while the service goes away and comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from browser import Browser
from ports import free_ports
from screens import Screen, quiet_screen
from service import until

pytestmark = pytest.mark.thorough  # a browser is half a gigabyte of packages
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/errors;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      {away}
    }}
    location = /away {{ internal; default_type text/html; return 200 "<title>Away</title>We are back soon."; }}
  }}
}}
"""
AWAY = {"502": "", "a page of its own": "error_page 502 =200 /away;"}
LIVE = "document.getElementById('told').textContent === 'Live'"
IS_OLD = "!document.getElementById('old').hidden"


@contextmanager
def behind(upstream: int, folder: Path, away: str) -> Iterator[str]:
    """An nginx before a gateway; its address."""
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("no nginx (script/receivers installs it)")
        pytest.skip("no nginx (Debian: apt install nginx-light)")
    (port,) = free_ports(1)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, upstream=upstream, away=away))
    process = subprocess.Popen([program, "-c", str(config), "-e", str(folder / "errors")])  # noqa: S603 - the proxy
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/ui/login"), 10, "the proxy answers")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    """Whether anything is there."""
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def send(screen: Screen, recipient: str) -> None:
    """One message, which stays in the store."""
    with screen.service.client() as mail:
        mail.send(sender="app@shop.test", recipients=[recipient], message=b"Subject: x\r\n\r\nx\r\n")


@pytest.mark.parametrize("away", AWAY.values(), ids=AWAY)
def test_issue15_1_a_page_behind_a_proxy_goes_on_after_a_restart(
    store_binary: object, tmp_path: Path, away: str
) -> None:
    """It says meanwhile that it is not live, and has what it missed then, whatever the proxy answered."""
    del store_binary
    with quiet_screen() as screen, Browser() as browser, behind(screen.port, tmp_path, away) as proxy:
        text = screen.add_token("night", "read", "operate")
        until(lambda: screen.http.get("/ui").status_code == 303, 10, "the token is known")
        send(screen, "before@a.test")
        browser.open(f"{proxy}/ui/events")
        browser.type_into("Token", text)
        browser.click("Log in")
        browser.until(LIVE, "the stream is open")
        screen.service.stop()
        browser.until(f"!({LIVE})", "it says that it is cut off")
        browser.until(IS_OLD, "it says that the service does not answer", 20)
        assert "before@a.test" in browser.text
        screen.service.start("--roles", "store,gateway")
        send(screen, "missed@a.test")
        browser.until(LIVE, "the stream is open again", 20)
        browser.until(
            "document.querySelector('tbody').textContent.includes('missed@a.test')", "what it missed is there"
        )
        assert not browser.evaluate(IS_OLD)
        send(screen, "after@a.test")
        browser.until("document.querySelector('tbody').textContent.includes('after@a.test')", "events come")

        browser.open(f"{proxy}/ui")
        screen.service.stop()
        browser.until(IS_OLD, "the start page says so too", 20)
        assert "Does mail flow?" in browser.text
        screen.service.start("--roles", "store,gateway")
        browser.until(f"!({IS_OLD})", "it follows again", 20)
        assert "The service does not answer" not in browser.text
