// A bar for each object over time. Only the bars in sight are drawn, so thousands scroll as well as ten.

import { classColour, objectColour, themed } from "./colours.js";
import { PREDICTED, clock } from "./rows.js";

const ROW = 22;
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000];
const SHAPES = { cross: "×", enter: "▸", exit: "◂", dwell: "◆" };

export class Timeline {
  constructor(view, parts) {
    Object.assign(this, { view, ...parts }); // ruler, bars, height, canvas, options, now
    this.objects = [];
    this.events = new Map(); // id -> events
    this.marks = []; // frames of doubts and mistakes
    this.from = 1; // frames in sight
    this.to = 2;
    this.view.on(["chosen", "other"], () => this.draw());
    this.view.on(["frame"], () => this.#move());
    this.bars.addEventListener("scroll", () => this.draw());
    this.wide = this.bars.clientWidth; // kept, because asking for it makes the browser lay out the page
    new ResizeObserver(() => {
      this.wide = this.bars.clientWidth;
      this.draw();
    }).observe(this.bars);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#themed());
    this.#themed();
    this.#listen();
  }

  #themed() {
    const names = ["ink", "soft", "line", "ground", "panel", "accent", "mark"];
    this.colours = Object.fromEntries(names.map((name) => [name, themed(`--${name}`)]));
    this.hatches = new Map();
    this.draw();
  }

  show(rows, objects) {
    const first = this.rows === undefined;
    this.rows = rows;
    this.objects = objects;
    this.place = new Map(objects.map((one, k) => [one.id, k]));
    this.height.style.height = `${objects.length * ROW + 8}px`;
    if (first) this.fit();
    this.draw();
  }

  fit() {
    this.from = 1;
    this.to = Math.max(this.rows.frames, 2);
    this.draw();
  }

  // Around a place on the screen, or the frame that is shown.
  zoom(factor, frame = this.view.frame) {
    const span = Math.min(Math.max((this.to - this.from) * factor, 8), Math.max(this.rows.frames - 1, 1));
    const share = (frame - this.from) / (this.to - this.from);
    this.#look(frame - share * span, span);
  }

