// A picture that is drawn on: zoomed, panned, and its points dragged, by mouse, finger or keyboard alone.
// All points are [x, y] in pixels of the picture.

const SVG = "http://www.w3.org/2000/svg";
const FARTHEST_ZOOM = 20; // times
const CLICK_PX = 5; // on the screen: who moves further drags

export function element(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "style") made.style.cssText = value; // as an attribute, the page's own policy would refuse it
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const same = (one, other) => one[0] === other[0] && one[1] === other[1];

export class Stage {
  // `calls`: draws() whether clicks add points, click(point, key), finish(), cancel(); place(key), grab(key) the key of
  // what is grabbed by it, move(key, point), moved(key) at the end of a drag, remove(key); render(stage) puts what is
  // drawn into `stage.layer`.
  constructor(svg, size, calls) {
    [this.svg, this.size, this.calls] = [svg, size, calls];
    this.view = { x: 0, y: 0, width: size[0], height: size[1] };
    this.cursor = null; // where the keyboard points
    this.pointers = new Map();
    this.layer = element("g");
    this.cross = element("path", { class: "cross" });
    svg.append(element("image", { href: "/picture.jpg", width: size[0], height: size[1] }), this.layer, this.cross);
    svg.addEventListener("pointerdown", (event) => this.#down(event));
    svg.addEventListener("pointermove", (event) => this.#moved(event));
    svg.addEventListener("pointerup", (event) => this.#up(event));
    svg.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    svg.addEventListener("dblclick", () => this.calls.draws() && this.calls.finish());
    svg.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    svg.addEventListener("keydown", (event) => this.#key(event));
    svg.addEventListener("blur", () => this.#point(null));
    new ResizeObserver(() => this.render()).observe(svg);
  }

  // Pixels of the picture that one pixel of the screen is.
  get scale() {
    const box = this.svg.getBoundingClientRect();
    return Math.max(this.view.width / (box.width || 1), this.view.height / (box.height || 1));
  }

  at(event) {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return this.inside([place.x, place.y]);
  }

  inside([x, y]) {
    const within = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 10) / 10;
    return [within(x, this.size[0]), within(y, this.size[1])];
  }

  // A point that can be dragged, or moved by arrow keys; `key` is handed to `move` and `remove`.
  handle(key, point, label, name = "") {
    const radius = (name ? 5 : 7) * this.scale;
    const made = element("circle", { class: `handle ${name}`, cx: point[0], cy: point[1], r: radius, tabindex: 0, role: "button" });
    made.setAttribute("aria-label", label);
    made.dataset.key = key;
    return made;
  }

  text(point, words, name = "label") {
    const made = element("text", { x: point[0], y: point[1], class: name, "font-size": 13 * this.scale });
    made.textContent = words;
    return made;
  }

  render() {
    const focused = document.activeElement?.dataset?.key;
    const { x, y, width, height } = this.view;
    this.svg.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
    this.layer.replaceChildren();
    this.calls.render(this);
    if (focused !== undefined) this.layer.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    this.#point(this.cursor);
  }

  zoom(factor, about = [this.view.x + this.view.width / 2, this.view.y + this.view.height / 2]) {
    const [whole, tall] = this.size;
    const width = Math.min(Math.max(this.view.width / factor, whole / FARTHEST_ZOOM), whole);
    const by = width / this.view.width;
    this.view = { x: about[0] - (about[0] - this.view.x) * by, y: about[1] - (about[1] - this.view.y) * by, width, height: (tall * width) / whole };
    this.#pan(0, 0);
  }

  #pan(dx, dy) {
    this.view.x = Math.min(Math.max(this.view.x + dx, 0), this.size[0] - this.view.width);
    this.view.y = Math.min(Math.max(this.view.y + dy, 0), this.size[1] - this.view.height);
    this.render();
  }

  #down(event) {
    if (event.button > 0) return;
    let key = event.target.closest?.("[data-key]")?.dataset.key;
    this.svg.setPointerCapture(event.pointerId);
    if (key !== undefined && !this.calls.draws()) key = this.calls.grab(key);
    this.pointers.set(event.pointerId, { key, began: [event.clientX, event.clientY], last: [event.clientX, event.clientY], dragged: false });
    const focusable = key === undefined ? null : this.layer.querySelector(`[data-key="${CSS.escape(key)}"][tabindex]`);
    (focusable ?? this.svg).focus({ preventScroll: true });
    event.preventDefault();
  }

  #moved(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) return;
    const before = pointer.last;
    pointer.last = [event.clientX, event.clientY];
    pointer.dragged ||= Math.hypot(event.clientX - pointer.began[0], event.clientY - pointer.began[1]) > CLICK_PX;
    if (!pointer.dragged) return;
    const others = [...this.pointers.values()].filter((other) => other !== pointer);
    if (others.length) {
      const other = others[0].last;
      const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
      this.zoom(apart(pointer.last) / apart(before), this.at({ clientX: other[0], clientY: other[1] }));
    } else if (pointer.key !== undefined && !this.calls.draws()) {
      this.calls.move(pointer.key, this.at(event));
      this.render();
    } else {
      this.#pan((before[0] - event.clientX) * this.scale, (before[1] - event.clientY) * this.scale);
    }
  }

  #up(event) {
    const pointer = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (!pointer) return;
    if (pointer.dragged) {
      if (pointer.key !== undefined && !this.calls.draws()) this.calls.moved(pointer.key);
    } else if (pointer.key === undefined || this.calls.draws()) {
      this.calls.click(this.at(event), pointer.key);
    }
    this.render();
  }

