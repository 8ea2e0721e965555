// The rows of the run as they are with the edits: typed arrays, ordered by object and frame, and who is where when.

import { ask } from "./ask.js";

export const SEEN = 0, PREDICTED = 1;
const TYPES = { "<u4": Uint32Array, "<f4": Float32Array, "<f8": Float64Array, "|u1": Uint8Array };

export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const columns = {};
  for (const [name, type, at, count] of head.columns) columns[name] = new TYPES[type](buffer, 4 + length + at, count);
  return { head, columns };
}

export async function loadRows(stride) {
  const answer = await ask("/rows");
  return new Rows(unpack(await answer.arrayBuffer()), stride);
}

export class Rows {
  constructor({ head, columns }, stride) {
    Object.assign(this, { tag: head.tag, classes: head.classes, names: head.names, ...columns });
    this.stride = stride;
    this.frames = this.time.length;
    this.objects = [];
    this.byId = new Map();
    this.#findObjects();
    this.#findFrames();
  }

  // from, to: rows; first, last: frames; parts: flat [first frame, last frame, seen or predicted]
  #findObjects() {
    const { id, frame, flags } = this;
    for (let row = 0; row < id.length; ) {
      const one = { id: id[row], from: row, to: row, first: frame[row], last: 0, class: 0, parts: [], gaps: 0, predicted: 0 };
      for (let before = -1; row < id.length && id[row] === one.id; row++) {
        const kind = flags[row] & PREDICTED;
        const gap = frame[row] - before > this.stride;
        one.predicted += kind;
        if (before < 0 || gap || kind !== one.parts.at(-1)) one.parts.push(frame[row], frame[row], kind);
        else one.parts[one.parts.length - 2] = frame[row];
        if (before >= 0 && gap) one.gaps++;
        before = frame[row];
      }
      one.to = row;
      one.last = frame[row - 1];
      one.class = this.class[row - 1];
      this.objects.push(one);
      this.byId.set(one.id, one);
    }
    this.objects.sort((a, b) => a.first - b.first || a.id - b.id);
  }

  #findFrames() {
    this.begin = new Uint32Array(this.frames + 2);
    for (const frame of this.frame) this.begin[frame + 1]++;
    for (let k = 1; k < this.begin.length; k++) this.begin[k] += this.begin[k - 1];
    const next = this.begin.slice();
    this.order = new Uint32Array(this.frame.length);
    for (let row = 0; row < this.frame.length; row++) this.order[next[this.frame[row]]++] = row;
  }

  at(frame) {
    return frame < 1 || frame > this.frames ? [] : this.order.subarray(this.begin[frame], this.begin[frame + 1]);
  }

  // The row of an object in a frame or, with nearest, the one that is nearest in time; -1: none.
  of(id, frame, nearest = false) {
    const one = this.byId.get(id);
    if (!one) return -1;
    let low = one.from, high = one.to - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.frame[middle] < frame) low = middle + 1;
      else high = middle;
    }
    if (this.frame[low] === frame) return low;
    if (!nearest) return -1;
    return low > one.from && frame - this.frame[low - 1] < Math.abs(this.frame[low] - frame) ? low - 1 : low;
  }

  boxOf(row) {
    return this.box.subarray(4 * row, 4 * row + 4);
  }

  className(number) {
    return this.classes[number] ?? String(number);
  }

  // What people call it: its name, or class and number.
  title(one) {
    return this.names[one.id] ?? `${this.className(one.class)} ${one.id}`;
  }

  seconds(frame) {
    return this.time[Math.min(Math.max(frame, 1), this.frames) - 1] ?? 0;
  }

  frameAt(seconds) {
    let low = 0, high = this.frames - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.time[middle] <= seconds + 1e-4) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }
}

export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const h = Math.floor(tenths / 36000), m = Math.floor(tenths / 600) % 60, s = (tenths % 600) / 10;
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(Math.floor(s))}` : `${m}:${s < 10 ? "0" : ""}${s.toFixed(1)}`;
}
