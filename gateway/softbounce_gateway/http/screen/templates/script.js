// What the screen does besides being read: parts of a page that follow the service, and events as they come.
// Without it every page works, and is reloaded by hand. What is put into a page was made, and escaped, by the server.
"use strict";

// A browser may keep a page for going back to, whatever it was told: who logged out meanwhile shall find nothing there.
addEventListener("pageshow", (event) => event.persisted && location.reload());

// Each time bears its local form as its title.
function sayLocally(part) {
  for (const one of part.querySelectorAll("time[datetime]")) one.title ||= new Date(one.dateTime).toLocaleString();
}
sayLocally(document);

// What is shown stays where the service is away, and says that it is old; else it says when it was made.
function sayWhetherItIsOld(isOld, page) {
  const made = document.getElementById("made");
  if (!isOld) made.textContent = page.getElementById("made").textContent;
  document.getElementById("old").hidden = !isOld;
  document.getElementById("old-since").textContent = made.textContent;
}

// This page as it is now, and what came with it. Who is asked to log in is led there.
async function readPage() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(20000) });
  if (answer.redirected) location.reload();
  return [answer, new DOMParser().parseFromString(await answer.text(), "text/html")];
}

// A part with data-live is read anew every so many seconds, unless somebody looks elsewhere, works in it or reads it out.
async function follow(part) {
  const isBusy = document.hidden || part.contains(document.activeElement) || part.contains(getSelection().anchorNode);
  if (!isBusy || !part.dataset.made) {
    try {
      const [answer, page] = await readPage();
      if (answer.status === 404 && page.querySelector(".brand")) return location.reload(); // what it shows is no more
      const fresh = answer.ok && page.getElementById(part.id);
      sayWhetherItIsOld(!fresh, page);
      if (fresh) {
        sayLocally(fresh);
        for (const open of part.querySelectorAll("details[open][id]")) {
          fresh.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
        }
        part.replaceChildren(...fresh.childNodes);
        part.dataset.live = fresh.dataset.live ?? "";
        part.dataset.made = "yes";
      }
    } catch {
      sayWhetherItIsOld(true);
    }
  }
  if (part.dataset.live) setTimeout(follow, part.dataset.live * 1000, part);
}
for (const part of document.querySelectorAll("[data-live][id]")) {
  part.dataset.made = "yes";
  setTimeout(follow, part.dataset.live * 1000, part);
}

// A list with data-stream grows at its head by what the stream brings, as long as somebody looks: for all tabs of one
// service a browser has six connections, and one more page would wait for good.
const MOST_ROWS = 300;
const SILENT_MS = 60000;
for (const list of document.querySelectorAll("[data-stream]")) {
  const told = document.getElementById(list.dataset.told);
  const pause = document.getElementById(list.dataset.pause);
  const tell = (words) => told && (told.textContent = words);
  const waiting = [];
  const add = (html) => {
    const made = document.createElement("template");
    made.innerHTML = html;
    sayLocally(made.content);
    list.prepend(made.content);
    while (list.children.length > MOST_ROWS) list.lastElementChild.remove();
  };
  const isPaused = () => pause?.getAttribute("aria-pressed") === "true";
  let place = new URL(list.dataset.stream, location);
  let source, heard;
  const open = () => {
    source?.close(); // one that is left open beside it would add each row once more
    if (document.hidden) return;
    heard = Date.now();
    source = new EventSource(place);
    source.addEventListener("beat", () => (heard = Date.now()));
    source.addEventListener("row", (event) => {
      heard = Date.now();
      place.searchParams.set("after", event.lastEventId);
      if (!isPaused()) return add(event.data);
      waiting.push(event.data);
      if (waiting.length > MOST_ROWS) waiting.shift();
    });
    source.onopen = () => tell(isPaused() ? "Paused" : "Live");
    source.onerror = () => tell("Cut off; it is tried again");
  };
  open();
  // A browser gives up for good where a proxy answers for a service that begins anew, and hears nothing of a connection
  // that died while it slept: then the list is read anew as soon as there is one, with what was missed. It is not reloaded:
  // a proxy's own page would take the place of ours, and stay.
  setInterval(async () => {
    const isGone = source?.readyState === EventSource.CLOSED || Date.now() - heard > SILENT_MS;
    if (document.hidden || isPaused() || !isGone) return;
    const [answer, page] = await readPage().catch(() => []);
    const fresh = answer?.ok && page.querySelector("[data-stream]");
    sayWhetherItIsOld(!fresh, page);
    if (!fresh) return;
    sayLocally(fresh);
    list.replaceChildren(...fresh.childNodes);
    place = new URL(fresh.dataset.stream, location);
    open();
  }, 5000);
  pause?.removeAttribute("hidden");
  pause?.addEventListener("click", () => {
    const paused = !isPaused();
    pause.setAttribute("aria-pressed", String(paused));
    tell(paused ? "Paused" : "Live");
    if (!paused) waiting.splice(0).forEach(add);
  });
  document.addEventListener("visibilitychange", open);
}

// A search goes on by itself, some at a time, until there is a page full.
const FULL = 50;
async function lookOn(link) {
  const found = link.closest("[id]");
  const answer = await fetch(link.href);
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(found.id);
  const rows = found.querySelector("tbody");
  if (!rows) {
    found.replaceChildren(...fresh.childNodes);
  } else {
    rows.append(...(fresh.querySelector("tbody")?.children ?? []));
    const next = fresh.querySelector("a[data-more]");
    next ? link.replaceWith(next) : link.remove();
  }
  goOn(found);
}
function goOn(found) {
  const link = found?.querySelector("a[data-more]");
  if (link && found.querySelectorAll("tbody tr").length < FULL) lookOn(link).catch(() => {});
}
goOn(document.getElementById("found"));
