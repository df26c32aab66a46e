// The dashboard's behaviour: tabs, refreshing what can be seen, counting down, and an operator's buttons.
"use strict";

(() => {
  const REFRESH_MILLISECONDS = 2000;
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

  setInterval(refresh, REFRESH_MILLISECONDS);
  document.addEventListener("visibilitychange", refresh);
  document.addEventListener("htmx:after:swap", () => {
    document.body.classList.remove("stale");
    countDown();
    priceChart.draw();
  });
  document.addEventListener("htmx:error", () => document.body.classList.add("stale"));

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
      await fetch(button.dataset.post, { method: "POST" });
    } finally {
      button.disabled = false;
      refresh();
    }
  });

  priceChart.draw();
})();
