// The back office works without this file. It asks before typed changes or a picture are lost, shows the chosen tab, and
// copies the embed's HTML.
"use strict";

// A form that came back with messages holds what was typed, too.
const typed = new Set();
for (const form of document.querySelectorAll("form[data-guard]")) {
  if (form.querySelector("[aria-invalid]")) typed.add(form);
  form.addEventListener("input", () => typed.add(form));
}
document.addEventListener("submit", (event) => {
  const form = event.target;
  const others = [...typed].some((other) => other !== form);
  const asked = form.dataset.ask || (others && "What you typed in another part of this page is not saved. Go on without it?");
  if (asked && !window.confirm(asked)) event.preventDefault();
  else typed.clear();
});
window.addEventListener("beforeunload", (event) => {
  if (typed.size) event.preventDefault();
});

// The chosen tab may lie beyond the edge of a phone.
for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
  tab.scrollIntoView({ block: "nearest", inline: "nearest" });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.closest("section").querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select the text and copy it by hand";
    }
  });
}
