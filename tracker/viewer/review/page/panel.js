// The chosen object, and the lists: objects, where to look, mistakes, edits.

import { objectColour } from "./colours.js";
import { frameOf, objectOf, told } from "./edits.js";
import { List, element } from "./list.js";
import { clock } from "./rows.js";
import { nearest } from "./timeline.js";

const by = (id) => document.getElementById(id);
const TABS = ["objects", "doubts", "mistakes", "edits"];
const KINDS = { one: "one object?", swap: "changed places?", jump: "another object?", gap: "gap", short: "hardly there", double: "twice?", pass: "another pass" };
const DOT = "\u00a0· "; // no line begins with it
const VERBS = { cross: "crossed", enter: "entered", exit: "left", dwell: "stays in" };

export class Panel {
  constructor(page) {
    this.page = page;
    this.tab = "objects";
    this.lists = { objects: [], doubts: [], mistakes: [], edits: [] };
    this.list = new List(by("items"));
    for (const tab of TABS) by(`tab-${tab}`).addEventListener("click", () => this.open(tab));
    by("tabs").addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const shown = TABS.filter((tab) => !by(`tab-${tab}`).hidden);
      this.open(shown.at((shown.indexOf(this.tab) + step) % shown.length));
      by(`tab-${this.tab}`).focus();
    });
    page.view.on(["chosen", "frame"], () => (by("card-doubt").textContent = ""));
    page.view.on(["chosen"], () => this.choose());
    page.view.on(["other"], () => this.#showCrop("crop-other", page.rows.byId.get(page.view.other)));
    for (const id of ["crop", "crop-other"]) {
      by(id).addEventListener("error", () => by(id).classList.add("none"));
      by(id).addEventListener("load", () => by(id).classList.remove("none"));
    }
  }

  open(tab) {
    this.tab = tab;
    for (const other of TABS) {
      by(`tab-${other}`).setAttribute("aria-selected", other === tab);
      by(`tab-${other}`).tabIndex = other === tab ? 0 : -1;
    }
    for (const id of ["list", "items"]) by(id).setAttribute("aria-labelledby", `tab-${tab}`);
    this.fill();
  }

  // What there is now, for all tabs.
  show(lists) {
    Object.assign(this.lists, lists);
    by("tab-mistakes").hidden = !this.page.about.truth;
    for (const tab of TABS) {
      const items = this.lists[tab];
      const open = tab === "doubts" ? items.filter((one) => !one.settled).length : items.length;
      by(`tab-${tab}`).querySelector("span").textContent = tab === "doubts" && this.page.doubting ? "…" : open.toLocaleString("en");
    }
    this.fill();
    this.choose();
  }

  fill() {
    const ways = {
      objects: { row: 56, make: (one) => this.#object(one), taken: (one) => this.#go(one.id, nearest(one, this.page.view.frame)), key: (one) => one.id },
      doubts: { row: 66, make: (one) => this.#doubt(one), taken: (one) => this.#goToDoubt(one), key: (one) => `${one.kind} ${one.then} ${one.frame}` },
      mistakes: { row: 50, make: (one) => this.#mistake(one), taken: (one) => this.#go(one.id_after, one.after, one.switch ? one.id_before : null), key: (one) => `${one.truth_id} ${one.after}` },
      edits: { row: 46, make: (one) => this.#edit(one), taken: (one) => this.#goToEdit(one), key: (one) => one.number },
    };
    this.ways ??= ways;
    const items = this.lists[this.tab];
    this.list.show(items, this.ways[this.tab]);
    if (this.tab === "objects") this.list.activate(this.page.view.chosen, false);
    by("no-items").hidden = items.length > 0;
    by("no-items").textContent = {
      objects: "No object matches.",
      doubts: this.page.doubting ? "Looking for what is in doubt…" : "Nothing in this run is in doubt.",
      mistakes: "No mistake is left against the truth.",
      edits: "Nothing is corrected yet. Choose an object in the picture or below it.",
    }[this.tab];
  }

  // To the next or the one before of the open list of places to look at, past what is settled.
  next(step) {
    if (this.tab === "objects" || this.tab === "edits") this.open(this.page.about.truth ? "mistakes" : "doubts");
    if (by("tabs").contains(document.activeElement)) by("items").focus({ preventScroll: true }); // arrows go by frame there
    let at = this.list.beside(step);
    while (this.list.items[at]?.settled) at += step;
    this.list.take(this.list.items[at] ? at : this.list.active);
  }

  // Do what the active doubt proposes.
  mend() {
    const one = this.tab === "doubts" && this.list.items[this.list.active];
    if (one && one.edits.length && !one.settled) this.page.mend(one);
  }

  #go(id, frame, other = null) {
    const there = this.page.rows.byId.has(id);
    this.page.view.set({ frame, chosen: there ? id : null, other: this.page.rows.byId.has(other) ? other : null, playing: false });
  }

  #goToDoubt(one) {
    this.#go(one.ids[0], one.frame, one.ids[1]);
    const proposed = one.settled ? "" : this.page.proposed(one).map((edit) => told(edit).join(", ")).join("; ");
    by("card-doubt").textContent = `${one.words.charAt(0).toUpperCase()}${one.words.slice(1)}.${proposed && ` Proposed: ${proposed} (Y).`}`;
  }

  #goToEdit(item) {
    const frame = frameOf(item.edit), id = objectOf(item.edit);
    const one = this.page.rows.byId.get(id);
    this.#go(id, frame ?? (one ? nearest(one, this.page.view.frame) : this.page.view.frame));
  }

  choose() {
    const { view, rows, timeline } = this.page;
    const one = rows?.byId.get(view.chosen);
    by("card").hidden = !one && !this.page.tools?.tool;
    if (this.tab === "objects") this.list.activate(view.chosen);
    if (!one) return;
    const swatch = element("span", "swatch");
    swatch.style.background = objectColour(one.id);
    const name = rows.names[one.id];
    by("card-name").replaceChildren(swatch, element("span", "", rows.title(one)));
    const many = one.to - one.from;
    by("card-facts").textContent = [
      name ? `${rows.className(one.class)} ${one.id}` : "",
      `frames ${one.first}–${one.last}`,
      `${(rows.seconds(one.last) - rows.seconds(one.first)).toFixed(1)} s`,
      `${many} box${many === 1 ? "" : "es"}`,
      one.predicted ? `${one.predicted} predicted` : "",
      one.gaps ? `${one.gaps} gap${one.gaps === 1 ? "" : "s"}` : "",
      `score ${score(rows, one).toFixed(2)}`,
    ].filter(Boolean).join(DOT);
    const events = timeline.events.get(one.id) ?? [];
    by("card-events").textContent = events.slice(0, 6).map((event) => `${clock(event.time_s)} ${VERBS[event.event] ?? event.event} “${event.zone}”${event.event === "cross" && event.direction ? `, ${event.direction}` : ""}`).join(DOT);
    this.#showCrop("crop", one);
    this.#showCrop("crop-other", rows.byId.get(view.other));
  }

  #showCrop(id, one) {
    const { rows, about } = this.page;
    by(id).hidden = !one || !about.crops;
    if (by(id).hidden) return;
    const source = `/crops/${one.id}.jpg?${encodeURIComponent(rows.tag)}`;
    if (by(id).getAttribute("src") === source) return;
    by(id).src = source;
    by(id).alt = by(id).title = `Best picture of ${rows.title(one)}`;
  }

  #object(one) {
    const { rows } = this.page;
    const image = element("img");
    image.loading = "lazy";
    image.alt = "";
    if (this.page.about.crops) image.src = `/crops/${one.id}.jpg?${encodeURIComponent(rows.tag)}`;
    const words = [`${clock(rows.seconds(one.first))}–${clock(rows.seconds(one.last))}`, rows.names[one.id] ? `${rows.className(one.class)} ${one.id}` : "", one.gaps ? `${one.gaps} gap${one.gaps > 1 ? "s" : ""}` : "", one.predicted ? `${one.predicted} predicted` : ""];
    const swatch = element("span", "swatch");
    swatch.style.background = objectColour(one.id);
    return item(image, rows.title(one), words.filter(Boolean).join(" · "), swatch);
  }

  #doubt(one) {
    const node = item(element("span", "doubt", `${Math.round(one.doubt * 100)} %`), "", "", null);
    const middle = node.querySelector("div");
    middle.replaceChildren(element("span", "words", one.words), element("small", "", `${one.settled ? "settled · " : ""}${KINDS[one.kind] ?? one.kind} · ${clock(this.page.rows.seconds(one.frame))}, frame ${one.frame}`));
    node.classList.toggle("settled", one.settled);
    if (one.edits.length && !one.settled) {
      const button = element("button", "", "Mend");
      button.title = `${this.page.proposed(one).map((edit) => told(edit).join(": ")).join("; ")} (Y)`;
      button.tabIndex = -1; // Y does the same
      button.addEventListener("click", () => this.page.mend(one));
      node.append(button);
    }
    return node;
  }

  #mistake(one) {
    const what = one.switch ? `Object ${one.truth_id}: ${one.id_before} becomes ${one.id_after}` : `Object ${one.truth_id}: lost, and found again as ${one.id_after}`;
    const wrong = one.wrong_frames ? ` · ${one.wrong_frames} frames under a wrong id` : "";
    return item(element("span", "doubt", one.switch ? "id" : "gap"), what, `frames ${one.before} to ${one.after}${wrong}`, null);
  }

  #edit({ edit, number, undone }) {
    const [what, more] = told(edit);
    const node = item(element("span", "doubt", String(number)), what, more, null);
    node.classList.toggle("undone", undone);
    return node;
  }
}

function item(front, strong, small, back) {
  const node = element("div");
  const middle = element("div");
  middle.append(element("strong", "", strong), element("small", "", small));
  node.append(front, middle);
  if (back) node.append(back);
  return node;
}

function score(rows, one) {
  let sum = 0;
  for (let row = one.from; row < one.to; row++) sum += rows.score[row];
  return sum / (one.to - one.from);
}
