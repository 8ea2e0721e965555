// The page: loads the run, and lets its parts hear of each other.

import { json } from "./ask.js";
import { classColour, paint } from "./colours.js";
import { Edits } from "./edits.js";
import { Forecasts } from "./forecasts.js";
import { Frames } from "./frames.js";
import { listen } from "./keys.js";
import { element } from "./list.js";
import { Panel } from "./panel.js";
import { Player } from "./player.js";
import { clock, loadRows } from "./rows.js";
import { searched } from "./search.js";
import { Shapes } from "./shapes.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { ADD, ToolForm } from "./tools.js";
import { View } from "./view.js";
import { Why } from "./why.js";

const by = (id) => document.getElementById(id);

class Page {
  doubting = true; // what is in doubt is not known yet

  async start() {
    const about = (this.about = await json("/run"));
    paint(about.colours);
    const view = (this.view = new View());
    this.frames = new Frames(about.frames, about.pictures);
    this.frames.want(1);
    this.edits = new Edits();
    this.shapes = new Shapes(about);
    const [rows] = await Promise.all([loadRows(about.stride), this.edits.load()]);
    this.largest = rows.objects.reduce((most, one) => Math.max(most, one.id), 0);
    this.stage = new Stage(view, this.frames, this.shapes, about, by("picture"));
    this.timeline = new Timeline(view, { ruler: by("ruler"), bars: by("bars"), height: by("bars-height"), canvas: by("bars-picture"), options: by("bars-options"), now: by("now") });
    this.panel = new Panel(this);
    this.tools = new ToolForm(this);
    this.player = new Player(view, this.frames);
    this.why = new Why(view, by("why"));
    this.forecasts = new Forecasts(view);
    this.#describe();
    this.#wire();
    listen(this);
    this.#take(rows);
    view.set({ frame: this.#firstFrame() });
    this.#frameChanged();
    await this.#rest();
  }

  // With others' rows: at the start, and after each edit.
  #take(rows) {
    this.rows = this.stage.rows = this.player.rows = rows;
    this.shapes.forget();
    this.forecasts.forget();
    if (this.view.chosen !== null && !rows.byId.has(this.view.chosen)) this.view.set({ chosen: null, other: null });
    by("classes").replaceChildren(...new Set(Object.values(rows.classes)).values().map((name) => new Option(name)));
    this.#explainBars();
    this.#find();
    this.stage.draw();
  }

  #explainBars() {
    const sample = (name, words, colour = "") => {
      const one = element("span"), bar = element("b", name);
      bar.style.background = colour;
      one.append(bar, words);
      return one;
    };
    const classes = [...new Set(this.rows.objects.map((one) => one.class))].slice(0, 5);
    by("legend").replaceChildren(
      ...classes.map((number) => sample("", this.rows.className(number), classColour(number))),
      sample("predicted", "predicted"),
      sample("gap", "gap"),
    );
  }