  #look(from, span) {
    this.from = Math.min(Math.max(from, 1), Math.max(this.rows.frames - span, 1));
    this.to = this.from + span;
    this.draw();
  }

  reveal(id) {
    const k = this.place?.get(id);
    if (k === undefined) return;
    const { scrollTop, clientHeight } = this.bars;
    if (k * ROW < scrollTop || (k + 1) * ROW > scrollTop + clientHeight) this.bars.scrollTop = (k + 0.5) * ROW - clientHeight / 2;
  }

  // Keep the frame in sight.
  followFrame() {
    const { frame } = this.view;
    const span = this.to - this.from;
    if (frame < this.from || frame > this.to) this.#look(frame - span * 0.1, span);
  }

  get label() {
    return this.wide < 560 ? 64 : 132;
  }

  #x(frame) {
    return this.label + ((frame - this.from) / (this.to - this.from)) * (this.wide - this.label - 10);
  }

  #frame(x) {
    const frame = this.from + ((x - this.label) / (this.wide - this.label - 10)) * (this.to - this.from);
    return Math.min(Math.max(Math.round(frame), 1), this.rows.frames);
  }

  draw() {
    if (this.dirty || !this.rows) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      this.#drawRuler();
      this.#drawBars();
      this.#move();
      this.#say();
    });
  }

  #canvas(canvas, width, height) {
    const dense = devicePixelRatio || 1;
    const [w, h] = [Math.round(width * dense), Math.round(height * dense)];
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const g = canvas.getContext("2d");
    g.setTransform(dense, 0, 0, dense, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    return g;
  }

  #drawRuler() {
    const { rows, colours } = this;
    const width = this.ruler.parentElement.clientWidth, height = 32;
    const g = this.#canvas(this.ruler, width, height);
    const perFrame = (this.bars.clientWidth - this.label - 10) / (this.to - this.from);
    const step = STEPS.find((one) => one * perFrame >= 72) ?? STEPS.at(-1);
    g.fillStyle = colours.soft;
    g.font = "11px system-ui, sans-serif";
    g.fillText("frame", 10, 11);
    g.fillText("time", 10, 23);
    for (let tick = Math.ceil(this.from / step) * step; tick <= this.to; tick += step) {
      const x = this.#x(tick);
      g.fillRect(x, height - 5, 1, 5);
      if (x > width - 48) continue;
      g.fillText(tick, x + 3, 11);
      g.fillText(clock(rows.seconds(tick)), x + 3, 23);
    }
    g.fillStyle = colours.mark;
    for (const frame of this.marks) if (frame >= this.from && frame <= this.to) g.fillRect(this.#x(frame) - 1, height - 6, 2, 6);
  }

  // The line at the frame that is shown, which moves over all that stays.
  #move() {
    const { rows, view } = this;
    this.now.hidden = view.frame < this.from || view.frame > this.to;
    this.now.style.transform = `translateX(${this.#x(view.frame)}px)`;
    this.ruler.setAttribute("aria-valuemax", rows.frames);
    this.ruler.setAttribute("aria-valuenow", view.frame);
    this.ruler.setAttribute("aria-valuetext", `frame ${view.frame} of ${rows.frames}, ${clock(rows.seconds(view.frame))}`);
  }

  #drawBars() {
    const { objects, bars } = this;
    const width = bars.clientWidth, height = bars.clientHeight;
    const g = this.#canvas(this.canvas, width, height);
    this.canvas.style.transform = `translateY(${bars.scrollTop}px)`;
    const begin = Math.floor(bars.scrollTop / ROW), end = Math.min(objects.length, Math.ceil((bars.scrollTop + height) / ROW));
    this.sight = [begin, end];
    for (let k = begin; k < end; k++) this.#drawObject(g, objects[k], k * ROW - bars.scrollTop, width);
  }

  #drawObject(g, one, top, width) {
    const { colours, view, rows } = this;
    const chosen = one.id === view.chosen || one.id === view.other;
    if (chosen) {
      g.fillStyle = colours.accent;
      g.globalAlpha = 0.16;
      g.fillRect(0, top, width, ROW);
      g.globalAlpha = 1;
    }
    g.fillStyle = objectColour(one.id);
    g.beginPath();
    g.roundRect(10, top + 6, 10, 10, 2);
    g.fill();
    g.fillStyle = chosen ? colours.ink : colours.soft;
    g.font = chosen ? "600 12px system-ui, sans-serif" : "12px system-ui, sans-serif";
    g.save();
    g.beginPath();
    g.rect(0, top, this.label - 6, ROW);
    g.clip();
    g.fillText(this.label < 100 ? rows.names[one.id] ?? one.id : rows.title(one), 26, top + ROW / 2 + 0.5);
    g.restore();
    g.save();
    g.beginPath();
    g.rect(this.label - 7, top, width, ROW); // half a sign of an event stands out
    g.clip();
    g.fillStyle = colours.line;
    g.fillRect(this.#x(one.first), top + ROW / 2 - 1, this.#x(one.last) - this.#x(one.first), 2);
    const half = Math.min(0.5 * rows.stride * (this.#x(2) - this.#x(1)), 3);
    const colour = classColour(one.class);
    for (let k = 0; k < one.parts.length; k += 3) {
      const [first, last, kind] = [one.parts[k], one.parts[k + 1], one.parts[k + 2]];
      if (last < this.from - 1 || first > this.to + 1) continue;
      const x = this.#x(first) - half, wide = Math.max(this.#x(last) + half - x, 1.5);
      g.fillStyle = kind & PREDICTED ? this.#hatch(g, colour) : colour;
      if (kind & PREDICTED) g.fillRect(x, top + 6, wide, ROW - 12);
      else g.fillRect(x, top + 5, wide, ROW - 10);
    }
    g.fillStyle = colours.ink;
    g.font = "700 11px system-ui, sans-serif";
    g.textAlign = "center";
    g.strokeStyle = colours.panel;
    g.lineWidth = 3;
    for (const event of this.events.get(one.id) ?? []) {
      if (event.frame < this.from || event.frame > this.to) continue;
      const shape = SHAPES[event.event] ?? "•";
      g.strokeText(shape, this.#x(event.frame), top + ROW / 2);
      g.fillText(shape, this.#x(event.frame), top + ROW / 2);
    }
    g.restore();
  }

  #hatch(g, colour) {
    if (!this.hatches.has(colour)) {
      const tile = new OffscreenCanvas(6, 6);
      const t = tile.getContext("2d");
      t.strokeStyle = colour;
      t.lineWidth = 1.8;
      for (const at of [-6, 0, 6]) {
        t.moveTo(at, 6);
        t.lineTo(at + 6, 0);
      }
      t.stroke();
      this.hatches.set(colour, g.createPattern(tile, "repeat"));
    }
    return this.hatches.get(colour);
  }

  // The same for those who do not see it.
  #say() {
    const { rows, view, objects } = this;
    const wanted = new Set(objects.slice(...this.sight).map((one) => one.id));
    const chosen = this.place.get(view.chosen);
    if (chosen !== undefined) wanted.add(view.chosen);
    const state = [...wanted].join() + view.chosen + rows.tag;
    if (state === this.told) return;
    this.told = state;
    this.options.replaceChildren(...[...wanted].map((id) => this.#option(rows.byId.get(id))));
    if (chosen === undefined) this.bars.removeAttribute("aria-activedescendant");
    else this.bars.setAttribute("aria-activedescendant", `bar-${view.chosen}`);
  }

  #option(one) {
    const node = document.createElement("div");
    node.id = `bar-${one.id}`;
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", one.id === this.view.chosen);
    node.setAttribute("aria-posinset", this.place.get(one.id) + 1);
    node.setAttribute("aria-setsize", this.objects.length);
    const events = (this.events.get(one.id) ?? []).length;
    const more = [one.gaps && `${one.gaps} gaps`, one.predicted && `${one.predicted} predicted`, events && `${events} events`];
    node.textContent = [`${this.rows.title(one)}, frames ${one.first} to ${one.last}`, ...more.filter(Boolean)].join(", ");
    return node;
  }

  #listen() {
    const { view, bars, ruler } = this;
    const scrub = (event) => view.set({ frame: this.#frame(event.offsetX), playing: false });
    ruler.addEventListener("pointerdown", (event) => {
      ruler.setPointerCapture(event.pointerId);
      scrub(event);
    });
    ruler.addEventListener("pointermove", (event) => ruler.hasPointerCapture(event.pointerId) && scrub(event));
    for (const element of [ruler, bars]) {
      element.addEventListener("wheel", (event) => {
        const sideways = event.shiftKey ? event.deltaY : event.deltaX;
        if (event.ctrlKey || element === ruler) this.zoom(Math.exp(event.deltaY * 0.003), this.#frame(event.clientX - bars.getBoundingClientRect().left));
        else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) this.#look(this.from + (sideways / bars.clientWidth) * (this.to - this.from), this.to - this.from);
        else return;
        event.preventDefault();
      }, { passive: false });
    }
    bars.addEventListener("click", (event) => {
      const { left, top } = bars.getBoundingClientRect();
      const [x, y] = [event.clientX - left, event.clientY - top + bars.scrollTop];
      const one = this.objects[Math.floor(y / ROW)];
      if (!one) return;
      if (view.picking) return view.picking(one.id);
      const frame = this.#frame(x);
      view.set({ chosen: one.id, other: null, frame: x < this.label ? nearest(one, view.frame) : frame, playing: false });
    });
    bars.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
      if (!step || !this.objects.length) return;
      event.preventDefault();
      const now = this.place.get(view.chosen) ?? (step > 0 ? -1 : this.objects.length);
      const next = this.objects[Math.min(Math.max(now + step, 0), this.objects.length - 1)];
      view.set({ chosen: next.id, other: null, frame: nearest(next, view.frame) });
    });
  }
}

// The frame of an object that is nearest to another.
export const nearest = (one, frame) => Math.min(Math.max(frame, one.first), one.last);
