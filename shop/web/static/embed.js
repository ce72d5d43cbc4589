/* The shop under a story. One <script async src="https://SHOP/embed.js"> serves every <shop-embed product="..."> of a page,
   there already or inserted later. Attributes, messages and events: docs/embedding.md. */
(() => {
  const script = document.currentScript || [...document.scripts].find((s) => /\/embed\.js$/.test(s.src));
  if (!script || !window.customElements || customElements.get('shop-embed')) return;
  const shop = new URL(script.src).origin;
  const key = 'shop-embed ' + shop;
  const live = new Set();
  let handle = '';

  // The cart's handle lies in the page's own storage: the shop's would be blocked or split up inside a frame.
  const recall = () => {
    try {
      handle = localStorage.getItem(key) || handle;
    } catch {}
    return handle;
  };
  const share = () => live.forEach((embed) => embed.tell());

  addEventListener('message', ({ origin, source, data }) => {
    if (origin === shop && data && data.shop === 1)
      live.forEach((embed) => embed.frame && embed.frame.contentWindow === source && embed.hear(data));
  });
  addEventListener('storage', (event) => event.key === key && share());

  const near = new IntersectionObserver(
    (seen) => seen.forEach((entry) => entry.isIntersecting && entry.target.open()),
    { rootMargin: '600px' },
  );

  customElements.define('shop-embed', class extends HTMLElement {
    connectedCallback() {
      // A shadow root keeps the page's rules for frames away. Until the frame is ready its slot shows the link.
      const root = this.shadowRoot || this.attachShadow({ mode: 'open' });
      root.replaceChildren((this.link = document.createElement('slot')));
      if (!this.getAttribute('product')) return console.warn('shop-embed: the attribute product is missing');
      this.style.display = 'block';
      this.style.position = 'relative';
      // What the card needs at this width, as in frame.css: held free, so that the story never moves.
      const wide = this.offsetWidth;
      this.style.minHeight = (wide < 480 ? 404 : wide < 640 ? 364 : 252) + 'px';
      live.add(this);
      near.observe(this);
    }

    disconnectedCallback() {
      this.close();
      live.delete(this);
    }

    open() {
      near.unobserve(this);
      const say = (name) => this.getAttribute(name);
      const canonical = document.querySelector('link[rel~=canonical]');
      const headline = document.querySelector('meta[property="og:title"]');
      const asked = new URLSearchParams({
        product: say('product'),
        story: (say('story') || (canonical && canonical.href) || location.href.split('#')[0]).slice(0, 600),
        title: (say('headline') || (headline && headline.content) || document.title).slice(0, 300),
      });
      if (say('cta')) asked.set('cta', say('cta').slice(0, 120));
      const frame = (this.frame = document.createElement('iframe'));
      frame.src = shop + '/embed/frame?' + asked;
      frame.title = say('cta') || 'Shop';
      frame.loading = 'lazy';
      frame.referrerPolicy = 'strict-origin';
      // Light text stands on a dark page, whatever the reader's system says.
      const [r, g, b] = getComputedStyle(this).color.match(/\d+/g);
      frame.style.cssText = 'position:absolute;inset:0;width:100%;height:100%;border:0;visibility:hidden';
      frame.style.colorScheme = /^(dark|light)$/.test(say('theme')) ? say('theme') : +r + +g + +b > 382 ? 'dark' : 'light';
      // A frame that was blocked, or came from a shop that is down, never says that it is ready: the link stays.
      const late = () => this.frame === frame && !this.ready && this.close();
      frame.onload = () => setTimeout(late, 3000);
      setTimeout(late, 20000);
      this.shadowRoot.append(frame);
    }

    close() {
      near.unobserve(this);
      if (this.frame) this.frame.remove();
      this.frame = this.ready = null;
      this.style.minHeight = this.link.style.display = '';
    }

    tell() {
      if (this.ready) this.frame.contentWindow.postMessage({ shop: 1, type: 'cart', handle: recall() }, shop);
    }

    hear({ type, ...said }) {
      if (type === 'ready') {
        this.ready = true;
        this.link.style.display = 'none';
        this.frame.style.visibility = '';
        this.tell();
      } else if (type === 'height') {
        if (said.height > 99 && said.height < 1601) this.style.minHeight = said.height + 'px';
        return;
      } else if (type === 'cart') {
        if (!/^[\w-]{20,99}$/.test(said.handle)) return;
        handle = said.handle;
        try {
          localStorage.setItem(key, handle);
        } catch {}
        return share();
      } else if (type === 'absent') {
        // Nothing of this name is on sale, so the link leads nowhere either: fold both away.
        console.warn('shop-embed: "' + this.getAttribute('product') + '" is not on sale in this shop');
        this.close();
        return (this.style.display = 'none');
      } else if (type !== 'added' && type !== 'checkout') return;
      delete said.shop;
      this.dispatchEvent(new CustomEvent('shop:' + type, { bubbles: true, detail: said }));
    }
  });
})();
