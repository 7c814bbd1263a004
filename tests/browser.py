"""A headless Chromium that tests drive, over the pipe of its own protocol: pages as people see them.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["DESKTOP", "PHONE", "Browser", "BrowserMissing", "axe_source"]

DESKTOP, PHONE = (1280, 800), (390, 844)
WITHIN = 30.0
AXE = "4.14.1"
"""What looks at a page as somebody does who cannot see it: https://github.com/dequelabs/axe-core"""

SEEN = """(words => {
  const here = [...document.querySelectorAll("a[href], button")].filter(one => {
    const said = one.innerText.replace(/\\s+/g, " ").trim();
    const isSeen = one.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true });
    return isSeen && !one.disabled && said.includes(words);
  });
  const exact = here.filter(one => one.innerText.replace(/\\s+/g, " ").trim() === words);
  const found = exact.length ? exact : here;
  if (found.length !== 1) return false;
  found[0].scrollIntoView({ block: "center", behavior: "instant" });
  const box = found[0].getClientRects()[0];
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const top = document.elementFromPoint(x, y);
  window.place = [x, y];
  return top === found[0] || found[0].contains(top);
})(%s)"""
PLACE = "JSON.stringify(window.place)"
FOCUSED = """(words => {
  const one = document.activeElement;
  const ring = getComputedStyle(one).outlineStyle;
  return one.innerText.includes(words) && one !== document.body && ring !== "none";
})(%s)"""
ARRIVED = "!window.wasHere && document.readyState === 'complete'"
LABELLED = """(name => {
  const found = [...document.querySelectorAll("label")].filter(one => one.innerText.trim() === name && one.control);
  if (found.length !== 1) return false;
  found[0].control.focus();
  return document.activeElement === found[0].control;
})(%s)"""


class BrowserMissing(Exception):
    """There is no Chromium here, or no axe-core."""