  #wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 400), this.at(event));
  }

  #key(event) {
    const key = event.target.dataset?.key;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      const by = event.shiftKey ? 1 : Math.max(1, 8 * this.scale);
      const from = key === undefined ? (this.cursor ?? [this.view.x + this.view.width / 2, this.view.y + this.view.height / 2]) : this.calls.place(key);
      const to = this.inside([from[0] + step[0] * by, from[1] + step[1] * by]);
      if (key === undefined) this.#point(to);
      else {
        this.calls.move(key, to);
        this.calls.moved(key);
        this.render();
      }
    } else if (event.key === "Enter" && key === undefined && this.calls.draws()) {
      if (this.cursor && this.last && same(this.cursor, this.last)) this.calls.finish();
      else if (this.cursor) this.calls.click(this.cursor);
      this.last = this.cursor;
      this.render();
    } else if (event.key === "Enter" && key !== undefined) {
      const grabbed = this.calls.grab(key);
      this.calls.moved(grabbed);
      this.layer.querySelector(`[data-key="${CSS.escape(grabbed)}"]`)?.focus();
    } else if ((event.key === "Delete" || event.key === "Backspace") && key !== undefined) {
      this.calls.remove(key);
      this.render();
    } else if (event.key === "Escape") {
      this.calls.cancel();
      this.render();
    } else if (event.key === "+" || event.key === "-") {
      this.zoom(event.key === "+" ? 1.25 : 0.8);
    } else {
      return;
    }
    event.preventDefault();
  }

  #point(place) {
    this.cursor = place;
    const arm = 14 * this.scale;
    this.cross.setAttribute("d", place ? `M${place[0] - arm} ${place[1]}h${2 * arm}M${place[0]} ${place[1] - arm}v${2 * arm}` : "");
  }
}

// Undo and redo of a state that is plain data.
export class History {
  constructor(state) {
    [this.past, this.future] = [[], []];
    this.now = JSON.stringify(state);
  }

  commit(state) {
    const next = JSON.stringify(state);
    if (next === this.now) return;
    this.past.push(this.now);
    [this.now, this.future] = [next, []];
  }

  undo() {
    if (!this.past.length) return null;
    this.future.push(this.now);
    this.now = this.past.pop();
    return JSON.parse(this.now);
  }

  redo() {
    if (!this.future.length) return null;
    this.past.push(this.now);
    this.now = this.future.pop();
    return JSON.parse(this.now);
  }
}

// Sends JSON; what comes back, or an Error with the server's sentence.
export async function put(path, content, version = "") {
  const answer = await fetch(path, { method: "PUT", body: JSON.stringify(content), headers: { "Content-Type": "application/json", "If-Match": version } });
  const said = await answer.json().catch(() => ({ problem: `the server answered ${answer.status}; is the command still running?` }));
  if (!answer.ok) throw new Error(said.problem);
  return said;
}

// Ctrl-Z, Ctrl-Y and Ctrl-S, wherever the focus is but in a field that has its own undo.
export function shortcuts({ undo, redo, save }) {
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    const call = key === "s" ? save : /INPUT|SELECT/.test(event.target.tagName) ? null : key === "y" || (key === "z" && event.shiftKey) ? redo : key === "z" ? undo : null;
    if (!call) return;
    event.preventDefault();
    call();
  });
}
