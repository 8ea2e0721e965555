// What is drawn over a frame, in the picture's own pixels; widths are the screen's at any zoom.

import { PREDICTED } from "./rows.js";
import { objectColour } from "./colours.js";

const TRAIL_S = 1.5, FADES = 4, AHEAD_S = 3;

export function drawZones(g, zones, line) {
  g.save();
  g.lineWidth = 1.5 * line;
  g.font = `600 ${12 * line}px system-ui, sans-serif`;
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

function plate(g, text, x, y, colour, line, above = false) {
  const high = 16 * line, wide = g.measureText(text).width + 8 * line;
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

export function drawBox(g, rows, row, line, emphasis) {
  const [left, top, right, bottom] = rows.boxOf(row);
  const predicted = rows.flags[row] & PREDICTED;
  const colour = objectColour(rows.id[row]);
  const wide = emphasis === "chosen" ? 3 : emphasis === "dim" ? 1.25 : 2;
  if (emphasis === "chosen") {
    g.strokeStyle = "#ffffff";
    g.lineWidth = (wide + 3) * line;
    g.strokeRect(left, top, right - left, bottom - top);
  }
  g.strokeStyle = "rgb(10 14 12 / 60%)";
  g.lineWidth = (wide + 1.5) * line;
  g.strokeRect(left, top, right - left, bottom - top);
  g.strokeStyle = colour;
  g.lineWidth = wide * line;
  if (predicted) g.setLineDash([7 * line, 5 * line]);
  g.strokeRect(left, top, right - left, bottom - top);
  g.setLineDash([]);
}

export function drawLabel(g, rows, row, line, short, [width]) {
  const one = rows.byId.get(rows.id[row]);
  const [left, top] = rows.boxOf(row);
  const text = rows.names[one.id] ?? (short ? String(one.id) : rows.title(one));
  g.font = `600 ${12 * line}px system-ui, sans-serif`;
  const x = Math.max(0, Math.min(left - line, width - g.measureText(text).width - 8 * line));
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
  g.font = `600 ${11 * line}px system-ui, sans-serif`;
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