class Browser:
    """One window.

    :ivar clicks: how often something was clicked since a page was opened by its address.
    :ivar said: what pages wrote to the console, faults and violations of their policy among them.
    """

    def __init__(self) -> None:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            raise BrowserMissing("no Chromium (Debian: apt install chromium)")
        self._folder = tempfile.TemporaryDirectory(prefix="sb-browser-", ignore_cleanup_errors=True)
        from_us, self._out = os.pipe()
        self._in, to_us = os.pipe()
        options = (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--no-first-run", "--disable-extensions", "--remote-debugging-pipe", "--lang=en",
            f"--user-data-dir={self._folder.name}", "about:blank",
        )  # fmt: skip
        self._process = subprocess.Popen(  # noqa: S603 - the browser; its pipe is on 3 and 4
            ["/bin/bash", "-c", f'exec "$@" 3<&{from_us} 4>&{to_us}', "sh", program, *options],
            pass_fds=(from_us, to_us),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(from_us)
        os.close(to_us)
        self._number = 0
        self._buffer = b""
        self._events: list[dict[str, Any]] = []
        self._session: str | None = None
        self.said: list[str] = []
        self.clicks = 0

    def __enter__(self) -> Self:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def look_as(self, size: tuple[int, int], *, dark: bool = False) -> None:
        """A window of this size, and whether it is night."""
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < height,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> float:
        """Go to a page; the seconds until it was there in whole."""
        self._events.clear()
        self.clicks = 0
        began = time.monotonic()
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")
        return time.monotonic() - began

    def wait_for(self, method: str) -> None:
        """Wait until this has happened."""
        while not any(one["method"] == method for one in self._events):
            self._events.append(self._read())

    def evaluate(self, script: str) -> Any:  # noqa: ANN401 - whatever it comes to
        """What a script in the page comes to, also later."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise AssertionError(done["exceptionDetails"])
        return done["result"].get("value")

    def until(self, script: str, what: str, seconds: float = 10.0) -> None:
        """Wait until a script in the page says yes."""
        end = time.monotonic() + seconds
        while not self._says_yes(script):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:g} s: {what}")
            time.sleep(0.05)

    def _says_yes(self, script: str) -> bool:
        """A page that goes away while it is asked says nothing."""
        try:
            return bool(self.evaluate(script))
        except AssertionError as error:
            if "context" in str(error) or "navigated" in str(error):
                return False
            raise

    @property
    def text(self) -> str:
        """The words on the page, as a person reads them."""
        return " ".join(str(self.evaluate("document.body.innerText")).split())

    def click(self, words: str) -> None:
        """Press what a person sees with these words on it, as the only one, and wait for the page that it leads to.

        It has to be a link or a button, in sight, with nothing over it; the mouse does the rest.
        """
        self.until(SEEN % json.dumps(words), f"one link or button says {words!r} and can be pressed")
        x, y = json.loads(self.evaluate(PLACE))
        self.evaluate("window.wasHere = true")
        self.clicks += 1
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.until(ARRIVED, f"a page comes of a click on {words!r}")

    def press_until(self, words: str, most: int = 80) -> None:
        """Go by Tab to what has these words, and press Enter there, as somebody does who has no mouse."""
        for _ in range(most):
            self._press("Tab", 9)
            if self.evaluate(FOCUSED % json.dumps(words)):
                break
        else:
            raise AssertionError(f"no {most} tabs come to {words!r}")
        self.evaluate("window.wasHere = true")
        self._press("Enter", 13, text="\r")
        self.until(ARRIVED, f"a page comes of Enter on {words!r}")

    def _press(self, key: str, code: int, **more: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def type_into(self, name: str, words: str) -> None:
        """Write into the one field that has this label."""
        self.until(LABELLED % json.dumps(name), f"one field is called {name!r}")
        self.call("Input.insertText", text=words)

    def choose(self, name: str, words: str) -> None:
        """Choose what begins with these words, by typing them, in the one list that has this label."""
        self.until(LABELLED % json.dumps(name), f"one list is called {name!r}")
        for letter in words:
            self.call("Input.dispatchKeyEvent", type="keyDown", key=letter, text=letter)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=letter)
        chosen = "document.activeElement.selectedOptions?.[0]?.text"
        self.until(f"{chosen}?.startsWith({json.dumps(words)})", f"{words!r} is chosen")

    def set_cookie(self, url: str, name: str, value: str) -> None:
        """Be somebody."""
        self.call("Network.setCookie", url=url, name=name, value=value)

    def picture(self, path: Path) -> None:
        """The whole page as a picture."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 4000), "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - as the protocol has them
        """One call of the protocol."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        octets = json.dumps(message).encode() + b"\0"
        while octets:
            octets = octets[os.write(self._out, octets) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            if "method" in answer:
                self._events.append(answer)

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + WITHIN
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError(f"the browser says nothing for {WITHIN:g} s")
            octets = os.read(self._in, 1 << 20)
            if not octets:
                raise AssertionError("the browser has gone")
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        match message.get("method"):
            case "Log.entryAdded":
                self.said.append(message["params"]["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.said.append(json.dumps(message["params"]["exceptionDetails"])[:500])
            case "Page.javascriptDialogOpening":
                self.said.append(f"a dialog: {message['params']['message']}")
        return message


def axe_source() -> str:
    """axe-core, from npm, kept in ``var``."""
    kept = Path(__file__).parent.parent / "var" / f"axe-core-{AXE}.js"
    if not kept.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise BrowserMissing("no npm to get axe-core with")
        with tempfile.TemporaryDirectory() as folder:
            got = subprocess.run(  # noqa: S603 - npm
                [npm, "pack", "--silent", f"axe-core@{AXE}"], cwd=folder, capture_output=True, check=False, timeout=120
            )
            if got.returncode:
                raise BrowserMissing(f"npm has no axe-core: {got.stderr.decode(errors='replace')[-300:]}")
            shutil.unpack_archive(next(Path(folder).glob("*.tgz")), folder, filter="data")
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes((Path(folder) / "package" / "axe.min.js").read_bytes())
    return kept.read_text()
