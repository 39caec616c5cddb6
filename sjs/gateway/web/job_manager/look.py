"""How the pages look, and what renews them. Both are within them, whatever path a proxy has them below."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1, h2 { line-height: 1.2; }
a { color: inherit; }
table { border-collapse: collapse; margin: 1.5rem 0; width: 100%; }
caption { font-weight: bold; text-align: left; }
th, td { border-bottom: 1px solid #8886; padding: .25rem .5rem; text-align: left; vertical-align: top; }
th, td { white-space: nowrap; font-variant-numeric: tabular-nums; }
th.wide, td.wide { overflow-wrap: anywhere; white-space: normal; width: 100%; }
td.count { text-align: right; }
progress { accent-color: #1769aa; height: 1.25rem; width: 100%; }
@media (max-width: 30rem) { body { padding: .5rem; } th, td { padding: .25rem; } }
"""

SCRIPT = """
"use strict";
const source = new EventSource(document.documentElement.dataset.events);
let isBusy = false, isStale = false;
async function renew() {
  isStale = true;
  if (isBusy) return;
  isBusy = true;
  while (isStale) {
    isStale = false;
    const pause = new Promise(done => setTimeout(done, 1000));
    const answer = await fetch(location.href).catch(() => null);
    if (answer && answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.title = page.title;
      document.querySelector("main").replaceWith(page.querySelector("main"));
    }
    await pause;
  }
  isBusy = false;
}
source.onopen = renew;
source.addEventListener("reload", renew);
"""
"""Each change has the page asked for anew, once a second at most; and once it hears of changes, for it may have missed
some."""


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_digest(STYLE)}; script-src {_digest(SCRIPT)}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing else is loaded or run, whatever stands in a page."""
