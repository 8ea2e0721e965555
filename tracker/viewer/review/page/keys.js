// Keys: all that a mouse does.

import { ADD, TOOLS } from "./tools.js";
import { element } from "./list.js";

const by = (id) => document.getElementById(id);

const SHOWN = [
  ["Space", "play, pause"], ["← →", "a frame back, on"], ["Shift ← →", "ten frames"], ["Home End", "first, last frame"],
  ["↑ ↓", "object before, after (in the timeline or a list)"], ["[ ]", "first, last frame of the object"],
  ["N P", "next, previous place to look at"], ["Y", "mend it as is proposed"], ["F", "follow the object"], ["E", "explain: why?"],
  ["+ − 0", "larger, smaller, all of the picture"], ["Alt ← → ↑ ↓", "move the picture"], [", .", "timeline: wider, closer"],
  ["/", "find"], ["Esc", "cancel, choose nothing"], ["Ctrl Z", "undo"], ["Ctrl Shift Z", "redo"],
  ...Object.values(TOOLS).map((tool) => [tool.shown ?? tool.key.toUpperCase(), tool.title.toLowerCase()]), ["A", "add an object"],
  ["Enter", "apply the correction"],
];

export function listen(page) {
  const { view, tools, stage, timeline, panel, edits } = page;
  by("keys-list").replaceChildren(...SHOWN.map(([keys, words]) => {
    const line = element("div");
    const term = element("dt");
    keys.split(" ").forEach((key, k) => term.append(k ? " " : "", element("kbd", "", key)));
    line.append(term, element("dd", "", words));
    return line;
  }));
  by("help").addEventListener("click", () => by("keys").showModal());

  const step = (count) => view.set({ frame: Math.min(Math.max(view.frame + count, 1), page.rows.frames), playing: false });
  const end = (side) => {
    const one = page.rows.byId.get(view.chosen);
    if (one) view.set({ frame: one[side], playing: false });
  };
  const plain = {
    " ": () => view.set({ playing: !view.playing }),
    ArrowLeft: () => step(-page.about.stride), ArrowRight: () => step(page.about.stride),
    Home: () => step(-Infinity), End: () => step(Infinity),
    "[": () => end("first"), "]": () => end("last"),
    y: () => panel.mend(),
    n: () => panel.next(1), p: () => panel.next(-1),
    f: () => view.set({ follow: !view.follow && view.chosen !== null }),
    e: () => page.why.ask(),
    "+": () => stage.zoom(1.4), "=": () => stage.zoom(1.4), "-": () => stage.zoom(1 / 1.4), 0: () => stage.zoom(0),
    ".": () => timeline.zoom(0.6), ",": () => timeline.zoom(1 / 0.6),
    "/": () => by("query").focus(), "?": () => by("keys").showModal(),
    a: () => tools.open(ADD),
    ...Object.fromEntries(Object.values(TOOLS).map((tool) => [tool.key, () => tools.open(tool)])),
    Backspace: () => tools.open(TOOLS.delete),
  };
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function cancel() {
    if (tools.tool) tools.close();
    else if (page.why.of) page.why.close();
    else if (view.chosen !== null) view.set({ chosen: null, other: null, follow: false });
    by("picture").focus({ preventScroll: true });
  }

  addEventListener("keydown", (event) => {
    if (by("keys").open || event.isComposing) return;
    const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
    const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const command = event.ctrlKey || event.metaKey;
    if (command && !typing && (pressed === "z" || pressed === "y")) {
      event.preventDefault();
      return page.attempt(pressed === "y" || event.shiftKey ? edits.redo() : edits.undo());
    }
    if (pressed === "Escape") {
      if (event.target === by("query") && by("query").value) return;
      return cancel();
    }
    if (command || typing) return;
    const direction = arrows[pressed];
    if (direction && view.editing) {
      const many = event.shiftKey ? 10 : 1;
      event.preventDefault();
      return void tools.nudge(direction[0] * many, direction[1] * many, event.altKey);
    }
    if (pressed === "Enter" && view.editing && event.target === by("picture")) return tools.submit();
    if (direction && event.altKey) {
      event.preventDefault();
      return stage.pan(-80 * direction[0], -80 * direction[1]);
    }
    if (event.altKey || (pressed === " " && event.target.matches("button, [type=checkbox]"))) return;
    if (event.target.matches("[role=tab], #why .scroll") && pressed.startsWith("Arrow")) return;
    if (event.shiftKey && (pressed === "ArrowLeft" || pressed === "ArrowRight")) {
      event.preventDefault();
      return step((pressed === "ArrowLeft" ? -10 : 10) * page.about.stride);
    }
    if (!plain[pressed]) return;
    event.preventDefault();
    plain[pressed]();
  });
}
