// The shop works without this file. It only saves the reader a look and a click.

const price = document.querySelector("[data-price]");
const gallery = document.querySelector(".pictures");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function show(picture) {
  gallery.scrollTo({ left: picture.offsetLeft - gallery.offsetLeft, behavior: calm.matches ? "auto" : "smooth" });
}

// A product: mark what is gone beside what is chosen, say its price, show its picture.
const buy = document.querySelector("form[data-buy]");
if (buy) {
  const prices = JSON.parse(buy.dataset.prices);
  const groups = [...buy.querySelectorAll("fieldset.choices")];
  const chosen = (group) => group.querySelector("input:checked")?.value;
  const keyOf = (values) => values.map(Number).sort((a, b) => a - b).join("-");
  const unchosen = price.textContent;

  const look = () => {
    const values = groups.map(chosen);
    groups.forEach((group, at) => {
      for (const radio of group.querySelectorAll("input")) {
        const wanted = values.map((value, index) => (index === at ? radio.value : value));
        // With something still open, a value is gone only if no variant that fits has it.
        const fits = Object.entries(prices).filter(([key]) => {
          const has = key.split("-");
          return wanted.every((value) => value === undefined || has.includes(value));
        });
        radio.parentElement.classList.toggle("is-gone", !fits.some(([, text]) => text));
      }
    });
    const text = values.includes(undefined) ? "" : prices[keyOf(values)];
    price.textContent = text || unchosen;
  };

  buy.addEventListener("change", (event) => {
    if (event.target.type !== "radio") return;
    look();
    const picture = gallery?.querySelector(`[data-value="${event.target.value}"]`);
    if (picture) show(picture);
  });
  if (groups.length) {
    look();
    const start = buy.querySelector(".choices input:checked");
    const picture = start && gallery?.querySelector(`[data-value="${start.value}"]`);
    if (picture && picture !== gallery.firstElementChild) gallery.scrollLeft = picture.offsetLeft - gallery.offsetLeft;
  }
}

// Thumbnails move the row of pictures, not the page.
for (const link of document.querySelectorAll(".thumbs a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    show(document.querySelector(link.hash));
  });
}

if (gallery && "IntersectionObserver" in window) {
  const watch = new IntersectionObserver(
    (seen) => {
      for (const { target, isIntersecting } of seen) {
        const link = document.querySelector(`.thumbs a[href="#${target.id}"]`);
        if (isIntersecting) link?.setAttribute("aria-current", "true");
        else link?.removeAttribute("aria-current");
      }
    },
    { root: gallery, threshold: 0.6 },
  );
  for (const picture of gallery.children) watch.observe(picture);
}

// A cart: another country is another price for shipping, so ask for it at once and put it in its place.
for (const select of document.querySelectorAll("select[data-send]")) {
  const button = select.form.querySelector(`[formaction="${select.dataset.send}"]`);
  button.hidden = true;
  select.addEventListener("change", async () => {
    const answer = await fetch(select.dataset.send, { method: "POST", body: new FormData(select.form) }).catch(() => null);
    const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
    const rates = page && page.querySelector(".rates");
    if (rates) document.querySelector(".rates").replaceChildren(...rates.childNodes);
    else button.hidden = false;
  });
}

// What went wrong is read first.
document.getElementById("wrong")?.focus();

// An order that waits for its payment: look until something has changed, for two minutes.
const waiting = document.querySelector("[data-state]");
if (waiting) {
  const PAUSE = 400; // with the look itself and the page anew, well within a second of the event
  const until = Date.now() + 120_000;
  const ask = async () => {
    try {
      const answer = await fetch(waiting.dataset.state, { headers: { Accept: "application/json" } });
      if (answer.ok && (await answer.json()).version !== waiting.dataset.version) {
        location.reload();
        return;
      }
    } catch {
      // Offline for a moment: ask again.
    }
    if (Date.now() < until) setTimeout(ask, PAUSE);
  };
  setTimeout(ask, PAUSE);
}
