import { History, Stage, element, put, shortcuts } from "/stage.js";

const by = (id) => document.getElementById(id);
const COLOUR = "#ffb000";
const STEPS = ["Parallel line 1", "Parallel line 1", "Parallel line 2", "Parallel line 2", "Length 1", "Length 1", "Length 2", "Length 2"];

const state = await (await fetch("/state")).json();
let points = state.points.map(({ px, m }) => ({ px, m: m.map(String) }));
let version = state.version;
let fit = null; // what the server says of the points
let asked = 0;
let marks = null; // ends of lines and lengths that are being marked, in the order of STEPS
let saved = JSON.stringify(points);
const history = new History(points);
document.title = `Calibration – ${state.file}`;
by("file").textContent = state.file;
by("stage").style.setProperty("--shape", `${state.size[0]} / ${state.size[1]}`);

const number = (text) => (String(text).trim() === "" ? NaN : Number(String(text).replace(",", ".")));
const sent = () => ({ points: points.map(({ px, m }) => ({ px, m: m.map(number) })) });
const ready = () => points.length >= 4 && points.every(({ m }) => m.every((value) => Number.isFinite(number(value))));
const marking = () => marks !== null && marks.length < STEPS.length;

const stage = new Stage(by("picture"), state.size, {
  draws: marking,
  click(point) {
    if (marking()) {
      marks.push(point);
      return lengths();
    }
    points.push({ px: point, m: ["", ""] });
    commit();
    by("points").lastElementChild.querySelector("input").focus();
  },
  grab(key) {
    if (!key.startsWith("m")) current(Number(key));
    return key;
  },
  place: (key) => (key.startsWith("m") ? marks[Number(key.slice(1))] : points[Number(key)].px),
  move(key, point) {
    if (key.startsWith("m")) marks[Number(key.slice(1))] = point;
    else points[Number(key)].px = point;
  },
  moved: (key) => !key.startsWith("m") && commit(),
  remove: (key) => !key.startsWith("m") && erase(Number(key)),
  finish() {},
  cancel: () => mark(null),
  render: draw,
});

function draw() {
  if (fit?.grid) {
    const grid = element("svg", { class: "grid", width: state.size[0], height: state.size[1] }); // ends at the picture's edge
    for (const line of fit.grid) grid.append(element("path", { d: `M${line.map((point) => point.join(" ")).join("L")}` }));
    stage.layer.append(grid);
  }
  const group = element("g", { class: "shapes", style: `--of: ${COLOUR}` });
  points.forEach(({ px, m }, row) => {
    group.append(stage.handle(String(row), px, `Point ${row + 1}`));
    const words = m.every((value) => value !== "") ? `${row + 1} (${m.join(", ")})` : `${row + 1}`;
    group.append(stage.text([px[0] + 10 * stage.scale, px[1] - 8 * stage.scale], words));
  });
  (marks ?? []).forEach((point, row) => {
    if (row % 2) group.append(element("path", { d: `M${marks[row - 1].join(" ")}L${point.join(" ")}`, style: row < 4 ? "--of: #4fc3ff" : "--of: #ff6f91" }));
    group.append(marking() ? element("circle", { class: "handle", cx: point[0], cy: point[1], r: 6 * stage.scale }) : stage.handle(`m${row}`, point, `${STEPS[row]}, end ${(row % 2) + 1}`));
    if (row % 2 && row > 3) group.append(stage.text([(point[0] + marks[row - 1][0]) / 2, (point[1] + marks[row - 1][1]) / 2 - 8 * stage.scale], row === 5 ? "1" : "2"));
  });
  stage.layer.append(group);
}

function rows() {
  const focused = document.activeElement?.dataset?.field;
  by("points").replaceChildren(
    ...points.map((point, row) => {
      const line = document.createElement("tr");
      const head = line.insertCell();
      head.textContent = row + 1;
      head.title = `pixel ${point.px.join(", ")}`;
      point.m.forEach((value, axis) => {
        const field = document.createElement("input");
        field.value = value;
        field.inputMode = "decimal";
        field.autocomplete = "off";
        field.dataset.field = `${row}.${axis}`;
        field.setAttribute("aria-label", `${"xy"[axis]} of point ${row + 1} in metres`);
        field.addEventListener("focus", () => current(row));
        field.addEventListener("input", () => {
          point.m[axis] = field.value.trim();
          history.commit(points);
          buttons();
          stage.render();
          ask();
        });
        line.insertCell().append(field);
      });
      line.insertCell().className = "error";
      const remove = document.createElement("button");
      remove.textContent = "✕";
      remove.setAttribute("aria-label", `Delete point ${row + 1}`);
      remove.addEventListener("click", () => erase(row));
      line.insertCell().append(remove);
      return line;
    }),
  );
  errors();
  if (focused !== undefined) by("points").querySelector(`[data-field="${focused}"]`)?.focus();
}

