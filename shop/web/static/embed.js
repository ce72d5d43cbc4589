/* The shop under a story. One <script async src="https://SHOP/embed.js"> serves every <shop-embed> and every
   <div class="shop-embed"> of a page, there already or inserted later, and helps the shop's plain frames on it.
   Attributes, messages and events: docs/embedding.md. It is packed to 2048 bytes at most (shop/web/embed/files.py). */
(() => {
  const doc = document;
  const script = doc.currentScript;
  if (!script || !window.customElements || customElements.get('shop-embed')) return;
  const shop = new URL(script.src).origin;
  const key = 'shop-embed ' + shop;
  const live = new Set();
  let handle = '';

  // Elements that have a frame in their shadow, and frames that the page itself has made.
  const holders = () => [...live, ...doc.querySelectorAll('iframe[src^="' + shop + '/embed/"]')];
  const inside = (holder) => (holder.frame || holder).contentWindow;

  const tell = (holder, type) => {
    if (!holder.at) return;
    const consent = !holder.closest('[data-consent]:not([data-consent=yes])');
    // The cart's handle lies in the page's own storage: the shop's would be blocked or split up inside a frame.
    try {
      if (consent) handle ? localStorage.setItem(key, handle) : (handle = localStorage.getItem(key) || '');
    } catch {}
    const css = getComputedStyle(holder);
    const style = {};
    for (const name of 'accent on-accent ink paper rule radius font'.split(' '))
      style[name] = css.getPropertyValue('--shop-' + name);
    inside(holder).postMessage({ shop: 1, type, handle, consent, theme: holder.theme, style }, holder.at);
  };
  const share = () => holders().forEach((holder) => tell(holder, 'page'));

  addEventListener('message', ({ origin, source, data }) => {
    const holder = data && data.shop === 1 && holders().find((one) => inside(one) === source);
    if (!holder) return;
    const { frame } = holder;
    // A frame has no origin when it is in a sandbox, be it its own or that of the page around.
    const boxed = origin === 'null' && (self.origin === origin || (!frame && holder.sandbox.length));
    if (origin !== shop && !boxed) return;
    holder.at = boxed ? '*' : shop;
    const { type } = data;
    if (type === 'ready') {
      if (frame) {
        holder.ready = frame.style.visibility = 'visible';
        holder.link.style.display = 'none';
      }
      tell(holder, 'page');
    } else if (type === 'height') {
      if (data.height > 29 && data.height < 1601) holder.style.minHeight = data.height + 'px';
      return;
    } else if (type === 'cart') {
      if (/^[\w-]{20,99}$/.test(data.handle)) {
        handle = data.handle;
        share();
      }
      return;
    } else if (type === 'leave') {
      // A frame that may not lead the window anywhere asks for it; it is led to the shop or nowhere.
      try {
        if (new URL(data.address).origin === shop) top.location = data.address;
      } catch {
        tell(holder, 'stay');
      }
      return;
    } else if (type === 'absent') {
      // Nothing stands here, so the link leads nowhere either: fold both away.
      if (data.wrong) console.warn(key + ': ' + data.wrong);
      if (frame) holder.close();
      (holder.closest('.shop-embed') || holder).style.display = 'none';
    } else if (type !== 'added' && type !== 'checkout') return;
    holder.dispatchEvent(new CustomEvent('shop:' + type, { bubbles: true, detail: data }));
  });
  addEventListener('storage', (event) => {
    if (event.key === key) {
      handle = event.newValue || '';
      share();
    }
  });

  const near = new IntersectionObserver(
    (seen) => seen.forEach((entry) => entry.isIntersecting && entry.target.open()),
    { rootMargin: '600px' },
  );

  customElements.define('shop-embed', class extends HTMLElement {
    connectedCallback() {
      // A shadow root keeps the page's rules for frames away. Until the frame is ready its slot shows the link.
      const root = this.shadowRoot || this.attachShadow({ mode: 'open' });
      root.replaceChildren((this.link = doc.createElement('slot')));
      // What each layout needs at this width, as in frame.css: held free, so that the story never moves.
      const { style } = this;
      style.display = 'block';
      style.position = 'relative';
      const wide = this.offsetWidth;
      const card = wide < 480 ? 404 : wide < 640 ? 364 : 252;
      style.minHeight = ({ line: 72, shelf: 332, button: 60 }[this.say('layout')] || card) + 'px';
      live.add(this);
      near.observe(this);
    }

    disconnectedCallback() {
      this.close();
      live.delete(this);
    }

    say(name) {
      return this.getAttribute(name) || this.getAttribute('data-' + name) || '';
    }

    open() {
      near.unobserve(this);
      const asked = new URLSearchParams({
        story: (this.say('story') || doc.querySelector('link[rel~=canonical]')?.href || location.href.split('#')[0]).slice(0, 600),
        title: (this.say('headline') || doc.querySelector('meta[property="og:title"]')?.content || doc.title).slice(0, 300),
      });
      for (const name of 'product cta section tags author slot layout lang'.split(' '))
        if (this.say(name)) asked.set(name, this.say(name).slice(0, 300));
      const frame = (this.frame = doc.createElement('iframe'));
      frame.src = shop + '/embed/frame?' + asked;
      frame.title = this.say('cta') || 'Shop';
      frame.referrerPolicy = 'strict-origin';
      // Light text stands on a dark page, whatever the reader's system says.
      const [r, g, b] = getComputedStyle(this).color.match(/\d+/g);
      const theme = this.say('theme');
      this.theme = /^(dark|light)$/.test(theme) ? theme : r * 1 + g * 1 + b * 1 > 382 ? 'dark' : 'light';
      frame.style.cssText = 'position:absolute;inset:0;width:100%;height:100%;border:0;visibility:hidden;color-scheme:' + this.theme;
      // A frame that was blocked, or came from a shop that is down, never says that it is ready: the link stays.
      const late = () => {
        if (this.frame !== frame || this.ready) return;
        this.close();
        console.warn(key + ': no answer. Is this host in SHOP_PUBLISHER_HOSTS?');
      };
      frame.onload = () => setTimeout(late, 3000);
      setTimeout(late, 20000);
      this.shadowRoot.append(frame);
    }

    close() {
      near.unobserve(this);
      if (this.frame) this.frame.remove();
      this.frame = this.ready = this.at = null;
      this.style.minHeight = this.link.style.display = '';
    }
  });

  // Editors that strip unknown elements leave a div: its element is made here, and says what the div says.
  const upgrade = () => {
    for (const div of doc.querySelectorAll('div.shop-embed')) {
      if (div.querySelector('shop-embed')) continue;
      const element = doc.createElement('shop-embed');
      for (const { name, value } of div.attributes) if (/^data-/.test(name)) element.setAttribute(name, value);
      element.append(...div.childNodes);
      div.append(element);
    }
  };
  new MutationObserver(upgrade).observe(doc, { childList: true, subtree: true });
  new MutationObserver(share).observe(doc, { attributeFilter: ['data-consent'], subtree: true });
  upgrade();
  // A frame that came before this script has spoken to nobody.
  for (const holder of holders()) inside(holder)?.postMessage({ shop: 1, type: 'hello' }, '*');
})();
