/* Inside the frame. Everything here is a nicety: without it the same forms are sent and answered as whole documents.
   Speaks with the page around it in messages { shop: 1, type, ... }; docs/embedding.md lists them. */
(() => {
  'use strict';
  const framed = window.parent !== window;
  const expected = location.ancestorOrigins && location.ancestorOrigins[0];
  let page = ''; // the origin of the page around us, once it has spoken
  let handle = '';

  const tell = (type, said) => {
    if (framed) window.parent.postMessage({ shop: 1, type, ...said }, page === 'null' ? '*' : page || '*');
  };
  const card = () => document.querySelector('main');
  const fill = (name, value) => document.querySelectorAll(`input[name="${name}"]`).forEach((box) => (box.value = value));
  const press = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(18));
    return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
  };

  // The choices that go with what is chosen elsewhere; the rest is greyed out, and the price follows.
  const weigh = (form) => {
    const prices = JSON.parse(form.dataset.prices || '{}');
    const names = [...new Set([...form.querySelectorAll('[name^="option_"]')].map((box) => box.name))];
    const chosen = (name) => new FormData(form).get(name) || '';
    const priceOf = (ids) => prices[ids.map(Number).sort((a, b) => a - b).join('-')];
    const open = (name, value) => {
      const others = names.filter((other) => other !== name).map(chosen);
      return others.includes('') || priceOf([...others, value]);
    };
    for (const box of form.querySelectorAll('[name^="option_"][type=radio], select[name^="option_"] option[value]')) {
      const name = box.name || box.parentElement.name;
      if (!box.value || 'gone' in box.dataset) continue;
      const off = !open(name, box.value);
      box.toggleAttribute('data-off', off);
      box.disabled = off && !(box.checked || box.selected);
    }
    const ids = names.map(chosen);
    const price = !ids.includes('') && priceOf(ids);
    const shown = document.querySelector('[data-price]');
    if (price && shown) shown.textContent = price;
  };

  const say = (form, sentence) => {
    const alert = form.querySelector('[data-alert]');
    if (!alert) return;
    alert.textContent = sentence;
    alert.hidden = !sentence;
  };

  const begin = () => {
    document.querySelectorAll('form').forEach((form) => form.dataset.prices && weigh(form));
    document.querySelectorAll('.missing').forEach((note) => (note.hidden = true));
    const { state, product, handle: fresh, count, quantity, variant } = card().dataset;
    handle = fresh || handle;
    if (handle) fill('handle', handle);
    fill('press', press());
    if (state === 'absent') tell('absent', { product });
    if (state === 'added' && page) {
      tell('cart', { handle, count: +count });
      tell('added', { product, variant, quantity: +quantity, count: +count });
    }
  };

  // "Add to cart" and "Keep reading" change the card in place: no step in the reader's history, no flash.
  const swap = async (form) => {
    say(form, '');
    form.setAttribute('aria-busy', 'true');
    try {
      const answer = await fetch(form.action, {
        method: 'POST',
        body: new URLSearchParams(new FormData(form)),
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
      });
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
      if (next.dataset.state === 'error') return say(form, next.querySelector('[data-message]').textContent);
      card().replaceWith(next);
      begin();
      const target = next.querySelector('[aria-invalid], [data-alert]:not([hidden]), [data-focus]');
      if (target) target.focus({ preventScroll: true });
    } catch {
      say(form, 'The shop could not be reached. Nothing was added; please try again.');
    } finally {
      form.removeAttribute('aria-busy');
    }
  };

  addEventListener('message', ({ source, origin, data }) => {
    if (!framed || source !== window.parent || !data || data.shop !== 1) return;
    if ((expected && origin !== expected) || (page && origin !== page)) return;
    const first = !page;
    page = origin;
    // A card that came as a whole document, already added, knows better, and says so as soon as it knows to whom.
    if (first && card().dataset.state === 'added') return begin();
    if (data.type === 'cart' && /^[\w-]{20,99}$/.test(data.handle)) {
      handle = data.handle;
      fill('handle', handle);
    }
  });

  document.addEventListener('change', ({ target }) => {
    if (target.form && target.form.dataset.prices) {
      say(target.form, '');
      weigh(target.form);
    }
  });
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (event.submitter && 'leaves' in event.submitter.dataset) {
      tell('checkout', { product: card().dataset.product });
    } else if ('here' in form.dataset) {
      event.preventDefault();
      if (!form.hasAttribute('aria-busy')) swap(form);
    }
  });

  begin();
  new ResizeObserver(() => tell('height', { height: Math.ceil(document.body.getBoundingClientRect().height) })).observe(
    document.body,
  );
  if (card().dataset.state !== 'absent') tell('ready', { product: card().dataset.product });
})();
