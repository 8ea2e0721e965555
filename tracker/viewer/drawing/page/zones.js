import { History, Stage, element, put, shortcuts } from "/stage.js";

const by = (id) => document.getElementById(id);
const COLOURS = ["#ffb000", "#4fc3ff", "#ff6f91", "#8de06a", "#c79bff", "#ffd94a", "#4fe0c8", "#ff9a5c"];
const KINDS = { line: "line", zone: "zone", ignore: "ignored" };
const LEAST = { line: 2, zone: 3, ignore: 3 };
const HINTS = {
  line: "Click where the line begins and where it ends.",
  zone: "Click the corners, one after another around it.",
  ignore: "Click the corners of what is to be ignored.",
};

const state = await (await fetch("/state")).json();
let { shapes, version } = state;
let chosen = null; // index of a shape
let tool = null;
let drawn = []; // points of the shape that is being drawn
let saved = JSON.stringify(shapes);
const history = new History(shapes);
document.title = `Zones – ${state.file}`;
by("file").textContent = state.file;
by("comments").hidden = !state.comments;
by("stage").style.setProperty("--shape", `${state.size[0]} / ${state.size[1]}`);
by("anchor").append(...state.anchors.map((name) => new Option(name, name)));

const colour = (number) => (shapes[number]?.kind === "ignore" ? "#c8d2cc" : COLOURS[number % COLOURS.length]);
const isPoint = (key) => /^\d+\.\d+$/.test(key);
const path = (points, closed) => `M${points.map((point) => point.join(" ")).join("L")}${closed ? "Z" : ""}`;

const stage = new Stage(by("picture"), state.size, {
  draws: () => tool !== null,
  grab(key) {
    choose(Number(key.split(".")[0]));
    if (!key.endsWith("+")) return key;
    const [shape, row] = key.split(/[.+]/).map(Number); // between two points: a new one
    shapes[shape].points.splice(row + 1, 0, middle(shapes[shape].points, row));
    stage.render();
    return `${shape}.${row + 1}`;
  },
  click(point, key) {
    if (tool === null) return choose(null);
    if (drawn.length >= LEAST[tool] && key === "first") return finish();
    drawn.push(point);
    if (tool === "line" && drawn.length === 2) return finish();
    hint();
  },
  place: (key) => (key.endsWith("+") ? middle(shapes[chosen].points, Number(key.split(/[.+]/)[1])) : at(key)[0][at(key)[1]]),
  move(key, point) {
    if (!isPoint(key)) return;
    const [points, number] = at(key);
    points[number] = point;
  },
  moved: () => commit(),
  remove(key) {
    if (!isPoint(key)) return;
    const [points, number] = at(key);
    if (points.length > LEAST[shapes[chosen].kind]) points.splice(number, 1);
    else return erase();
    commit();
  },
  finish,
  cancel() {
    drawn = [];
    take(null);
  },
  render: draw,
});

const middle = (points, row) => {
  const next = points[(row + 1) % points.length];
  return stage.inside([0, 1].map((axis) => (points[row][axis] + next[axis]) / 2));
};

function at(key) {
  const [shape, point] = key.split(".").map(Number);
  return [shapes[shape].points, point];
}

function draw() {
  const group = element("g", { class: "shapes" });
  shapes.forEach((shape, number) => {
    const closed = shape.kind !== "line";
    const parts = element("g", { style: `--of: ${colour(number)}` });
    const d = path(shape.points, closed);
    parts.append(element("path", { d, class: "under" }));
    parts.append(element("path", { d, class: `${shape.kind} ${number === chosen ? "chosen" : ""}` }));
    parts.append(element("path", { d, class: "hit", "data-key": `${number}` }));
    if (!closed) parts.append(arrow(shape.points));
    if (shape.name) parts.append(stage.text(...label(shape)));
    if (number === chosen && tool === null) {
      const between = shape.points.length - (closed ? 0 : 1);
      for (let row = 0; row < between; row++) parts.append(stage.handle(`${number}.${row}+`, middle(shape.points, row), `Add a point behind point ${row + 1}`, "between"));
      shape.points.forEach((point, row) => parts.append(stage.handle(`${number}.${row}`, point, `${shape.name ?? "ignored"}, point ${row + 1} of ${shape.points.length}`)));
    }
    group.append(parts);
  });
  if (drawn.length) {
    const parts = element("g", { style: "--of: #ff5a36" }, element("path", { d: path(drawn, false) }));
    drawn.forEach((point, row) => {
      const mark = element("circle", { class: "handle", cx: point[0], cy: point[1], r: 6 * stage.scale });
      if (row === 0) mark.dataset.key = "first";
      parts.append(mark);
    });
    group.append(parts);
  }
  stage.layer.append(group);
}

function label(shape) {
  const [x, y] = shape.points[0];
  return [[Math.min(x + 9 * stage.scale, state.size[0] - 40 * stage.scale), Math.max(y - 9 * stage.scale, 16 * stage.scale)], shape.name];
}

// Where "in" is: from the right hand to the left hand of who walks along the line.
function arrow(points) {
  const part = Math.floor((points.length - 1) / 2);
  const [[ax, ay], [bx, by_]] = [points[part], points[part + 1]];
  const length = Math.hypot(bx - ax, by_ - ay) || 1;
  const [ux, uy] = [(bx - ax) / length, (by_ - ay) / length];
  const [nx, ny] = [uy, -ux];
  const [cx, cy, s] = [(ax + bx) / 2, (ay + by_) / 2, stage.scale];
  const corner = (along, across) => `${cx + (ux * along + nx * across) * s},${cy + (uy * along + ny * across) * s}`;
  return element("polygon", { class: "arrow", points: [corner(-8, 4), corner(8, 4), corner(0, 20)].join(" ") });
}

