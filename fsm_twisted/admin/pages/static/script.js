// What the pages can do besides being read: renew themselves, follow requests, remember light or dark.
"use strict";

const main = document.querySelector("main");
const freshness = document.getElementById("freshness");
let isPaused = false;

function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}

async function untilVisible() {
  while (document.hidden || isPaused) await pause(300);
}

function say(text) {
  if (freshness.textContent !== text) freshness.textContent = text;
}

// Parts marked data-live take the place of their older selves; a part with the focus in it waits.
function renew(page) {
  for (const part of main.querySelectorAll("[data-live]")) {
    const newer = page.getElementById(part.id);
    if (!newer || part.innerHTML === newer.innerHTML) continue;
    if (part.contains(document.activeElement)) continue;
    const selection = document.getSelection();
    if (selection && !selection.isCollapsed && selection.intersectsNode(part)) continue;
    part.innerHTML = newer.innerHTML;
  }
  const heading = page.querySelector("main h1");
  const shown = main.querySelector("h1");
  if (heading && heading.textContent !== shown.textContent) shown.textContent = heading.textContent;
}

async function follow(milliseconds) {
  for (;;) {
    await pause(milliseconds);
    await untilVisible();
    const begun = performance.now();
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.ok) {
        renew(new DOMParser().parseFromString(await answer.text(), "text/html"));
        say("");
      } else {
        say(`No news: the program answers ${answer.status}.`);
      }
    } catch {
      say("No news: the program does not answer.");
    }
    // A page that is dear to make is asked for less often.
    await pause(9 * (performance.now() - begun));
  }
}

const MOST_ROWS = 500;

function span(seconds) {
  if (seconds === null) return "-";
  return seconds < 1 ? `${Number((seconds * 1000).toPrecision(3))} ms` : `${Number(seconds.toPrecision(3))} s`;
}

function cell(row, label, text, name) {
  const made = row.insertCell();
  made.dataset.label = label;
  if (name) {
    const inner = document.createElement(name);
    inner.textContent = text;
    made.append(inner);
  } else {
    made.textContent = text;
  }
  return made;
}

function showRequest(body, it) {
  const row = body.insertRow(0);
  if (it.status >= 500) row.className = "bad";
  else if (it.status >= 400) row.className = "fair";
  cell(row, "Time", it.time.slice(11, 23), "time");
  cell(row, "Status", String(it.status));
  cell(row, "Reason", it.reason);
  cell(row, "Request", `${it.method} ${it.host}${it.path}`, "code");
  cell(row, "Ingress", it.ingress ? `${it.namespace}/${it.ingress}` : "");
  cell(row, "Endpoint", it.upstream);
  cell(row, "Took", span(it.seconds)).className = "number";
  cell(row, "Of that, ours", span(it.overhead_seconds)).className = "number";
  cell(row, "Client", it.client);
}

async function followRequests(table) {
  const waiting = document.getElementById("waiting");
  const body = table.tBodies[0];
  let after = table.dataset.after;
  for (;;) {
    if (isPaused) waiting.textContent = "Paused.";
    await untilVisible();
    waiting.textContent = "Following: each request is shown when it has ended.";
    const query = new URLSearchParams(location.search);
    for (const [name, value] of [...query]) if (!value) query.delete(name);
    query.set("after", after);
    query.set("wait", "10");
    try {
      const answer = await fetch(`/api/requests?${query}`, { cache: "no-store" });
      const told = await answer.json();
      if (!answer.ok) {
        waiting.textContent = told.error;
        await pause(3000);
        continue;
      }
      after = told.after;
      for (const each of told.items) showRequest(body, each);
      while (body.rows.length > MOST_ROWS) body.deleteRow(-1);
    } catch {
      waiting.textContent = "The program does not answer; trying again.";
      await pause(2000);
    }
  }
}

function themes() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const show = (theme) => {
    root.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
  };
  show(localStorage.getItem("theme") || preferred);
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", next);
    show(next);
  });
}

themes();
if (main.dataset.follow) follow(Number(main.dataset.follow));
const tail = document.getElementById("tail");
if (tail) {
  const button = document.getElementById("pause");
  button.hidden = false;
  button.addEventListener("click", () => {
    isPaused = !isPaused;
    button.textContent = isPaused ? "Go on" : "Pause";
  });
  followRequests(tail);
}
// "/" leads to the search, as in many such pages.
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select");
  const field = document.querySelector("[data-shortcut]");
  if (event.key === "/" && !isTyping && field && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    field.focus();
  }
});
