// What is drawn over a frame, in the picture's own pixels; widths are the screen's at any zoom.

import { PREDICTED } from "./rows.js";
import { objectColour } from "./colours.js";

const TRAIL_S = 1.5, FADES = 4, AHEAD_S = 3;
const INK = "rgb(10 14 12 / 60%)";
const font = (size) => `600 ${size}px system-ui, sans-serif`;

export function drawZones(g, zones, line) {
  g.save();
  for (const zone of zones) {
    path(g, zone.points);
    if (zone.area) g.closePath();
    if (zone.area) {
      g.fillStyle = zone.name ? "rgb(120 200 255 / 9%)" : "rgb(0 0 0 / 45%)";
      g.fill();
    }
    g.strokeStyle = "rgb(10 14 12 / 55%)";
    g.lineWidth = 3.5 * line;
    g.stroke();
    g.strokeStyle = zone.name ? "#9ad8ff" : "rgb(255 255 255 / 50%)";
    g.lineWidth = 1.5 * line;
    g.stroke();
    if (zone.name) plate(g, zone.name, zone.points[0][0], zone.points[0][1], "#9ad8ff", line);
  }
  g.restore();
}

function path(g, points) {
  g.beginPath();
  points.forEach(([x, y], k) => (k ? g.lineTo(x, y) : g.moveTo(x, y)));
}

// How wide a plate with a text is on the screen; asked for of every label of every frame.
const widths = new Map();
function plateWidth(g, text) {
  if (!widths.has(text)) {
    if (widths.size > 5000) widths.clear();
    g.font = font(12);
    widths.set(text, g.measureText(text).width + 8);
  }
  return widths.get(text);
}

function plate(g, text, x, y, colour, line, above = false) {
  const high = 16 * line, wide = plateWidth(g, text) * line;
  g.font = font(12 * line);
  const top = above ? y - high : y;
  g.fillStyle = colour;
  g.fillRect(x, top, wide, high);
  g.fillStyle = "#0c0f0e";
  g.textBaseline = "middle";
  g.fillText(text, x + 4 * line, top + high / 2 + 0.5 * line);
}

const foot = ([left, , right, bottom]) => [(left + right) / 2, bottom];

// The way of an object: behind it, and of the chosen one also what is ahead.
export function drawTrail(g, rows, id, frame, line, ahead) {
  const one = rows.byId.get(id);
  let row = rows.of(id, frame, true);
  if (!one || row < 0) return;
  const now = rows.seconds(frame);
  g.strokeStyle = objectColour(id);
  g.lineWidth = 2 * line;
  g.lineJoin = "round";
  if (ahead) {
    const last = [];
    for (let k = row; k < one.to && rows.seconds(rows.frame[k]) - now <= AHEAD_S; k++) last.push(foot(rows.boxOf(k)));
    g.setLineDash([2 * line, 4 * line]);
    path(g, last);
    g.stroke();
    g.setLineDash([]);
    return;
  }
  for (let part = 0, k = row; part < FADES; part++) {
    const course = [foot(rows.boxOf(k))];
    for (; k > one.from && now - rows.seconds(rows.frame[k - 1]) <= ((part + 1) / FADES) * TRAIL_S; k--) course.push(foot(rows.boxOf(k - 1)));
    g.globalAlpha = 1 - part / FADES;
    path(g, course);
    g.stroke();
  }
  g.globalAlpha = 1;
}

// The place of an object: its oriented box, where it has one, else the upright one.
export function drawBox(g, rows, row, line, emphasis, corners) {
  const [left, top, right, bottom] = rows.boxOf(row);
  g.beginPath();
  if (corners) for (let k = 0; k < corners.length; k += 2) g.lineTo(corners[k], corners[k + 1]);
  else g.rect(left, top, right - left, bottom - top);
  g.closePath();
  const predicted = rows.flags[row] & PREDICTED;
  const colour = objectColour(rows.id[row]);
  const wide = emphasis === "chosen" ? 3 : emphasis === "dim" ? 1.25 : 2;
  if (emphasis === "chosen") {
    g.strokeStyle = "#ffffff";
    g.lineWidth = (wide + 3) * line;
    g.stroke();
  }
  g.strokeStyle = INK;
  g.lineWidth = (wide + 1.5) * line;
  g.stroke();
  g.strokeStyle = colour;
  g.lineWidth = wide * line;
  if (predicted) g.setLineDash([7 * line, 5 * line]);
  g.stroke();
  g.setLineDash([]);
}

// A picture whose lines are the frame's columns.
export function drawMasks(g, { picture, left }) {
  g.save();
  g.transform(0, 1, 1, 0, left, 0);
  g.drawImage(picture, 0, 0);
  g.restore();
}

