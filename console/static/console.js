// The console's only own script: keys, clocks from server time, queue freeze, connection truth.
const body = document.body;
const find = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const french = body.dataset.language === "fr";

// Clocks. The server's time decides; the computer's clock is only a ticker.
let offset = Date.parse(body.dataset.now) - Date.now();
let heard = Date.now();
const now = () => Date.now() + offset;
const two = (number) => String(number).padStart(2, "0");
function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  if (hours >= 48) return `${Math.floor(hours / 24)} ${french ? "j" : "d"}`;
  return hours ? `${hours} h ${two(minutes)}` : `${two(minutes)}:${two(seconds % 60)}`;
}
const local = new Intl.DateTimeFormat(french ? "fr-FR" : "en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "Europe/Paris",
});
function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}
function tick() {
  put(find("#clock"), local.format(now()));
  for (const timer of all("time[data-since]")) {
    put(timer, span(now() - Date.parse(timer.dataset.since)));
    timer.classList.toggle("late", Date.parse(timer.dataset.late) < now());
  }
  for (const timer of all("time[data-until]")) {
    const left = Date.parse(timer.dataset.until) - now();
    put(timer, left > 0 ? span(left + 999) : timer.dataset.over);
    timer.classList.toggle("late", left <= 20000);
    if (left <= 0 && !timer.dataset.told && timer.closest("#hold")) {
      timer.dataset.told = "1";
      refresh(find("#orientation"), true);
    }
  }
  connection();
}

// Connection truth: the server beats every two seconds; silence is shown within five (this looks
// once a second), with the data's time.
let lost = false;
function connection() {
  const cut = find("#cut");
  if (!cut) return;
  const silent = Date.now() - heard > 4000;
  if (silent === lost) return;
  lost = silent;
  const state = find("#live-state");
  state.dataset.state = silent ? "cut" : "on";
  put(find("span", state), silent ? state.dataset.cut : state.dataset.on);
  put(cut, silent ? cut.dataset.text.replace("{time}", local.format(heard + offset)) : "");
  cut.hidden = !silent;
}

// Live regions. A region in which somebody works is not changed under the hands.
let waiting = 0;
const busy = (region) => region.dataset.freeze === "typing"
  ? region.matches(":focus-within") && find("input:not([type=hidden]):focus, textarea:focus, select:focus", region)
  : region.matches(":focus-within, :hover");
function refresh(region, force = false) {
  if (!region) return;
  if (!force && region.dataset.freeze !== undefined && busy(region)) {
    if (region.id === "queue") compare();
    else region.dataset.stale = "1";
    return;
  }
  if (region.id === "queue") pill(0);
  delete region.dataset.stale;
  window.htmx.trigger(region, "refresh");
}
function pill(count) {
  waiting = count;
  const button = find("#queue-pill");
  if (!button) return;
  button.hidden = !count;
  put(button, (count > 1 ? button.dataset.many : button.dataset.one).replace("{n}", count));
}
// How many rows of the frozen queue differ from what it would show now.
let comparing = 0;
async function compare() {
  const turn = (comparing += 1);
  const page = await queueNow();
  if (!page || turn !== comparing) return;
  announce(page);
  const marks = (root) => new Map(all("#rows li", root).map((row) => [row.dataset.case, row.dataset.mark]));
  const [shown, fresh] = [marks(document), marks(page)];
  const changed = [...fresh].filter(([id, mark]) => shown.get(id) !== mark).length
    + [...shown.keys()].filter((id) => !fresh.has(id)).length;
  const moved = !changed && [...shown.keys()].join() !== [...fresh.keys()].join();
  pill(changed + Number(moved));
  if (waiting && !busy(find("#queue"))) refresh(find("#queue"));
}
let queued = 0;
function soon(region) {
  clearTimeout(queued);
  queued = setTimeout(() => refresh(region), 40);
}
const sounded = new Set();
function announce(page = document) {
  const fresh = all("li[data-sounds]", page).filter((row) => !sounded.has(row.dataset.case));
  fresh.forEach((row) => sounded.add(row.dataset.case));
  if (fresh.length) put(find("#announce"), fresh.map((row) => row.dataset.sounds).join(". "));
}
function live() {
  const source = find("#live");
  if (!source) return;
  const hear = () => {
    heard = Date.now();
    if (!lost) find("#live-state").dataset.state = "on";
  };
  source.addEventListener("beat", (event) => {
    hear();
    offset = Date.parse(event.detail.data) - Date.now();
  });
  source.addEventListener("queue-changed", () => { hear(); soon(find("#queue")); });
  source.addEventListener("case-changed", (event) => {
    hear();
    if (find("#case")?.dataset.case === event.detail.data) {
      refresh(find("#case"));
      refresh(find("#orientation"));
    }
  });
  source.addEventListener("urgent", () => { hear(); fetchAlert(); });
  for (const name of ["handoffs-changed", "week-changed", "capacity-changed"]) {
    source.addEventListener(name, () => {
      hear();
      all(`[data-live~="${name}"]`).forEach((region) => refresh(region));
    });
  }
  source.addEventListener("htmx:sse:after:connection", hear);
}
// The queue as it is now, beside the one that is shown.
async function queueNow() {
  if (!find("#queue")) return null;
  const stream = find("#stream")?.value ?? "";
  const answer = await fetch(`/${body.dataset.page}/queue?stream=${stream}`, { headers: { "HX-Request": "true" } });
  return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}
