// The dashboard's behaviour: tabs, refreshing what can be seen, counting down, and an operator's buttons.
"use strict";

(() => {
  const REFRESH_MILLISECONDS = 2000;
  const LONGEST_PAUSE_MILLISECONDS = 30000;
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const panelOf = (tab) => document.getElementById(tab.getAttribute("aria-controls"));

  // --- tabs: one is open; arrows, Home and End go from one to another

  function open(tab, { focus = false } = {}) {
    for (const one of tabs) {
      const selected = one === tab;
      one.setAttribute("aria-selected", String(selected));
      one.tabIndex = selected ? 0 : -1;
      panelOf(one).hidden = !selected;
    }
    document.title = `${tab.textContent} · scidex`;
    if (focus) tab.focus();
    refresh();
    priceChart.draw();
  }

  const opened = () => tabs.find((tab) => tab.getAttribute("aria-selected") === "true");
  const ofAddress = () => tabs.find((tab) => new URL(tab.href).search === location.search);

  function choose(tab) {
    history.pushState(null, "", tab.href);
    open(tab, { focus: true });
  }

  for (const tab of tabs) {
    tab.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      choose(tab);
    });
    tab.addEventListener("keydown", (event) => {
      const place = tabs.indexOf(tab);
      const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1, " ": place }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      choose(tabs[(to + tabs.length) % tabs.length]);
    });
  }
  window.addEventListener("popstate", () => open(ofAddress() ?? tabs[0]));

  // --- refreshing: only what can be seen, and only while somebody looks

  function refresh() {
    if (document.hidden || typeof htmx === "undefined") return;
    for (const part of document.querySelectorAll("[data-live]")) {
      if (part.offsetParent !== null) htmx.trigger(part, "refresh");
    }
  }

  // A server that does not answer is asked less and less often; one that answers, at the usual pace again.
  let pause = REFRESH_MILLISECONDS;
  let silentSince = null;
  let keptUntil = 0;
  const trouble = document.getElementById("trouble");

  function again() {
    refresh();
    setTimeout(again, pause);
  }

  function say(text) {
    trouble.textContent = text;
    trouble.hidden = !text;
    document.body.classList.toggle("stale", Boolean(text));
  }

  function failed(what) {
    silentSince ??= new Date();
    pause = Math.min(pause * 2, LONGEST_PAUSE_MILLISECONDS);
    const since = silentSince.toLocaleTimeString();
    say(`${what} since ${since}. This page shows how the market stood then; it tries again every ${pause / 1000} s.`);
  }

  function recovered() {
    silentSince = null;
    pause = REFRESH_MILLISECONDS;
    if (Date.now() > keptUntil) say("");
  }

  setTimeout(again, pause);
  document.addEventListener("visibilitychange", refresh);
  document.addEventListener("htmx:after:swap", () => {
    countDown();
    priceChart.draw();
  });
  document.addEventListener("htmx:error", () => failed("The server has not answered"));
  document.addEventListener("htmx:after:request", (event) => {
    const status = event.detail.ctx.response.status;
    if (status === 401 || status === 403) {
      pause = LONGEST_PAUSE_MILLISECONDS;
      say(`Your session is over. Run “scidex login --url ${location.origin}” and open the link that it prints.`);
    } else if (status >= 500) {
      failed(`The server has answered with an error (${status})`);
    } else {
      recovered();
    }
  });

  // --- counting down to the next clearing

  function countDown() {
    for (const place of document.querySelectorAll("[data-until]")) {
      const seconds = Math.ceil((Date.parse(place.dataset.until) - Date.now()) / 1000);
      place.textContent = seconds <= 0 ? "now" : seconds < 120 ? `in ${seconds} s` : `in ${Math.round(seconds / 60)} min`;
    }
  }

  setInterval(countDown, 1000);

  // --- an explanation that was asked for comes into view

  document.addEventListener("click", (event) => {
    const asked = event.target.closest("[data-shows]");
    if (asked) document.getElementById(asked.dataset.shows).scrollIntoView({ block: "nearest" });
  });

  // --- an operator's buttons

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-post]");
    if (!button) return;
    button.disabled = true;
    try {
      const answer = await fetch(button.dataset.post, { method: "POST" });
      if (!answer.ok) {
        const problem = await answer.json().catch(() => ({}));
        keptUntil = Date.now() + 10000;
        say(`${button.textContent.trim()} failed: ${problem.detail ?? problem.title ?? `status ${answer.status}`}`);
        return;
      }
    } catch {
      failed("The server has not answered");
    } finally {
      button.disabled = false;
      refresh();
    }
  });

  priceChart.draw();
})();