function take(name) {
  tool = name;
  drawn = [];
  stage.last = null;
  if (name) choose(null);
  for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === name);
  by("stage").classList.toggle("drawing", name !== null);
  if (name) stage.svg.focus({ preventScroll: true });
  hint();
  stage.render();
}

function hint() {
  by("hint").hidden = tool === null;
  by("hint-text").textContent = tool ? HINTS[tool] : "";
  by("finish").hidden = !tool || drawn.length < LEAST[tool];
}

function finish() {
  if (tool === null) return;
  const points = drawn.filter((point, row) => row === 0 || point.some((value, axis) => value !== drawn[row - 1][axis]));
  if (points.length < LEAST[tool]) return;
  const shape = { kind: tool, points };
  if (tool !== "ignore") Object.assign(shape, { name: unused(tool), anchor: "bottom" });
  shapes.push(shape);
  const number = shapes.length - 1;
  take(null);
  choose(number);
  commit();
  if (tool !== "ignore") by("name").select();
}

function unused(kind) {
  const names = new Set(shapes.map((shape) => shape.name));
  for (let number = 1; ; number++) if (!names.has(`${kind} ${number}`)) return `${kind} ${number}`;
}

function choose(number) {
  chosen = number !== null && number < shapes.length ? number : null;
  panel();
  stage.render();
}

function panel() {
  by("empty").hidden = shapes.length > 0;
  by("shapes").replaceChildren(
    ...shapes.map((shape, number) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const kind = document.createElement("span");
      item.className = "shape";
      item.style.setProperty("--of", colour(number));
      kind.className = "kind";
      kind.textContent = KINDS[shape.kind];
      button.append(shape.name ?? "region", kind);
      button.setAttribute("aria-pressed", number === chosen);
      button.addEventListener("click", () => choose(number === chosen ? null : number));
      item.append(button);
      return item;
    }),
  );
  const shape = shapes[chosen];
  by("form").hidden = !shape;
  if (!shape) return;
  for (const id of ["name", "anchor", "classes", "dwell"]) {
    const shown = shape.kind !== "ignore" && (id !== "dwell" || shape.kind === "zone");
    by(id).hidden = by("form").querySelector(`label[for=${id}]`).hidden = !shown;
  }
  by("turn").hidden = shape.kind !== "line";
  by("name").value = shape.name ?? "";
  by("anchor").value = shape.anchor === "center" ? "centre" : (shape.anchor ?? "bottom");
  by("classes").value = (shape.classes ?? []).join(", ");
  by("dwell").value = shape.dwell_s ?? "";
}

function commit() {
  history.commit(shapes);
  panel();
  changed();
  stage.render();
}

function changed() {
  const open = JSON.stringify(shapes) !== saved;
  by("undo").disabled = !history.past.length;
  by("redo").disabled = !history.future.length;
  by("save").disabled = !open;
  if (open) say("not saved");
}

function say(words, kind = "") {
  by("said").textContent = words;
  by("said").className = kind;
}

function erase() {
  shapes.splice(chosen, 1);
  chosen = null;
  commit();
}

function back(to) {
  if (!to) return;
  shapes = to;
  chosen = chosen !== null && chosen < shapes.length ? chosen : null;
  panel();
  changed();
  stage.render();
}

async function save() {
  if (by("save").disabled) return;
  const sending = JSON.stringify(shapes);
  try {
    ({ version } = await put("/zones", { shapes }, version));
    saved = sending;
    changed();
    say("saved", "right");
    by("comments").hidden = true;
  } catch (error) {
    say(error.message, "wrong");
  }
}

by("form").addEventListener("submit", (event) => event.preventDefault());
by("name").addEventListener("change", () => edit("name", by("name").value.trim()));
by("anchor").addEventListener("change", () => edit("anchor", by("anchor").value));
by("classes").addEventListener("change", () => {
  const names = by("classes").value.split(",").map((name) => name.trim()).filter(Boolean);
  edit("classes", names.length ? names : undefined);
});
by("dwell").addEventListener("change", () => {
  const seconds = by("dwell").value.trim().replace(",", ".");
  edit("dwell_s", seconds === "" ? undefined : Number.isFinite(Number(seconds)) ? Number(seconds) : seconds);
});
by("turn").addEventListener("click", () => {
  shapes[chosen].points.reverse();
  commit();
});
by("delete").addEventListener("click", erase);
by("finish").addEventListener("click", finish);
by("undo").addEventListener("click", () => back(history.undo()));
by("redo").addEventListener("click", () => back(history.redo()));
by("save").addEventListener("click", save);
by("closer").addEventListener("click", () => stage.zoom(1.5));
by("farther").addEventListener("click", () => stage.zoom(1 / 1.5));
for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => take(tool === button.dataset.tool ? null : button.dataset.tool));
addEventListener("beforeunload", (event) => !by("save").disabled && event.preventDefault());
shortcuts({ undo: () => back(history.undo()), redo: () => back(history.redo()), save });

function edit(key, value) {
  if (chosen === null) return;
  shapes[chosen][key] = value;
  commit();
}

panel();
changed();
say("");
stage.render();
