// Corrections: each a small form with all that it needs, so that keys and mouse come to the same.

import { element } from "./list.js";
import { clock } from "./rows.js";

const by = (id) => document.getElementById(id);

const id = (name, label, value) => ({ name, label, value, type: "number", min: 1, of: "id" });
const frame = (name, label, value, most) => ({ name, label, value, type: "number", min: 1, max: most });
const edges = ([left, top, right, bottom]) => [
  { name: "left", label: "Left", value: left, type: "number", step: "any" },
  { name: "top", label: "Top", value: top, type: "number", step: "any" },
  { name: "right", label: "Right", value: right, type: "number", step: "any" },
  { name: "bottom", label: "Bottom", value: bottom, type: "number", step: "any" },
];
const rounded = (box) => [...box].map((edge) => Math.round(edge * 100) / 100);

// Each: key, name, title, and with the page (rows, view, edits) fields and what becomes of them.
export const TOOLS = {
  merge: {
    key: "m", name: "Merge", title: "The same object as another",
    words: ({ one }) => `${one.id} gets the other’s id. Type it, or click the other object.`,
    fields: ({ view }) => [id("into", "The same as object", view.other ?? "")],
    edit: ({ one }, { into }) => ({ edit: "merge", id: one.id, into }),
    chosen: (edit) => edit.into,
  },
  split: {
    key: "s", name: "Split", title: "Another object from a frame on",
    words: ({ fresh }) => `From there on it is the new object ${fresh}.`,
    fields: ({ view, rows }) => [frame("frame", "From frame", view.frame, rows.frames)],
    edit: ({ one, fresh }, { frame }) => ({ edit: "split", id: one.id, frame, new: fresh }),
    chosen: (edit) => edit.new,
  },
  swap: {
    key: "w", name: "Swap", title: "Two ids changed places",
    words: () => "From that frame on, each of the two is the other. Type its id, or click it.",
    fields: ({ view, rows }) => [id("other", "With object", view.other ?? ""), frame("frame", "From frame", view.frame, rows.frames)],
    edit: ({ one }, { other, frame }) => ({ edit: "swap", ids: [one.id, other], frame }),
  },
  box: {
    key: "b", name: "Box", title: "Move the box, or add one",
    words: ({ view }) => `In frame ${view.frame}. Drag it in the picture; arrows move it, Alt and arrows its right and lower edge, with Shift by ten.`,
    editing: ({ one, rows, view }) => ({ id: one.id, box: rounded(boxNear(rows, one, view.frame)) }),
    edit: ({ one, view }, box) => ({ edit: "box", id: one.id, frame: view.frame, box: [box.left, box.top, box.right, box.bottom] }),
  },
  interpolate: {
    key: "i", name: "Interpolate", title: "Straight between two frames",
    words: () => "Boxes between the two frames lie on straight lines, through those that were placed by hand.",
    fields: ({ one, rows, view }) => {
      const [from, to] = around(rows, one, view.frame);
      return [frame("from", "From frame", from, rows.frames), frame("to", "To frame", to, rows.frames)];
    },
    edit: ({ one }, { from, to }) => ({ edit: "interpolate", id: one.id, from, to }),
  },
  delete: {
    key: "Delete", shown: "Del", name: "Delete", title: "Not an object",
    words: ({ one, rows }) => `It is there from ${clock(rows.seconds(one.first))} to ${clock(rows.seconds(one.last))}. Leave the frames as they are to delete all of it.`,
    fields: ({ one, rows }) => [frame("from", "From frame", one.first, rows.frames), frame("to", "To frame", one.last, rows.frames)],
    edit: ({ one }, { from, to }) => ({ edit: "delete", id: one.id, ...(from <= one.first && to >= one.last ? {} : { from, to }) }),
  },
  rename: {
    key: "r", name: "Name", title: "Give it a name",
    fields: ({ one, rows }) => [{ name: "name", label: "Name", value: rows.names[one.id] ?? "", maxlength: 100, wide: true }],
    edit: ({ one }, { name }) => ({ edit: "rename", id: one.id, name }),
  },
  class: {
    key: "c", name: "Class", title: "Of another class",
    fields: ({ one, rows }) => [{ name: "class", label: "Class", value: rows.className(one.class), maxlength: 100, list: "classes", wide: true }],
    edit: ({ one }, said) => ({ edit: "class", id: one.id, class: said.class }),
  },
};

