// Pictures of frames: the one that is wanted first, then those that will be, a few questions at a time.

const AT_ONCE = 5; // browsers allow six
const READY_PIXELS = 24e6, READY = 8; // of pictures that are ready to be drawn, and how many there are of any size
const KEPT_BYTES = 96 << 20; // of those that are not

export class Frames extends EventTarget {
  constructor(count, available) {
    super();
    this.count = count;
    this.available = available;
    this.ready = new Map(); // key -> ImageBitmap, the last used last
    this.blobs = new Map();
    this.pixels = this.bytes = 0;
    this.missing = new Set();
    this.asked = new Set(); // keys
    this.wanted = [];
  }

  has(frame, whole = false) {
    return this.ready.has(key(frame, whole));
  }

  // The picture, or null where there is none (yet).
  get(frame, whole = false) {
    const found = this.ready.get(key(frame, whole));
    if (found) {
      this.ready.delete(key(frame, whole));
      this.ready.set(key(frame, whole), found);
    }
    return found ?? null;
  }

  hopeless(frame) {
    return !this.available || this.missing.has(frame);
  }

  // What is to be there soon: the frame first, then `ahead` of them in the direction of going.
  want(frame, { whole = false, ahead = 0, direction = 1 } = {}) {
    if (!this.available) return;
    const list = [key(frame, false)];
    if (whole) list.push(key(frame, true));
    for (let k = 1; k <= ahead; k++) {
      const next = frame + k * direction;
      if (next >= 1 && next <= this.count) list.push(key(next, false));
    }
    this.wanted = list;
    this.#go();
  }

  // Of the pictures that are there, the one that is nearest to a frame, and nearer than what is shown.
  nearest(frame, shown) {
    let best = shown;
    for (const one of this.ready.keys()) {
      const there = parseInt(one);
      if (!one.endsWith("w") && (best < 1 || Math.abs(there - frame) < Math.abs(best - frame))) best = there;
    }
    return best;
  }

  // A question that is not wanted any more is not taken back: where somebody goes on faster than pictures come, its
  // answer is the nearest there is, and without it none would come at all.
  #go() {
    for (const one of this.wanted) {
      if (this.asked.size >= AT_ONCE) return;
      if (!this.ready.has(one) && !this.asked.has(one) && !this.missing.has(parseInt(one))) this.#load(one);
    }
  }

  async #load(one) {
    this.asked.add(one);
    try {
      let blob = this.blobs.get(one);
      if (!blob) {
        const answer = await fetch(`/frames/${parseInt(one)}.jpg${one.endsWith("w") ? "?whole=1" : ""}`);
        if (answer.status === 404) this.missing.add(parseInt(one));
        if (!answer.ok) throw new Error(answer.status);
        blob = await answer.blob();
        this.#keep(one, blob);
      }
      const picture = await createImageBitmap(blob);
      this.ready.set(one, picture);
      this.pixels += area(picture);
      while (this.pixels > READY_PIXELS && this.ready.size > READY) {
        const [oldest, old] = this.ready.entries().next().value;
        this.pixels -= area(old);
        old.close();
        this.ready.delete(oldest);
      }
    } catch {
      await new Promise((done) => setTimeout(done, 300));
    }
    this.asked.delete(one);
    this.dispatchEvent(new CustomEvent("ready", { detail: one }));
    this.#go();
  }

  #keep(one, blob) {
    this.blobs.set(one, blob);
    this.bytes += blob.size;
    while (this.bytes > KEPT_BYTES) {
      const [oldest, old] = this.blobs.entries().next().value;
      this.bytes -= old.size;
      this.blobs.delete(oldest);
    }
  }
}

const area = ({ width, height }) => width * height;
const key = (frame, whole) => `${frame}${whole ? "w" : ""}`;
