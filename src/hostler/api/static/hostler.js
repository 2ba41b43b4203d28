// Keeps the page live: any event reads it anew, at most a few times a second.
"use strict";
(() => {
  const main = () => document.querySelector("main");
  const live = document.getElementById("live");
  let waiting = false;

  async function refresh() {
    waiting = false;
    const answer = await fetch("/", { headers: { Accept: "text/html" } });
    if (!answer.ok) {
      location.reload();
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    main().replaceWith(document.adoptNode(page.querySelector("main")));
  }

  function news() {
    if (!waiting) {
      waiting = true;
      setTimeout(refresh, 300);
    }
  }

  const events = new EventSource("/api/v1/events?after=" + main().dataset.seen);
  for (const kind of ["job", "vm", "host", "library", "template", "reset"]) {
    events.addEventListener(kind, news);
  }
  events.addEventListener("ready", () => { live.textContent = "live"; live.className = "on"; });
  events.addEventListener("error", () => { live.textContent = "connecting …"; live.className = ""; });

  document.getElementById("sign-out").addEventListener("click", async () => {
    const found = document.cookie.match(/(?:^|; )(?:__Host-)?hostler-csrf=([^;]*)/);
    await fetch("/api/v1/sign-out", { method: "POST", headers: { "X-CSRF-Token": found ? found[1] : "" } });
    location.reload();
  });
})();