export function drawSkeleton(g, points, { limbs, sure }, id, line) {
  const known = (k) => points[3 * k + 2] >= sure && Number.isFinite(points[3 * k]);
  const place = (k) => [points[3 * k], points[3 * k + 1]];
  const dots = new Path2D(), joined = new Path2D();
  for (const [a, b] of limbs) {
    if (!known(a) || !known(b)) continue;
    joined.moveTo(...place(a));
    joined.lineTo(...place(b));
  }
  for (let k = 0; 3 * k < points.length; k++) {
    if (!known(k)) continue;
    const [x, y] = place(k);
    dots.moveTo(x + 2.5 * line, y);
    dots.arc(x, y, 2.5 * line, 0, 7);
  }
  g.lineCap = "round";
  for (const [paint, more] of [[INK, 1.5], [objectColour(id), 0]]) {
    g.strokeStyle = g.fillStyle = paint;
    g.lineWidth = (2 + more) * line;
    g.stroke(joined);
    g.lineWidth = more * line;
    if (more) g.stroke(dots);
    g.fill(dots);
  }
  g.lineCap = "butt";
}

// Where the motion network expects the foot of an object: its way, and what holds it with 90 % after each step.
export function drawForecast(g, rows, { id, frame, feet, radii }, line, size) {
  if (!feet.length) return;
  const row = rows.of(id, frame);
  const corridor = new Path2D();
  feet.forEach(([x, y], k) => {
    corridor.moveTo(x + radii[k][0], y);
    corridor.ellipse(x, y, ...radii[k], 0, 0, 2 * Math.PI);
  });
  g.save();
  g.beginPath();
  g.rect(0, 0, ...size);
  g.clip();
  g.fillStyle = objectColour(id);
  g.globalAlpha = 0.28;
  g.fill(corridor);
  g.globalAlpha = 1;
  for (const [colour, wide] of [[INK, 3.5], ["#ffffff", 1.5]]) {
    g.strokeStyle = colour;
    g.lineWidth = wide * line;
    path(g, row < 0 ? feet : [foot(rows.boxOf(row)), ...feet]);
    g.stroke();
    g.beginPath();
    g.ellipse(...feet.at(-1), ...radii.at(-1), 0, 0, 2 * Math.PI);
    g.stroke();
  }
  g.restore();
}

export function drawLabel(g, rows, row, line, short, [width]) {
  const one = rows.byId.get(rows.id[row]);
  const [left, top] = rows.boxOf(row);
  const text = rows.names[one.id] ?? (short ? String(one.id) : rows.title(one));
  const x = Math.max(0, Math.min(left - line, width - plateWidth(g, text) * line));
  plate(g, text, x, Math.max(top, 16 * line), objectColour(one.id), line, true);
}

// Where the tracker expected it: the box, and by how much its middle may be off.
export function drawExpected(g, { predicted, std }, line) {
  if (!predicted) return;
  const [left, top, right, bottom] = predicted;
  g.strokeStyle = "#ffffff";
  g.lineWidth = 1.5 * line;
  g.setLineDash([3 * line, 3 * line]);
  g.strokeRect(left, top, right - left, bottom - top);
  if (std) {
    g.beginPath();
    g.ellipse((left + right) / 2, (top + bottom) / 2, 2 * std[0], 2 * std[1], 0, 0, 7);
    g.stroke();
  }
  g.setLineDash([]);
  plate(g, "expected", left, bottom, "#ffffff", line);
}

export const HANDLE = 11; // screen pixels

export function drawEdited(g, box, line) {
  const [left, top, right, bottom] = box;
  g.strokeStyle = "#ffffff";
  g.lineWidth = 2 * line;
  g.strokeRect(left, top, right - left, bottom - top);
  g.fillStyle = "#ffffff";
  const side = HANDLE * line * 0.8;
  for (const [x, y] of handles(box)) {
    g.fillRect(x - side / 2, y - side / 2, side, side);
    g.strokeStyle = "#0c0f0e";
    g.lineWidth = line;
    g.strokeRect(x - side / 2, y - side / 2, side, side);
  }
}

// x, y, and which edges (left, top, right, bottom) each moves.
export function handles([left, top, right, bottom]) {
  const cx = (left + right) / 2, cy = (top + bottom) / 2;
  return [
    [left, top, [0, 1]], [cx, top, [1]], [right, top, [2, 1]], [right, cy, [2]],
    [right, bottom, [2, 3]], [cx, bottom, [3]], [left, bottom, [0, 3]], [left, cy, [0]],
  ];
}
