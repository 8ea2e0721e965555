// The list of edits: applied by the server, in order; the page only adds, takes back and puts back, and saves at once.

import { ask, Problem } from "./ask.js";

export class Edits extends EventTarget {
  constructor() {
    super();
    this.list = [];
    this.undone = [];
    this.busy = Promise.resolve();
    this.state = "";
  }

  async load() {
    const answer = await ask("/edits");
    this.tag = answer.headers.get("ETag");
    const said = await answer.json();
    this.run = said.run;
    this.list = said.edits;
    this.undone = [];
    this.#tell("");
  }

  get canUndo() {
    return this.list.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  add(...edits) {
    return this.#replace(() => [[...this.list, ...edits], []]);
  }

  undo() {
    return this.#replace(() => this.canUndo && [this.list.slice(0, -1), [...this.undone, this.list.at(-1)]]);
  }

  redo() {
    return this.#replace(() => this.canRedo && [[...this.list, this.undone.at(-1)], this.undone.slice(0, -1)]);
  }

  // One after another, whoever asks: each change is of what the one before left.
  #replace(change) {
    const done = this.busy.then(async () => {
      const next = change();
      if (next) await this.#save(...next);
    });
    this.busy = done.catch(() => {});
    return done;
  }

  async #save(list, undone) {
    this.#tell("saving…");
    try {
      const answer = await ask("/edits", {
        method: "PUT",
        headers: { "Content-Type": "application/json", "If-Match": this.tag },
        body: JSON.stringify({ version: 1, run: this.run, edits: list }),
      });
      this.tag = answer.headers.get("ETag");
      this.list = (await answer.json()).edits;
      this.undone = undone;
    } catch (error) {
      this.#tell(error instanceof Problem && error.status === 422 ? "" : "not saved");
      if (error.status === 412) this.dispatchEvent(new Event("conflict"));
      throw error;
    }
    this.#tell("saved");
    this.dispatchEvent(new Event("changed"));
  }

  #tell(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

// An edit in words.
export function told(edit) {
  switch (edit.edit) {
    case "merge": return [`Merge ${edit.id} into ${edit.into}`, "the same object"];
    case "split": return [`Split ${edit.id}`, `from frame ${edit.frame} on it is ${edit.new}`];
    case "swap": return [`Swap ${edit.ids[0]} and ${edit.ids[1]}`, `from frame ${edit.frame} on`];
    case "delete": return [`Delete ${edit.id}`, edit.from ?? edit.to ? `frames ${edit.from ?? 1} to ${edit.to ?? "the end"}` : "all of it"];
    case "rename": return [`Name ${edit.id}`, edit.name];
    case "class": return [`Class of ${edit.id}`, edit.class];
    case "box": return [`${edit.class ? "Add" : "Box of"} ${edit.id}`, `in frame ${edit.frame}${edit.class ? `, ${edit.class}` : ""}`];
    case "interpolate": return [`Interpolate ${edit.id}`, `frames ${edit.from} to ${edit.to}`];
    default: return [String(edit.edit), ""];
  }
}

export const frameOf = (edit) => edit.frame ?? edit.from ?? null;
export const objectOf = (edit) => edit.into ?? edit.id ?? edit.ids?.[0] ?? null;
