// Has a page show what a job prints, as it comes: lines of parts, each a text and the classes by which it looks. Texts
// stay texts. Who reads elsewhere in it is left there; who is at its end stays at its end.

const MOST = 5000; // lines; of more, the oldest go

class Terminal {
  constructor(box) {
    this.box = box;
    this.lines = box.querySelector(".printed");
    this.open = null; // the line whose end has not come
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
    this.rests = Boolean(this.stream);
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
    const { lines, open, leftOut } = JSON.parse(said.data);
    this.resume = said.lastEventId;
    // The first time, the page's own last line is the one that goes on, if it has one: it is told again.
    if (this.open === null) this.open = this.box.dataset.open ? this.lines.lastElementChild : undefined;
    this.open?.remove();
    this.open = undefined;
    const fresh = document.createDocumentFragment();
    if (leftOut) fresh.append(lineOf([[`(${leftOut} lines are left out here)`, "faint"]]));
    for (const line of lines) fresh.append(lineOf(line));
    if (open.length) this.open = fresh.appendChild(lineOf(open));
    this.lines.append(fresh);
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