function errors() {
  const shown = fit?.error_m ?? [];
  const worst = shown.length > 4 && Math.max(...shown) > 0.05 ? shown.indexOf(Math.max(...shown)) : -1;
  [...by("points").rows].forEach((line, row) => {
    line.querySelector(".error").textContent = shown[row] === undefined ? "" : `${shown[row].toFixed(2)} m`;
    line.classList.toggle("worst", row === worst);
  });
}

function current(row) {
  [...by("points").rows].forEach((line, at) => line.setAttribute("aria-current", at === row));
}

function erase(row) {
  points.splice(row, 1);
  commit();
}

function commit() {
  history.commit(points);
  rows();
  buttons();
  stage.render();
  ask();
}

function buttons() {
  const open = JSON.stringify(points) !== saved;
  by("undo").disabled = !history.past.length;
  by("redo").disabled = !history.future.length;
  by("save").disabled = !open || !ready();
  if (open) say(ready() ? "not saved" : "");
}

function say(words, kind = "") {
  by("said").textContent = words;
  by("said").className = kind;
}

// The grid of the points as they are; answers that come late are left out.
async function ask() {
  const question = ++asked;
  if (!ready()) {
    fit = null;
    by("grid").textContent = points.length ? `${Math.max(0, 4 - points.length) || "No"} more points are needed${points.length < 4 ? "" : ", but all their metres"}.` : "";
  } else {
    try {
      const answer = await put("/fit", sent());
      if (question !== asked) return;
      fit = answer;
      by("grid").textContent = `A line of the grid every ${fit.spacing_m} m. It should lie on the ground as marks on it do.`;
    } catch (error) {
      if (question !== asked) return;
      fit = null;
      by("grid").textContent = error.message;
    }
  }
  errors();
  stage.render();
}

function mark(to) {
  marks = to;
  lengths();
  stage.render();
}

function lengths() {
  const end = marks?.length ?? 0;
  by("hint").hidden = !marking();
  by("hint-text").textContent = marking() ? `${STEPS[end]}: click ${end % 2 ? "its other end" : "one end"}.` : "";
  by("mark").textContent = marks ? "Mark anew" : "Mark lines and lengths";
  for (const id of ["length-0", "length-1", "use"]) by(id).disabled = !marks || marking();
  if (marks && !marking()) by("length-0").focus();
}

by("mark").addEventListener("click", () => {
  mark([]);
  stage.svg.focus({ preventScroll: true });
});
by("cancel").addEventListener("click", () => mark(null));
by("lengths").addEventListener("submit", async (event) => {
  event.preventDefault();
  const pairs = [0, 2, 4, 6].map((end) => marks.slice(end, end + 2));
  try {
    const made = await put("/lengths", { parallel: pairs.slice(0, 2), segments: pairs.slice(2), lengths_m: [0, 1].map((which) => number(by(`length-${which}`).value)) });
    points = made.points.map(({ px, m }) => ({ px, m: m.map(String) }));
    mark(null);
    commit();
    by("lengths-note").textContent = "These points follow from what you marked. Does the grid lie on the ground?";
  } catch (error) {
    by("lengths-note").textContent = error.message;
  }
});

function back(to) {
  if (!to) return;
  points = to;
  rows();
  buttons();
  stage.render();
  ask();
}

async function save() {
  if (by("save").disabled) return;
  const sending = JSON.stringify(points);
  try {
    ({ version } = await put("/ground", sent(), version));
    saved = sending;
    buttons();
    say("saved", "right");
  } catch (error) {
    say(error.message, "wrong");
  }
}

by("undo").addEventListener("click", () => back(history.undo()));
by("redo").addEventListener("click", () => back(history.redo()));
by("save").addEventListener("click", save);
by("closer").addEventListener("click", () => stage.zoom(1.5));
by("farther").addEventListener("click", () => stage.zoom(1 / 1.5));
addEventListener("beforeunload", (event) => JSON.stringify(points) !== saved && event.preventDefault());
shortcuts({ undo: () => back(history.undo()), redo: () => back(history.redo()), save });

rows();
buttons();
say("");
stage.render();
ask();