// An assured U0 is told at once even while the queue is frozen.
async function fetchAlert() {
  const page = await queueNow();
  if (page) announce(page);
}

// Keys. F-keys and digits work everywhere they make sense; single letters can be switched off.
const letters = find("#single-keys");
if (letters) {
  letters.checked = localStorage.getItem("regul.keys") !== "off";
  letters.addEventListener("change", () => localStorage.setItem("regul.keys", letters.checked ? "on" : "off"));
}
const typing = (target) => target.matches("input:not([type=radio]):not([type=checkbox]), textarea, select");
const visible = (element) => element.offsetParent !== null && !element.disabled;
const press = (element) => { element.focus(); element.click(); };
function focusQuestions() {
  const first = find("#answer-first");
  if (first) first.focus();
}
function move(target, step) {
  const rows = all("#rows a");
  const at = rows.indexOf(target);
  rows[Math.min(rows.length - 1, Math.max(0, at + step))]?.focus();
}
function functionKey(key) {
  if (key === "F3") (find('#rows a[aria-current="true"]') ?? find("#rows a"))?.focus();
  else if (key === "F6") focusQuestions();
  else {
    const marked = all(`[data-key="${key}"]`).filter(visible);
    const near = marked.find((element) => element.closest("#orientation, #case, section")?.contains(document.activeElement));
    const chosen = near ?? marked[0];
    if (!chosen) return false;
    press(chosen);
  }
  return true;
}
function letterKey(event) {
  if (!letters?.checked || event.ctrlKey || event.metaKey || event.altKey) return false;
  const key = event.key.toLowerCase();
  const zone = event.target.closest("[data-card]") ?? find("[data-questions]");
  const chosen = zone && find(`[data-letter="${key}"]`, zone);
  if (chosen && visible(chosen)) {
    press(chosen);
    return true;
  }
  return false;
}
function digitKey(event) {
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
  if (!digit || !letters?.checked || event.ctrlKey || event.altKey || event.metaKey) return false;
  const zones = [event.target.closest("[data-zone], [data-questions]"), find('[data-zone="offers"]'), find("[data-questions]")];
  for (const zone of zones) {
    const chosen = zone && find(`[data-digit="${digit}"]`, zone);
    if (chosen && visible(chosen)) {
      press(chosen);
      return true;
    }
  }
  return false;
}
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  const inQueue = event.target.closest("#queue");
  let done = false;
  if (/^F\d+$/.test(event.key)) done = functionKey(event.key);
  else if (inQueue && event.key === "ArrowDown") { move(event.target, 1); done = true; }
  else if (inQueue && event.key === "ArrowUp") { move(event.target, -1); done = true; }
  else if (event.key === "Escape") {
    const menu = event.target.closest("details.menu[open]");
    if (menu) { menu.open = false; find("summary", menu).focus(); } else if (waiting) refresh(find("#queue"), true);
  } else if (!typing(event.target)) done = digitKey(event) || letterKey(event);
  else if (event.target.matches("[data-questions] [inputmode]")) done = letterKey(event);
  if (done) event.preventDefault();
});
find("#queue-pill")?.addEventListener("click", () => refresh(find("#queue"), true));
document.addEventListener("focusout", () => setTimeout(() => {
  if (waiting && !busy(find("#queue"))) refresh(find("#queue"));
  for (const region of all("[data-stale]")) refresh(region);
}, 60));
find("#queue")?.addEventListener("pointerleave", () => { if (waiting) refresh(find("#queue")); });

// Opening a case replaces the work area, keeps the queue, and moves the focus to the work.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-open]");
  if (!link || !find("#work") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  all("#rows a[aria-current]").forEach((row) => row.removeAttribute("aria-current"));
  if (link.closest("#rows")) link.setAttribute("aria-current", "true");
  window.htmx.ajax("GET", link.getAttribute("href"), { target: "#work", swap: "innerHTML", push: "true" });
});
// A swap must not lose the place of somebody who works by keyboard.
let last = "";
document.addEventListener("focusin", (event) => { last = event.target.id; });
// What somebody unfolded stays unfolded when the answer they gave redraws it.
let unfolded = [];
document.addEventListener("htmx:before:swap", () => {
  unfolded = all("#work details[open][id]").map((details) => details.id);
});
document.addEventListener("htmx:after:swap", (event) => {
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
  tick();
  announce();
  let focused = document.activeElement;
  if ((!focused || focused === body) && last) document.getElementById(last)?.focus();
  focused = document.activeElement;
  const strayed = !focused || focused === body;
  const target = event.detail?.ctx?.target ?? event.target;
  if (target?.id === "queue" && waiting) compare();
  if (target?.id === "work" || (strayed && (target?.id === "triage" || target?.id === "case"))) {
    (find("#work [autofocus]") ?? find("#answer-first") ?? find("#work h2"))?.focus();
  } else if (strayed && target?.id === "orientation") {
    (find("#book") ?? find("#hold-first") ?? find("#orientation .primary") ?? find("#orientation-title"))?.focus();
  }
});
setInterval(tick, 1000);
tick();
live();
announce();
