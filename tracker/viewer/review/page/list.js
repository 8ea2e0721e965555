// A list of which only the items in sight exist. One is active; arrows move, Enter takes. It shows now these items, now
// others, each with a way of its own, which remembers where it was: at an item, or between two, where one has gone.

export class List {
  constructor(element) {
    this.element = element;
    this.spacer = element.firstElementChild;
    this.items = [];
    this.way = { active: -1 };
    this.nodes = new Map();
    element.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(element);
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("click", (event) => {
      const node = event.target.closest(".item");
      if (node && !event.target.closest("button")) this.take(Number(node.dataset.at));
    });
  }

  // way: row: pixels an item; make: item -> node; taken: called with the item; key: item -> what it is known by, in the
  // items that are shown later, too.
  show(items, way) {
    const other = this.way !== way;
    const { items: before = [], active = -1 } = way;
    const known = before[active] && way.key(before[active]);
    const at = known === undefined ? -1 : items.findIndex((item) => way.key(item) === known);
    way.active = at >= 0 ? at : known === undefined ? active : active - 0.5;
    way.items = items;
    Object.assign(this, { items, way });
    this.spacer.style.height = `${items.length * way.row}px`;
    for (const node of this.nodes.values()) node.remove();
    this.nodes.clear();
    if (other) this.element.scrollTop = 0;
    this.draw();
  }

  get active() {
    return this.way.active;
  }

  // The number of the item so many after the active one, or before it.
  beside(count) {
    return (count > 0 ? Math.floor(this.active) : Math.ceil(this.active)) + count;
  }

  activate(known, reveal = true) {
    const { row, key } = this.way;
    const at = this.items.findIndex((item) => key(item) === known);
    if (at !== this.active) {
      this.nodes.get(this.active)?.setAttribute("aria-selected", false);
      this.way.active = at;
      this.nodes.get(at)?.setAttribute("aria-selected", true);
    }
    if (at >= 0 && reveal) {
      const { scrollTop, clientHeight } = this.element;
      if (at * row < scrollTop || (at + 1) * row > scrollTop + clientHeight) this.element.scrollTop = at * row - clientHeight / 2;
    }
    this.draw();
  }

  take(at) {
    if (!this.items[at]) return;
    this.activate(this.way.key(this.items[at]));
    this.way.taken(this.items[at]);
  }

  draw() {
    const { scrollTop, clientHeight } = this.element;
    const { row, make } = this.way;
    const begin = Math.max(0, Math.floor(scrollTop / row) - 2);
    const end = Math.min(this.items.length, Math.ceil((scrollTop + clientHeight) / row) + 2);
    for (const [at, node] of this.nodes) {
      if (at < begin || at >= end) {
        node.remove();
        this.nodes.delete(at);
      }
    }
    for (let at = begin; at < end; at++) {
      if (this.nodes.has(at)) continue;
      const node = make(this.items[at]);
      node.classList.add("item");
      node.id = `item-${at}`;
      node.dataset.at = at;
      node.style.top = `${at * row}px`;
      node.style.height = `${row}px`;
      node.setAttribute("role", "option");
      node.setAttribute("aria-selected", at === this.active);
      node.setAttribute("aria-setsize", this.items.length);
      node.setAttribute("aria-posinset", at + 1);
      this.nodes.set(at, node);
      this.element.append(node);
    }
    if (this.nodes.has(this.active)) this.element.setAttribute("aria-activedescendant", `item-${this.active}`);
    else this.element.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    if (event.target !== this.element) return;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (step) this.take(Math.min(Math.max(this.beside(step), 0), this.items.length - 1));
    else if (event.key === "Enter") this.take(this.active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

export function element(name, className = "", text = "") {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== "") node.textContent = text;
  return node;
}
