// Shows which line of the table and which shape of the pictures are of one job: the one that is pointed at, or has the
// focus.

let lit = [];

function light(target) {
  const job = target.closest?.("[data-job]")?.dataset.job;
  for (const one of lit) one.classList.remove("lit");
  lit = job ? [...document.querySelectorAll(`[data-job="${CSS.escape(job)}"]`)] : [];
  for (const one of lit) one.classList.add("lit");
}

document.addEventListener("pointerover", (event) => light(event.target));
document.addEventListener("focusin", (event) => light(event.target));
