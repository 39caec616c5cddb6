// Has a page show what a job prints, as it comes: rows of parts, each a text and the classes by which it looks. Texts
// stay texts. The last rows have numbers: they may be told again, as progress bars are. Who reads elsewhere in it is left there; who is at its end stays at its end.

const MOST = 5000; // lines; of more, the oldest go

class Terminal {
  constructor(box) {
    this.box = box;
    this.lines = box.querySelector(".printed");
    this.rows = new Map(); // those that can still be changed, by their numbers
    for (const row of this.lines.querySelectorAll("[data-row]")) this.rows.set(Number(row.dataset.row), row);
    this.resume = null;
    this.follows = true;
    this.sign = box.appendChild(document.createElement("p"));
    this.sign.className = "hint";
    this.sign.setAttribute("role", "status");
    this.button = box.insertBefore(document.createElement("button"), this.lines);
    this.button.type = "button";
    this.button.className = "quiet";
    this.button.onclick = () => (this.stream ? this.stop() : this.start());
    this.lines.onscroll = () => {
      const { scrollTop, clientHeight, scrollHeight } = this.lines;
      this.follows = scrollTop + clientHeight >= scrollHeight - 30;
    };
    this.toEnd();
    this.start();
  }

  start() {
    const address = new URL(this.box.dataset.follow, location.href);
    if (this.resume) address.searchParams.set("from", this.resume);
    this.stream = new EventSource(address);
    this.button.textContent = "Stop following";
    this.sign.textContent = "";
    this.stream.onmessage = (said) => this.show(said);
    this.stream.addEventListener("end", () => this.leave("It prints no more."));
    this.stream.addEventListener("trouble", (said) => this.leave(JSON.parse(said.data)));
    this.stream.onerror = () => {
      if (this.stream?.readyState === EventSource.CLOSED) this.leave("It can not be followed now.");
    };
  }

  stop() {
    this.leave("Not followed.");
  }

  // A browser has few connections to one host: a page that nobody sees holds none.
  pause() {
    this.rests ||= Boolean(this.stream); // leaving a page says so twice
    this.stream?.close();
    this.stream = null;
  }

  wake() {
    if (this.rests && !this.stream) this.start();
    this.rests = false;
  }

  leave(why) {
    this.stream?.close();
    this.stream = null;
    this.sign.textContent = why;
    this.button.textContent = "Follow";
  }

  show(said) {
    const { rows, top, end, gap } = JSON.parse(said.data);
    this.resume = said.lastEventId;
    let first = null;
    for (const [number, parts] of rows.reverse()) { // from below, so that each finds the one that follows it
      first = lineOf(parts);
      const before = this.rows.get(number);
      if (before) before.replaceWith(first);
      else this.lines.insertBefore(first, this.rows.get(number + 1) ?? null);
      this.rows.set(number, first);
    }
    if (gap) this.lines.insertBefore(lineOf([[`(${gap})`, "faint"]]), first);
    for (const [number, row] of this.rows) {
      if (number >= end) row.remove();
      if (number >= end || number < top) this.rows.delete(number);
    }
    while (this.lines.childElementCount > MOST) this.lines.firstElementChild.remove();
    if (this.follows) this.toEnd();
  }

  toEnd() {
    this.lines.scrollTop = this.lines.scrollHeight;
  }
}

function lineOf(parts) {
  const line = document.createElement("div");
  for (const [text, classes] of parts) {
    const part = document.createElement("span");
    if (classes) part.className = classes;
    part.textContent = text;
    line.append(part);
  }
  return line;
}

const known = new Map();

function look() {
  for (const [box, terminal] of known) {
    if (!box.isConnected) {
      terminal.leave("");
      known.delete(box);
    }
  }
  for (const box of document.querySelectorAll("[data-follow]")) {
    const terminal = known.get(box);
    if (!terminal) known.set(box, new Terminal(box));
  }
}

document.addEventListener("sjs:fresh", look);
document.addEventListener("visibilitychange", () => known.forEach((one) => (document.hidden ? one.pause() : one.wake())));
addEventListener("pagehide", () => known.forEach((one) => one.pause()));
addEventListener("pageshow", () => known.forEach((one) => one.wake()));
look();
