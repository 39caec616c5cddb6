// Has a page show what happens: the server tells that something has, and the page is asked for again. Only what is
// another then is exchanged, so places, choices and the focus stay. At most one look a second, and none while nobody
// sees the page.

const main = document.querySelector("main[data-live]");
const sign = document.getElementById("link");
const EVERY = 1000;
const AGAIN = 5000; // after a refusal, be it of a proxy whose gateway is started anew

let stream = null;
let again = null;
let looking = false;
let wanted = false;
let last = 0;

function say(text) {
  if (sign.textContent !== text) sign.textContent = text;
}

function times(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const local = new Date(time.dateTime).toLocaleString();
    if (!time.title) time.title = time.textContent + " UTC";
    if (time.textContent !== local) time.textContent = local;
  }
  const clock = { hour: "2-digit", minute: "2-digit", hour12: false };
  for (const one of root.querySelectorAll("[data-clock]")) {
    if (one.textContent) one.textContent = new Date(one.dataset.clock).toLocaleTimeString([], clock);
  }
}

// `now` becomes as `next`: children with an id are the same ones wherever they are.
function become(now, next) {
  if (now.nodeName !== next.nodeName || now.nodeType !== Node.ELEMENT_NODE) {
    if (!now.isEqualNode(next)) now.replaceWith(next.cloneNode(true));
    return;
  }
  if (now.hasAttribute("data-keep")) return; // it has a life of its own
  for (const { name } of [...now.attributes]) {
    if (!next.hasAttribute(name) && !(now.nodeName === "DETAILS" && name === "open")) now.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
  const known = new Map([...now.children].filter((one) => one.id).map((one) => [one.id, one]));
  let at = now.firstChild;
  for (const one of [...next.childNodes]) {
    const same = one.id ? known.get(one.id) : null;
    if (same) {
      if (same !== at) now.insertBefore(same, at);
      else at = at.nextSibling;
      become(same, one);
    } else if (at && !at.id && !one.id && at.nodeName === one.nodeName) {
      const following = at.nextSibling;
      become(at, one);
      at = following;
    } else {
      const fresh = one.cloneNode(true);
      if (fresh.id && fresh.classList) fresh.classList.add("changed");
      now.insertBefore(fresh, at);
    }
  }
  while (at) {
    const following = at.nextSibling;
    at.remove();
    at = following;
  }
}

async function look() {
  wanted = true;
  if (looking || document.hidden) return;
  looking = true;
  while (wanted && !document.hidden) {
    const rest = last + EVERY - performance.now();
    if (rest > 0) await new Promise((done) => setTimeout(done, rest));
    wanted = false;
    last = performance.now();
    await refresh();
  }
  looking = false;
}

async function refresh() {
  let answer;
  try {
    answer = await fetch(location.href, { headers: { accept: "text/html" } });
  } catch {
    say("The gateway is away.");
    return;
  }
  if (answer.redirected && new URL(answer.url).pathname.endsWith("/sign-in")) {
    location.reload();
    return;
  }
  if (!answer.ok) {
    say(`The page could not be had again (${answer.status}).`);
    return;
  }
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  times(next);
  const focus = document.activeElement;
  for (const part of next.querySelectorAll("[data-part]")) {
    const now = document.getElementById(part.id);
    if (now) become(now, part);
  }
  if (focus.isConnected && focus !== document.activeElement) focus.focus({ preventScroll: true }); // it was moved
  pace(next.querySelector("main"));
  document.dispatchEvent(new CustomEvent("sjs:fresh"));
}

function follow() {
  if (stream || document.hidden) return;
  watch();
  const address = new URL(main.dataset.live, location.href);
  const kinds = address.searchParams.getAll("kind");
  stream = new EventSource(address);
  stream.onopen = () => {
    say("");
    look(); // something may have happened between the page and now
  };
  stream.onerror = () => {
    say("The gateway is away; this page comes back with it.");
    if (stream.readyState !== EventSource.CLOSED) return; // the browser asks again by itself
    leave();
    again = setTimeout(follow, AGAIN);
    look(); // it may be that one is to sign in
  };
  for (const kind of [...kinds, "reset"]) stream.addEventListener(kind, look);
}

// What changes without a job: for as long as somebody looks.
let timer = null;

function watch() {
  if (timer === null && main.dataset.every) timer = setInterval(look, 1000 * main.dataset.every);
}

// Another one, once what was waited for is there.
function pace(next) {
  if (next.dataset.every === main.dataset.every) return;
  clearInterval(timer);
  timer = null;
  if (next.dataset.every) main.dataset.every = next.dataset.every;
  else delete main.dataset.every;
  if (stream) watch();
}

function leave() {
  clearTimeout(again);
  clearInterval(timer);
  timer = null;
  stream?.close();
  stream = null;
}

times(document);
if (main) {
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", follow);
  follow();
}
