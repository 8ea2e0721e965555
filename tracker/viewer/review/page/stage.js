// The picture with all that is drawn over it, and what fingers, mouse and keys do there.

import { Camera } from "./camera.js";
import { HANDLE, drawBox, drawEdited, drawExpected, drawForecast, drawLabel, drawMasks, drawSkeleton, drawTrail, drawZones, handles } from "./drawing.js";

const CROWD = 24; // objects in a frame, from which labels are numbers alone
const NARROW = 560; // screen pixels, below which they are, too
const STILL = 4; // screen pixels that a click may move
const BRISK_MS = 200; // between paintings, when something moves: then a quick one does

export class Stage {
  constructor(view, frames, shapes, about, element) {
    Object.assign(this, { view, frames, shapes, about, element });
    this.rows = null;
    this.camera = new Camera(about.size);
    this.pointers = new Map();
    this.g = element.getContext("2d", { alpha: false }); // nothing shines through, which saves time
    this.coming = true; // #paint is on its way
    this.stale = true; // what is painted is not what it should be
    new ResizeObserver(() => this.#resize()).observe(element.parentElement);
    frames.addEventListener("ready", ({ detail }) => (parseInt(detail) === view.shown ? this.draw() : this.#look()));
    shapes.addEventListener("ready", ({ detail }) => (detail === view.shown || shapes.lacks(view.shown)) && this.draw());
    // another frame is wanted: nothing changes until its picture is there
    view.addEventListener("change", ({ detail }) => (detail.size === 1 && detail.has("frame") ? this.#look() : this.draw()));
    this.#listen();
    this.#resize();
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.element.parentElement;
    const dense = devicePixelRatio || 1;
    this.element.width = Math.max(1, Math.round(width * dense));
    this.element.height = Math.max(1, Math.round(height * dense));
    this.camera.resize(width, height);
    this.stale = true;
    this.#paint();
  }

  draw() {
    this.stale = true;
    this.#look();
  }

  // Whether another picture is there that should be shown.
  #look() {
    if (this.coming) return;
    this.coming = true;
    requestAnimationFrame(() => this.#paint());
  }

  // The frame whose picture is there: boxes are only ever drawn over their own.
  #paint() {
    const { view, frames, camera, rows, g } = this;
    if (!rows) return void (this.coming = false);
    const there = frames.has(view.frame) || frames.hopeless(view.frame) ? view.frame : frames.nearest(view.frame, view.shown);
    view.set({ shown: there }); // others hear of it, and this goes on
    this.coming = false;
    if (!this.stale) return;
    this.stale = false;
    const shown = view.shown || view.frame;
    if (view.follow && view.chosen !== null) {
      const row = rows.of(view.chosen, shown, true);
      if (row >= 0) camera.follow(rows.boxOf(row));
    }
    const dense = devicePixelRatio || 1;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.fillStyle = "#0c0f0e";
    g.fillRect(0, 0, this.element.width, this.element.height);
    g.setTransform(camera.scale * dense, 0, 0, camera.scale * dense, camera.x * dense, camera.y * dense);
    const [width, height] = this.about.size;
    const picture = (this.close && frames.get(shown, true)) || frames.get(shown);
    g.imageSmoothingEnabled = camera.scale < 6;
    g.imageSmoothingQuality = this.#moving() ? "low" : "high";
    if (picture) g.drawImage(picture, 0, 0, width, height);
    else {
      g.fillStyle = "#1a211e";
      g.fillRect(0, 0, width, height);
    }
    if (view.shown || frames.hopeless(shown)) this.#over(shown, 1 / camera.scale);
  }

  // Whether it was painted a moment ago; where that was the last time, it is painted once more, with more care.
  #moving() {
    const now = performance.now();
    const moving = now - this.paintedAt < BRISK_MS;
    this.paintedAt = now;
    clearTimeout(this.carefully);
    if (moving) this.carefully = setTimeout(() => this.draw(), BRISK_MS);
    return moving;
  }

  // Whether the small picture is not enough, once it rests.
  get close() {
    const { small, size: [width] } = this.about;
    return !this.view.playing && width > small && this.camera.scale * width * (devicePixelRatio || 1) > small;
  }

  #over(shown, line) {
    const { g, view, rows, about } = this;
    const on = view.layers;
    const there = [...rows.at(shown)].filter((row) => !view.matches || view.matches.has(rows.id[row]));
    there.sort((a, b) => rows.boxOf(a)[3] - rows.boxOf(b)[3]); // the near ones last
    if (on.has("zones") && about.zones.length) drawZones(g, about.zones, line);
    const shapes = this.shapes.get(shown);
    if (on.has("masks") && shapes?.masks) drawMasks(g, shapes.masks);
    if (on.has("trails")) for (const row of there) drawTrail(g, rows, rows.id[row], shown, line, false);
    const special = [view.chosen, view.other];
    if (on.has("ahead") && view.chosen !== null) drawTrail(g, rows, view.chosen, shown, line, true);
    if (on.has("forecast") && view.forecast?.frame === shown && view.forecast.id === view.chosen) drawForecast(g, rows, view.forecast, line, about.size);
    const order = [...there.filter((row) => !special.includes(rows.id[row])), ...there.filter((row) => special.includes(rows.id[row]))];
    for (const row of order) {
      const emphasis = special.includes(rows.id[row]) ? "chosen" : view.chosen !== null ? "dim" : "";
      if (on.has("boxes")) drawBox(g, rows, row, line, emphasis, shapes?.corners.get(rows.id[row]));
      const points = on.has("skeletons") && shapes?.points.get(rows.id[row]);
      if (points) drawSkeleton(g, points, about.skeleton, rows.id[row], line);
    }
    if (on.has("labels")) for (const row of order) drawLabel(g, rows, row, line, (order.length > CROWD || this.camera.width < NARROW) && !special.includes(rows.id[row]), about.size);
    if (view.explained?.frame === shown) drawExpected(g, view.explained, line);
    if (view.editing?.box) drawEdited(g, view.editing.box, line);
  }

  // The smallest box at a place, nearest to the viewer.
  #objectAt(x, y) {
    const [px, py] = this.camera.toPicture(x, y);
    let best = null, size = Infinity;
    for (const row of this.rows.at(this.view.shown || this.view.frame)) {
      if (this.view.matches && !this.view.matches.has(this.rows.id[row])) continue;
      const [left, top, right, bottom] = this.rows.boxOf(row);
      const slack = 3 / this.camera.scale;
      const inside = px >= left - slack && px <= right + slack && py >= top - slack && py <= bottom + slack;
      if (inside && (right - left) * (bottom - top) < size) [best, size] = [this.rows.id[row], (right - left) * (bottom - top)];
    }
    return best;
  }

  #listen() {
    const { element, camera, view } = this;
    element.addEventListener("wheel", (event) => {
      event.preventDefault();
      camera.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0018)), event.offsetX, event.offsetY);
      this.#moved();
    }, { passive: false });
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
      if (this.pointers.size > 1) this.drag = null;
      else this.drag = { from: [event.offsetX, event.offsetY], moved: false, grip: this.#grip(event.offsetX, event.offsetY) };
    });
    element.addEventListener("pointermove", (event) => this.#pointerMoved(event));
    for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, (event) => this.#pointerEnded(event, end));
    element.addEventListener("dblclick", ({ offsetX, offsetY }) => {
      if (view.editing) return;
      if (camera.fitted) camera.zoom(3, offsetX, offsetY);
      else camera.fit();
      this.#moved();
    });
  }

  #pointerMoved(event) {
    const { camera, view } = this;
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.offsetX, event.offsetY];
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
      camera.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
      camera.zoom(apart(now, other) / Math.max(apart(before, other), 1), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      this.#moved();
    } else if (this.drag) {
      this.drag.moved ||= Math.hypot(now[0] - this.drag.from[0], now[1] - this.drag.from[1]) > STILL;
      const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
      if (this.drag.grip && this.drag.moved) this.#edit(this.drag.grip, dx / camera.scale, dy / camera.scale, now);
      else if (this.drag.moved) {
        this.element.classList.add("grab");
        camera.pan(dx, dy);
        if (view.follow) view.set({ follow: false });
        this.#moved();
      }
    }
    this.pointers.set(event.pointerId, now);
  }

  #pointerEnded(event, kind) {
    const { drag, view } = this;
    this.pointers.delete(event.pointerId);
    this.drag = null;
    this.element.classList.remove("grab");
    if (!drag || drag.moved || kind === "pointercancel" || view.editing) return;
    const id = this.#objectAt(...drag.from);
    if (view.picking) {
      if (id !== null) view.picking(id);
    } else view.set({ chosen: id, other: null });
  }

  // What is held of the box that is edited: edges, or all of it; a new one is drawn.
  #grip(x, y) {
    const { editing } = this.view;
    if (!editing) return null;
    const [px, py] = this.camera.toPicture(x, y);
    if (!editing.box) return { edges: [2, 3], fresh: [px, py] };
    const reach = HANDLE / this.camera.scale;
    const held = handles(editing.box).find(([hx, hy]) => Math.abs(px - hx) <= reach && Math.abs(py - hy) <= reach);
    if (held) return { edges: held[2] };
    const [left, top, right, bottom] = editing.box;
    return px >= left && px <= right && py >= top && py <= bottom ? { edges: [0, 1, 2, 3] } : null;
  }

  #edit(grip, dx, dy, now) {
    const { editing } = this.view;
    if (grip.fresh) {
      const [x, y] = this.camera.toPicture(...now);
      const [fx, fy] = grip.fresh;
      return this.view.set({ editing: { ...editing, box: [Math.min(x, fx), Math.min(y, fy), Math.max(x, fx), Math.max(y, fy)] } });
    }
    const box = [...editing.box];
    for (const edge of grip.edges) box[edge] += edge % 2 ? dy : dx;
    if (box[2] - box[0] >= 1 && box[3] - box[1] >= 1) this.view.set({ editing: { ...editing, box } });
  }

  #moved() {
    this.onMove?.();
    this.draw();
  }

  zoom(factor) {
    if (factor) this.camera.zoom(factor);
    else this.camera.fit();
    if (!factor && this.view.follow) this.view.set({ follow: false });
    this.#moved();
  }

  pan(dx, dy) {
    this.camera.pan(dx, dy);
    this.#moved();
  }

  // Make sure that an object is seen, where it is not.
  reveal(box) {
    const { camera } = this;
    const [cx, cy] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    const [x, y] = [cx * camera.scale + camera.x, cy * camera.scale + camera.y];
    if (x < 0 || y < 0 || x > camera.width || y > camera.height) camera.centre(cx, cy);
    this.draw();
  }
}