  // What the picture can do without.
  async #rest() {
    const [events, mistakes] = await Promise.all([json("/events"), this.about.truth ? json("/mistakes") : []]);
    this.timeline.events = Map.groupBy(events, (event) => event.id);
    this.panel.show({ mistakes });
    this.timeline.told = "";
    this.#find();
    const doubts = await json("/doubts"); // takes its time, the first time
    this.doubting = false;
    for (const doubt of doubts) {
      doubt.now = new Map(doubt.then.map((id, k) => [id, doubt.ids[k]]));
      doubt.ids = doubt.ids.filter((id) => id !== null);
    }
    this.timeline.marks = [...doubts.filter((one) => !one.settled), ...mistakes].map((one) => one.after ?? one.frame);
    this.timeline.draw();
    this.panel.show({ doubts });
  }

  // What a doubt proposes, in the ids of now.
  proposed(doubt) {
    let { fresh } = this.tools.context;
    const now = new Map(doubt.now);
    const there = (id) => now.get(id) ?? id;
    return doubt.edits.map((edit) => {
      if (edit.new !== undefined && !now.has(edit.new)) now.set(edit.new, fresh++);
      const changed = { ...edit };
      for (const key of ["id", "into", "new"]) if (key in edit) changed[key] = there(edit[key]);
      if (edit.ids) changed.ids = edit.ids.map(there);
      return changed;
    });
  }

  mend(doubt) {
    return this.attempt(this.edits.add(...this.proposed(doubt)));
  }

  #describe() {
    const { about } = this;
    document.title = `${about.name} · tracker`;
    by("run").textContent = about.name;
    const [width, height] = about.size;
    const source = element(about.video ? "a" : "span", "", about.source.split(/[\\/]/).at(-1));
    if (about.video) Object.assign(source, { href: "/video", target: "_blank" });
    by("about").replaceChildren(source, ` · ${width} × ${height} · ${about.frames.toLocaleString("en")} frames`);
    by("about").title = about.source;
    by("of").textContent = `of ${about.frames.toLocaleString("en")}`;
    by("frame").max = about.frames;
    by("with-masks").hidden = !about.masks;
    by("with-skeletons").hidden = !about.skeleton;
    by("with-zones").hidden = !about.zones.length;
    const told = [about.problem && `Without pictures: ${about.problem}.`, about.remark && sentence(about.remark)].filter(Boolean);
    if (told.length) this.notice(told.join(" "));
  }

  #firstFrame() {
    return Math.max(1, this.rows.objects[0]?.first ?? 1);
  }

  #wire() {
    const { view, frames, stage, edits } = this;
    const press = (id, call) => by(id).addEventListener("click", call);
    press("play", () => view.set({ playing: !view.playing }));
    press("before", () => view.set({ frame: Math.max(1, view.frame - this.about.stride), playing: false }));
    press("after", () => view.set({ frame: Math.min(this.rows.frames, view.frame + this.about.stride), playing: false }));
    press("follow", () => view.set({ follow: !view.follow && view.chosen !== null }));
    press("smaller", () => stage.zoom(1 / 1.4));
    press("fit", () => stage.zoom(0));
    press("larger", () => stage.zoom(1.4));
    press("explain", () => this.why.ask());
    press("unchoose", () => view.set({ chosen: null, other: null, follow: false }));
    press("add", () => this.tools.open(ADD));
    press("undo", () => this.attempt(edits.undo()));
    press("redo", () => this.attempt(edits.redo()));
    by("speed").addEventListener("change", () => view.set({ speed: Number(by("speed").value) }));
    by("frame").addEventListener("change", () => view.set({ frame: Math.min(Math.max(Math.round(Number(by("frame").value)) || 1, 1), this.rows.frames), playing: false }));
    by("layers").addEventListener("change", () => view.set({ layers: new Set([...by("layers").querySelectorAll(":checked")].map((box) => box.value)) }));
    by("query").addEventListener("input", () => this.#find());
    by("find").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#goToFound();
    });
    stage.onMove = () => this.#want();
    view.on(["frame"], () => this.#frameChanged());
    view.on(["shown"], () => {
      this.#waiting();
      this.#settle();
    });
    view.on(["chosen"], () => this.#chosen());
    view.on(["playing"], () => this.#playing());
    view.on(["follow"], () => by("follow").setAttribute("aria-pressed", view.follow));
    view.on(["picking", "editing"], () => this.#hint());
    frames.addEventListener("ready", () => this.#waiting());
    edits.addEventListener("state", () => this.#saved());
    edits.addEventListener("changed", () => this.attempt(this.#reload()));
    edits.addEventListener("conflict", () => this.notice("These edits were changed elsewhere meanwhile.", ["Load those", () => this.attempt(this.#reloadAll())]));
    this.tools.page.opened = (tool) => {
      by("card").hidden = false;
      by("card").classList.toggle("adding", tool === ADD);
    };
    this.tools.page.closed = () => {
      by("card").classList.remove("adding");
      this.panel.choose();
    };
    this.#saved();
  }

  async #reload() {
    this.#take(await loadRows(this.about.stride));
    await this.#rest();
    this.say("saved");
  }

  async #reloadAll() {
    await this.edits.load();
    by("notice").hidden = true;
    await this.#reload();
  }

  #want() {
    this.player.want(this.stage.close);
  }

  #frameChanged() {
    const { view, rows } = this;
    this.#want();
    if (document.activeElement !== by("frame")) by("frame").value = view.frame;
    by("time").textContent = clock(rows.seconds(view.frame));
    this.timeline.followFrame();
    this.#settle();
    if (this.tools.tool && this.tools.frame !== view.frame && view.editing) this.tools.close();
  }

  // What is said when nothing has moved for a while.
  #settle() {
    this.still = false;
    clearTimeout(this.settled);
    this.settled = setTimeout(() => {
      this.still = true;
      this.#want(); // closer, where it was passed by quickly
      this.#waiting();
      this.#describePicture();
    }, 250);
  }

  #waiting() {
    const { view, frames } = this;
    const hopeless = this.about.pictures && frames.missing.has(view.frame);
    by("waiting").hidden = !hopeless && (view.shown === view.frame || view.playing || !this.still);
    by("waiting").textContent = hopeless ? `There is no picture of frame ${view.frame}.` : `frame ${view.frame}…`;
  }

  #describePicture() {
    const { view, rows } = this;
    if (view.playing) return;
    const there = [...rows.at(view.shown)].map((row) => rows.title(rows.byId.get(rows.id[row])));
    by("picture").setAttribute("aria-label", `Frame ${view.shown}: ${there.slice(0, 12).join(", ") || "nobody"}${there.length > 12 ? ` and ${there.length - 12} more` : ""}`);
  }

  #chosen() {
    const { view, rows } = this;
    const one = rows.byId.get(view.chosen);
    if (this.tools.tool && this.tools.at.one?.id !== view.chosen) this.tools.close();
    if (!one) return view.follow && view.set({ follow: false });
    this.timeline.reveal(one.id);
    const row = rows.of(one.id, view.frame, true);
    if (!view.follow) this.stage.reveal(rows.boxOf(row));
    this.say(`${rows.title(one)}, frames ${one.first} to ${one.last}`);
  }

  #playing() {
    const { playing } = this.view;
    by("play").querySelector("use").setAttribute("href", playing ? "#i-pause" : "#i-play");
    by("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    by("play").title = `${playing ? "Pause" : "Play"} (Space)`;
    this.#want();
    this.#waiting();
  }

  #hint() {
    const { picking, editing } = this.view;
    by("hint").hidden = !picking && !editing;
    by("hint").textContent = picking ? "Click the other object" : editing?.box ? "Enter applies, Esc cancels" : "Draw the box, or press an arrow for one";
    by("picture").classList.toggle("draw", Boolean(editing));
  }

  #saved() {
    const { edits } = this;
    by("undo").disabled = !edits.canUndo;
    by("redo").disabled = !edits.canRedo;
    by("saved").textContent = edits.state || (edits.list.length ? `${edits.list.length} edit${edits.list.length > 1 ? "s" : ""}` : "");
    by("saved").classList.toggle("lost", edits.state === "not saved");
    const done = edits.list.map((edit, k) => ({ edit, number: k + 1, undone: false }));
    const undone = edits.undone.toReversed().map((edit, k) => ({ edit, number: done.length + k + 1, undone: true }));
    this.panel.show({ edits: [...done, ...undone] });
  }

  #find() {
    const { rows, view, timeline } = this;
    const found = searched(by("query").value, rows, timeline.events);
    this.found = found;
    const objects = found?.objects ?? rows.objects;
    by("found").textContent = found ? `${objects.length.toLocaleString("en")} of ${rows.objects.length.toLocaleString("en")}` : "";
    view.set({ matches: found && new Set(objects.map((one) => one.id)) });
    timeline.show(rows, objects);
    by("no-bars").hidden = objects.length > 0;
    this.panel.show({ objects });
  }

  #goToFound() {
    const { found, view } = this;
    if (!found) return;
    const ids = found.objects.map((one) => one.id);
    const next = found.objects[(ids.indexOf(view.chosen) + 1) % Math.max(ids.length, 1)];
    view.set({ frame: found.frame ? Math.min(found.frame, this.rows.frames) : next ? Math.min(Math.max(view.frame, next.first), next.last) : view.frame, chosen: next?.id ?? null, other: null, playing: false });
  }

  // What may fail, with its sentence shown where it does.
  async attempt(doing) {
    try {
      await doing;
    } catch (error) {
      if (error.status !== 412) this.notice(sentence(error.message));
    }
  }

  notice(words, offer = null) {
    by("notice").replaceChildren(words);
    const close = document.createElement("button");
    close.textContent = offer?.[0] ?? "Close";
    close.addEventListener("click", offer?.[1] ?? (() => (by("notice").hidden = true)));
    by("notice").append(close);
    by("notice").hidden = false;
  }

  say(words) {
    by("said").textContent = words;
  }
}

const sentence = (words) => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
const page = new Page();
globalThis.page = page; // for whoever looks into it
page.start().catch((error) => {
  document.body.textContent = `${error.message}.`;
});
