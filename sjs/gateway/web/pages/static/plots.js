// Shows which line of the table and which shape of the pictures are of one job: the one that is pointed at, or else the
// one that has the focus.

let pointed = null;
let lit = [];

function jobOf(element) {
  return element?.closest?.("[data-job]")?.dataset.job;
}

function light() {
  const job = pointed ?? jobOf(document.activeElement);
  for (const one of lit) one.classList.remove("lit");
  lit = job ? [...document.querySelectorAll(`[data-job="${CSS.escape(job)}"]`)] : [];
  for (const one of lit) one.classList.add("lit");
}

document.addEventListener("pointerover", (event) => {
  pointed = jobOf(event.target);
  light();
});
for (const event of ["focusin", "focusout", "sjs:fresh"]) document.addEventListener(event, light);
light();