export const ADD = {
  title: "Add an object", key: "a",
  words: ({ view, fresh }) => `Object ${fresh}, in frame ${view.frame}. Draw its box in the picture, or type its edges.`,
  editing: ({ fresh }) => ({ id: fresh, box: null }),
  fields: ({ rows }) => [{ name: "class", label: "Class", value: commonest(rows), maxlength: 100, list: "classes", wide: true }],
  edit: ({ fresh, view }, said) => ({ edit: "box", id: fresh, frame: view.frame, box: [said.left, said.top, said.right, said.bottom], class: said.class }),
  chosen: (edit) => edit.id,
};

function commonest(rows) {
  const counts = Map.groupBy(rows.objects, (one) => one.class);
  const [first] = [...counts].sort((a, b) => b[1].length - a[1].length);
  return first ? rows.className(first[0]) : (Object.values(rows.classes)[0] ?? "");
}

// Where it is in a frame, or would be, by the frames before and after.
function boxNear(rows, one, at) {
  const row = rows.of(one.id, at, true);
  const other = rows.frame[row] < at ? row + 1 : row - 1;
  if (rows.frame[row] === at || other < one.from || other >= one.to) return rows.boxOf(row);
  const share = (at - rows.frame[row]) / (rows.frame[other] - rows.frame[row]);
  return [...rows.boxOf(row)].map((edge, k) => edge + share * (rows.boxOf(other)[k] - edge));
}

// The gap that a frame lies in, or the next one; else all of the object.
function around(rows, one, at) {
  let found = null;
  for (let row = one.from + 1; row < one.to; row++) {
    const [from, to] = [rows.frame[row - 1], rows.frame[row]];
    if (to - from > rows.stride && (!found || to <= at || from <= at)) found = [from, to];
  }
  return found ?? [one.first, one.last];
}

