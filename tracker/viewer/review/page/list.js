// A list of which only the items in sight exist. One is active; arrows move, Enter takes.

export class List {
  constructor(element) {
    this.element = element;
    this.spacer = element.firstElementChild;
    this.items = [];
    this.active = -1;
    this.nodes = new Map();
    element.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(element);
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("click", (event) => {
      const node = event.target.closest(".item");
      if (node && !event.target.closest("button")) this.take(Number(node.dataset.at));
    });
  }

  // row: pixels an item; make: item -> node; taken: called with the item; key: item -> what it is known by.
  show(items, { row, make, taken, key }) {
    const same = this.make === make;
    Object.assign(this, { items, row, make, taken, key });
    this.spacer.style.height = `${items.length * row}px`;
    for (const node of this.nodes.values()) node.remove();
    this.nodes.clear();
    if (!same) this.element.scrollTop = 0;
    this.active = Math.min(this.active, items.length - 1);
    this.draw();
  }

  activate(known, reveal = true) {
    const at = this.items.findIndex((item) => this.key(item) === known);
    if (at !== this.active) {
      this.nodes.get(this.active)?.setAttribute("aria-selected", false);
      this.active = at;
      this.nodes.get(at)?.setAttribute("aria-selected", true);
    }
    if (at >= 0 && reveal) {
      const { scrollTop, clientHeight } = this.element;
      if (at * this.row < scrollTop || (at + 1) * this.row > scrollTop + clientHeight) this.element.scrollTop = at * this.row - clientHeight / 2;
    }
    this.draw();
  }

  take(at) {
    if (!this.items[at]) return;
    this.activate(this.key(this.items[at]));
    this.taken(this.items[at]);
  }

  draw() {
    const { scrollTop, clientHeight } = this.element;
    const begin = Math.max(0, Math.floor(scrollTop / this.row) - 2);
    const end = Math.min(this.items.length, Math.ceil((scrollTop + clientHeight) / this.row) + 2);
    for (const [at, node] of this.nodes) {
      if (at < begin || at >= end) {
        node.remove();
        this.nodes.delete(at);
      }
    }
    for (let at = begin; at < end; at++) {
      if (this.nodes.has(at)) continue;
      const node = this.make(this.items[at]);
      node.classList.add("item");
      node.id = `item-${at}`;
      node.dataset.at = at;
      node.style.top = `${at * this.row}px`;
      node.style.height = `${this.row}px`;
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
    if (step) this.take(Math.min(Math.max(this.active + step, 0), this.items.length - 1));
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
