// What the rows of a frame carry beside their boxes: masks, runs of pixels down the frame's columns that are painted once
// into a picture of their own; skeletons; oriented boxes.

import { ask } from "./ask.js";
import { objectColour } from "./colours.js";
import { unpack } from "./rows.js";

const KEPT = 12, AT_ONCE = 3, AHEAD = 2; // frames
const AGAIN_MS = 500; // from a question that was not answered to the next

export class Shapes extends EventTarget {
  constructor({ masks, skeleton, turned, frames, stride }) {
    super();
    this.there = masks || skeleton || turned;
    Object.assign(this, { frames, stride, skeleton, known: new Map(), asking: new Set(), last: 1, turn: 0 });
  }

  forget() {
    this.known.clear();
    this.turn++;
  }

  // Whether it is to be drawn again once something has come: what was refused, as too much was on its way, is asked now.
  lacks(frame) {
    return this.there && !this.known.has(frame);
  }

  // Of a frame: {masks, points: id -> x, y, confidence..., corners: id -> x, y...}; null as long as they are not there.
  get(frame) {
    if (!this.there) return null;
    const step = this.stride * (frame < this.last ? -1 : 1);
    this.last = frame;
    for (let k = 0; k <= AHEAD; k++) this.#want(frame + k * step);
    return this.known.get(frame) ?? null;
  }

  #want(frame) {
    if (frame >= 1 && frame <= this.frames && !this.known.has(frame) && !this.asking.has(frame) && this.asking.size < AT_ONCE) this.#load(frame);
  }

  async #load(frame) {
    const { turn } = this;
    this.asking.add(frame);
    try {
      const { head, columns } = unpack(await (await ask(`/shapes/${frame}`)).arrayBuffer());
      if (turn !== this.turn) return;
      this.known.set(frame, {
        masks: painted(head.height, columns),
        points: byId(columns.jointed, columns.points),
        corners: byId(columns.turned, columns.corners),
      });
      if (this.known.size > KEPT) this.known.delete(this.known.keys().next().value);
    } catch {
      await new Promise((done) => setTimeout(done, AGAIN_MS)); // without them, then
    } finally {
      this.asking.delete(frame);
      this.dispatchEvent(new CustomEvent("ready", { detail: frame }));
    }
  }
}

const byId = (ids, values) => new Map([...ids].map((id, k) => [id, values.subarray((k * values.length) / ids.length, ((k + 1) * values.length) / ids.length)]));

// A picture of all masks whose lines are the frame's columns from `left` on: so that each run is one piece of it.
function painted(height, { masked, runs, edges }) {
  if (!edges.length) return null;
  let first = edges[0], last = edges[0];
  for (const pixel of edges) {
    if (pixel < first) first = pixel;
    if (pixel > last) last = pixel;
  }
  const left = Math.floor(first / height), wide = Math.ceil(last / height) - left;
  const image = new ImageData(height, wide);
  const pixels = new Uint32Array(image.data.buffer);
  let at = 0;
  masked.forEach((id, k) => {
    const [r, g, b] = [1, 3, 5].map((place) => parseInt(objectColour(id).slice(place, place + 2), 16));
    const paint = ((115 << 24) | (b << 16) | (g << 8) | r) >>> 0; // little-endian, as all that browsers run on
    for (const end = at + runs[k]; at < end; at += 2) pixels.fill(paint, edges[at] - left * height, edges[at + 1] - left * height);
  });
  const picture = new OffscreenCanvas(height, wide);
  picture.getContext("2d").putImageData(image, 0, 0);
  return { picture, left };
}
