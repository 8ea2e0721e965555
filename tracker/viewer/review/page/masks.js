// The masks of the frame that is shown: runs of pixels down its columns, painted once into a picture of its own.

import { ask } from "./ask.js";
import { objectColour } from "./colours.js";
import { unpack } from "./rows.js";

export class Masks extends EventTarget {
  constructor(size) {
    super();
    this.size = size;
    this.pictures = new Map(); // frame -> OffscreenCanvas
    this.asking = 0;
  }

  forget() {
    this.pictures.clear();
  }

  get(frame) {
    if (!this.pictures.has(frame) && this.asking < 2) this.#load(frame);
    return this.pictures.get(frame) ?? null;
  }

  async #load(frame) {
    this.asking++;
    try {
      const answer = await ask(`/masks/${frame}`);
      this.pictures.set(frame, this.#painted(unpack(await answer.arrayBuffer())));
      if (this.pictures.size > 8) this.pictures.delete(this.pictures.keys().next().value);
      this.dispatchEvent(new Event("ready"));
    } catch {
      // without masks, then
    }
    this.asking--;
  }

  #painted({ head: { height }, columns: { id, runs, edges } }) {
    const [width] = this.size;
    const canvas = new OffscreenCanvas(width, height);
    const g = canvas.getContext("2d");
    const image = g.createImageData(width, height);
    let at = 0;
    id.forEach((one, k) => {
      const colour = objectColour(one);
      const [r, green, b] = [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
      for (const end = at + runs[k]; at < end; at += 2) {
        for (let pixel = edges[at]; pixel < edges[at + 1]; pixel++) {
          const place = 4 * ((pixel % height) * width + Math.floor(pixel / height));
          image.data[place] = r;
          image.data[place + 1] = green;
          image.data[place + 2] = b;
          image.data[place + 3] = 115;
        }
      }
    });
    g.putImageData(image, 0, 0);
    return canvas;
  }
}