export class ToolForm {
  constructor(page) {
    this.page = page;
    this.form = by("tool");
    this.tool = null;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#apply();
    });
    by("tool-cancel").addEventListener("click", () => this.close());
    this.form.addEventListener("input", () => this.#typed());
    page.view.on(["editing"], () => this.#drawn());
    for (const [name, tool] of Object.entries(TOOLS)) {
      const button = element("button", "tool", tool.name);
      button.title = tool.title;
      button.dataset.tool = name;
      button.setAttribute("aria-keyshortcuts", tool.key);
      const key = element("kbd", "", tool.shown ?? tool.key.toUpperCase());
      key.setAttribute("aria-hidden", true);
      button.append(key);
      button.addEventListener("click", () => this.open(tool));
      by("tools").append(button);
    }
  }

  get context() {
    const { rows, view, edits } = this.page;
    const used = edits.list.flatMap((edit) => [edit.new, edit.id, edit.into, ...(edit.ids ?? [])]).filter(Number.isInteger);
    const fresh = 1 + [...rows.byId.keys(), ...used, this.page.largest].reduce((a, b) => Math.max(a, b), 0);
    return { rows, view, edits, one: rows.byId.get(view.chosen), fresh };
  }

  open(tool) {
    const context = this.context;
    if (!context.one && tool !== ADD) return;
    this.close();
    this.tool = tool;
    this.at = context;
    context.view.set({ playing: false, follow: false });
    this.frame = context.view.frame;
    by("tool-name").textContent = tool.title;
    by("tool-words").textContent = tool.words?.(context) ?? "";
    by("tool-problem").textContent = "";
    const editing = tool.editing?.(context);
    const fields = [...(tool.fields?.(context) ?? []), ...(editing ? edges(editing.box ?? ["", "", "", ""]) : [])];
    by("tool-fields").replaceChildren(...fields.map(field));
    for (const button of by("tools").children) button.setAttribute("aria-pressed", TOOLS[button.dataset.tool] === tool);
    this.form.hidden = false;
    const wantsId = this.form.querySelector("[data-of=id]");
    context.view.set({
      editing: editing ?? null,
      picking: wantsId && ((id) => {
        if (id === context.one.id) return;
        wantsId.value = id;
        context.view.set({ other: id });
      }),
    });
    this.page.opened?.(tool);
    const first = this.form.querySelector("input");
    (editing ? by("picture") : tool === TOOLS.delete ? by("tool-apply") : first ?? by("tool-apply")).focus({ preventScroll: Boolean(editing) });
    if (!editing) first?.select?.();
    this.form.scrollIntoView({ block: "nearest" });
  }

  close() {
    if (!this.tool) return;
    this.tool = null;
    this.form.hidden = true;
    for (const button of by("tools").children) button.setAttribute("aria-pressed", false);
    this.page.view.set({ editing: null, picking: null });
    this.page.closed?.();
  }

  // A step of the edited box by keys, in pixels of the picture.
  nudge(dx, dy, size) {
    const { editing } = this.page.view;
    if (!editing) return false;
    let box = editing.box;
    if (!box) {
      const [w, h] = this.page.about.size;
      box = rounded([w * 0.45, h * 0.4, w * 0.55, h * 0.6]);
    } else {
      box = rounded(size ? [box[0], box[1], Math.max(box[2] + dx, box[0] + 1), Math.max(box[3] + dy, box[1] + 1)] : [box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy]);
    }
    this.page.view.set({ editing: { ...editing, box } });
    return true;
  }

  submit() {
    this.form.requestSubmit();
  }

  #values() {
    const said = {};
    for (const input of this.form.querySelectorAll("input")) said[input.name] = input.type === "number" ? Number(input.value) : input.value.trim();
    return said;
  }

  #typed() {
    by("tool-problem").textContent = "";
    const { view } = this.page;
    if (!view.editing) return;
    const { left, top, right, bottom } = this.#values();
    if (right > left && bottom > top) view.set({ editing: { ...view.editing, box: [left, top, right, bottom] } });
  }

  #drawn() {
    const box = this.page.view.editing?.box;
    if (!box || this.form.contains(document.activeElement)) return;
    ["left", "top", "right", "bottom"].forEach((edge, k) => (this.form.elements[edge].value = rounded(box)[k]));
  }

  async #apply() {
    const { tool, at } = this;
    if (!tool) return;
    const edit = tool.edit({ ...at, view: { frame: this.frame } }, this.#values());
    try {
      await this.page.edits.add(edit);
    } catch (error) {
      by("tool-problem").textContent = sentence(error.message);
      return;
    }
    const chosen = tool.chosen?.(edit);
    this.close();
    by("picture").focus({ preventScroll: true });
    if (chosen !== undefined) this.page.view.set({ chosen, other: null });
    else this.page.view.set({ other: null });
  }
}

// Without the number of the edit, which is the one that was just asked for.
const sentence = (words) => words.replace(/^edit \d+ of edits\.json \([a-z]+\)( has)?:? /, "").replace(/; remove it or undo it$/, "");

function field({ name, label, value, wide, of, list, ...more }) {
  const node = element("label", wide ? "wide" : "", label);
  const input = element("input");
  Object.assign(input, { name, type: more.type ?? "text", required: true, autocomplete: "off" });
  for (const key of ["min", "max", "step", "maxlength"]) if (more[key] !== undefined) input.setAttribute(key, more[key]);
  if (list) input.setAttribute("list", list);
  if (of) input.dataset.of = of;
  input.value = value;
  node.append(input);
  return node;
}
