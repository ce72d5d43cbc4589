/* Inside the frame. Everything here is a nicety: without it the same forms are sent and answered as whole documents.
   Speaks with the page around it in messages { shop: 1, type, ... }; docs/embedding.md lists them. */
(() => {
  'use strict';
  const framed = window.parent !== window;
  const expected = location.ancestorOrigins && location.ancestorOrigins[0];
  const asked = new URLSearchParams(location.hash.slice(1));
  // WordPress names each frame that it shows, and hears what comes with that name.
  const secret = /^[A-Za-z0-9]{1,64}$/.test(asked.get('secret') || '') ? asked.get('secret') : '';
  const view = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  let page = ''; // the origin of the page around us, once it has spoken
  let handle = '';
  let consent = (asked.get('consent') || 'yes') === 'yes';

  const card = () => document.querySelector('main');
  const tell = (type, said) => {
    if (framed) window.parent.postMessage({ shop: 1, type, ...said }, page === 'null' ? '*' : page || '*');
  };
  const tellWordPress = (message, value) => {
    if (framed && secret) window.parent.postMessage({ message, value, secret }, '*');
  };
  const fill = (name, value) => {
    for (const form of document.querySelectorAll('form[method=post]')) {
      if (!form.elements[name]) form.append(Object.assign(document.createElement('input'), { type: 'hidden', name }));
      form.elements[name].value = value;
    }
  };
  const press = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(18));
    return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
  };

  // Whether forms are sent from here at all: a sandbox may forbid that, and then no submit event comes either.
  const formsWork = () => {
    const probe = document.createElement('form');
    let works = false;
    probe.addEventListener('submit', (event) => {
      works = true;
      event.preventDefault();
      event.stopPropagation();
    });
    document.body.append(probe);
    probe.requestSubmit();
    probe.remove();
    return works;
  };
  const boxed = framed && !formsWork();

  // Where there is no way out, the reader gets an address to open, and no button that does nothing.
  const address = (shown) => {
    const { product } = card().dataset;
    let note = document.querySelector('[data-address]');
    if (!note && shown) {
      note = document.createElement('p');
      note.dataset.address = '';
      note.setAttribute('role', 'status');
      note.className = 'address';
      const where = document.createElement('strong');
      where.textContent = location.host + (product ? '/p/' + product : '');
      note.append(card().dataset.open + ' ', where);
      card().append(note);
    }
    if (note) note.hidden = !shown;
    document.querySelectorAll('.buttons').forEach((ends) => (ends.hidden = boxed && shown));
  };
  // The ways to a page of the shop from a sandbox: the loader around us, WordPress, or the reader's own hands.
  const leave = (path) => {
    if (page) tell('leave', { address: location.origin + path });
    else if (secret) tellWordPress('link', location.origin + path);
    else address(true);
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

  // What is wrong with the snippet, for whoever wrote it. Nothing here, or taken away on purpose, is no mistake.
  const wrong = {
    'unknown-product': (name) => `there is no product "${name}" in this shop`,
    'not-on-sale': (name) => `"${name}" is not on sale in this shop`,
    'host-not-allowed': () => 'the story is on a host that is not one of SHOP_PUBLISHER_HOSTS',
    'bad-address': () => 'the address of the story is none',
  };

  const begin = () => {
    document.querySelectorAll('form').forEach((form) => form.dataset.prices && weigh(form));
    document.querySelectorAll('.missing').forEach((note) => (note.hidden = true));
    const { state, product, reason, handle: fresh, count, quantity, variant } = card().dataset;
    handle = fresh || handle;
    if (handle) fill('handle', handle);
    fill('press', press());
    if (state === 'absent') {
      const name = product || new URLSearchParams(location.search).get('product') || '';
      const mistake = wrong[reason || (name && 'not-on-sale')];
      tell('absent', { product: name, reason: reason || '', wrong: mistake ? mistake(name.slice(0, 80)) : '' });
    }
    if (state === 'added' && page) {
      tell('cart', { handle, count: +count });
      tell('added', { product, variant, quantity: +quantity, count: +count });
    }
    if (boxed && !page && !secret && state !== 'absent') address(true);
  };

  // Counted without a cookie, once, and not at all where the reader or the page says no.
  const heard = new Set();
  const count = (step) => {
    const { product } = card().dataset;
    const placement = document.querySelector('input[name=placement]')?.value || card().dataset.placement;
    const asks = navigator.globalPrivacyControl || navigator.doNotTrack === '1';
    if (heard.has(step) || !consent || asks || !product || !placement || !navigator.sendBeacon) return;
    heard.add(step);
    navigator.sendBeacon('/embed/beacon', new URLSearchParams({ step, product, placement, view }).toString());
  };
  const watch = () => {
    let timer;
    const seen = ([entry]) => {
      clearTimeout(timer);
      const half = entry.intersectionRatio >= 0.5 || entry.intersectionRect.height * 2 >= (entry.rootBounds?.height || 1e9);
      if (half) timer = setTimeout(() => document.visibilityState === 'visible' && count('seen'), 1000);
    };
    new IntersectionObserver(seen, { threshold: [0, 0.25, 0.5, 0.75] }).observe(card());
  };

  // "Add to cart" and "Keep reading" change the card in place: no step in the reader's history, no flash.
  const swap = async (form) => {
    say(form, '');
    form.setAttribute('aria-busy', 'true');
    const sent = form.action && { method: 'POST', body: new URLSearchParams(new FormData(form)) };
    try {
      const answer = await fetch(form.action || form.dataset.card, { ...sent, credentials: 'omit', referrerPolicy: 'no-referrer' });
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
      if (next.dataset.state === 'error') return say(form, next.querySelector('[data-message]').textContent);
      card().replaceWith(next);
      begin();
      const target = next.querySelector('[aria-invalid], [data-alert]:not([hidden]), [data-focus]');
      if (target) target.focus({ preventScroll: true });
    } catch {
      if (!sent) window.open(form.href, '_top');
      say(form, card().dataset.unreached || '');
    } finally {
      form.removeAttribute('aria-busy');
    }
  };

  // In a sandbox the cart is the way to pay: what would fill the window is put into it, and the cart is handed over.
  const handOver = () => {
    const ticket = document.querySelector('input[name=ticket]');
    if (ticket) leave('/cart/handover/' + encodeURIComponent(ticket.value));
  };
  const pressed = async (event) => {
    const link = event.target.closest('a[href]');
    const button = event.target.closest('button');
    // A row or a tile opens its card in its place, if the page lets the frame grow.
    if (link && link.dataset.card && page && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      return swap(link);
    }
    if (!boxed || !(link || (button && button.form))) return;
    event.preventDefault();
    if (link) return leave(link.pathname + link.search);
    const { form } = button;
    if (!form.reportValidity() || form.hasAttribute('aria-busy')) return;
    if (form.elements.ticket) return handOver();
    await swap(form);
    if ('leaves' in button.dataset && card().dataset.state === 'added') {
      tell('checkout', { product: card().dataset.product });
      handOver();
    }
  };

  // How it looks is told by the page. Nothing but colours, a radius and a face is taken, each of them if it is one.
  const dress = (theme, style) => {
    const root = document.documentElement;
    if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
    const parts = {
      accent: ['color', '--accent', '--accent-hover', '--accent-ink'],
      'on-accent': ['color', '--on-accent'],
      ink: ['color', '--ink', '--ink-soft'],
      paper: ['color', '--paper-raised'],
      rule: ['color', '--rule', '--rule-strong'],
      radius: ['border-radius', '--radius-s'],
      font: ['font-family', '--font-text', '--font-display'],
    };
    for (const [name, [kind, ...values]] of Object.entries(parts)) {
      const said = String((style && style[name]) || '').trim();
      const fits = said && said.length < 200 && !/[({][^)]*(url|var|env)|url\(|var\(|env\(/i.test(said) && CSS.supports(kind, said);
      for (const value of values) {
        if (fits) root.style.setProperty(value, said);
        else root.style.removeProperty(value);
      }
    }
  };

  addEventListener('message', ({ source, origin, data }) => {
    if (secret && source === window.parent && data?.message === 'ready' && data.secret === secret) return measure();
    if (!framed || source !== window.parent || !data || data.shop !== 1) return;
    if ((expected && origin !== expected) || (page && origin !== page)) return;
    if (data.type === 'hello') return tell('ready', { product: card().dataset.product });
    if (data.type === 'stay') return address(true);
    if (data.type !== 'page') return;
    const first = !page;
    page = origin;
    consent = data.consent === true;
    dress(data.theme, data.style);
    if (first && boxed) address(false);
    // A card that came as a whole document, already added, knows better, and says so as soon as it knows to whom.
    if (first && card().dataset.state === 'added') return begin();
    if (/^[\w-]{20,99}$/.test(data.handle)) {
      handle = data.handle;
      fill('handle', handle);
    }
  });

  document.addEventListener('click', pressed);
  document.addEventListener('click', ({ target }) => target.closest('a[href], button') && count('opened'));
  document.addEventListener('change', ({ target }) => {
    count('opened');
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
      if (!form.hasAttribute('aria-busy')) return swap(form);
    }
    // A sandbox that lets forms be sent may still hold the window: then the page is as it was.
    if (framed && !('here' in form.dataset && event.defaultPrevented)) setTimeout(() => address(true), 4000);
  });

  if (framed) dress(asked.get('theme'));
  begin();
  const measure = () => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    tell('height', { height });
    tellWordPress('height', height);
    // https://amp.dev/documentation/components/amp-iframe#iframe-resizing
    if (framed && asked.has('amp')) window.parent.postMessage({ sentinel: 'amp', type: 'embed-size', height }, '*');
  };
  // Said at once, too: what is hidden until it has said its height, as in WordPress, is not painted and not observed.
  measure();
  new ResizeObserver(measure).observe(document.body);
  if (card().dataset.state !== 'absent') {
    tell('ready', { product: card().dataset.product });
    if (framed) watch();
  }
})();
