// Playing: at the video's own times, with every frame whose picture comes in time, and none before it has come.

const AHEAD = 12; // pictures
const BRISK_MS = 200; // between frames, when somebody drags along

export class Player {
  constructor(view, frames) {
    Object.assign(this, { view, frames, rows: null, at: 1, direction: 1, movedAt: -1e6, brisk: false });
    view.on(["playing"], () => view.playing && this.#begin());
    view.on(["frame", "speed"], () => this.#frameChanged());
  }

  want(whole) {
    const { view } = this;
    const now = performance.now(), brisk = now - this.movedAt < BRISK_MS;
    if (view.frame !== this.at) {
      [this.direction, this.brisk] = [view.frame >= this.at ? 1 : -1, brisk];
      [this.at, this.movedAt] = [view.frame, now];
    } else this.brisk &&= brisk;
    this.frames.want(view.frame, { whole: whole && !this.brisk, ahead: view.playing || this.brisk ? AHEAD : 3, direction: this.direction });
  }

  #frameChanged() {
    if (this.stepping) return;
    this.#anchor(); // somebody has gone elsewhere
  }

  #anchor() {
    this.startedAt = performance.now();
    this.startedFrom = this.rows?.seconds(this.view.frame) ?? 0;
  }

  #begin() {
    if (this.view.frame >= this.rows.frames) this.view.set({ frame: 1 });
    this.#anchor();
    requestAnimationFrame(() => this.#step());
  }

  #step() {
    const { view, rows, frames } = this;
    if (!view.playing) return;
    const due = rows.frameAt(this.startedFrom + ((performance.now() - this.startedAt) / 1000) * view.speed);
    let next = view.frame;
    if (due > view.frame && (view.shown === view.frame || frames.hopeless(view.frame))) {
      next = view.frame + 1;
      for (let frame = due; frame > next; frame--) if (frames.has(frame) || frames.hopeless(frame)) next = frame;
    }
    if (next !== view.frame) {
      this.stepping = true;
      view.set({ frame: Math.min(next, rows.frames) });
      this.stepping = false;
      if (due - next > 8) this.#anchor(); // pictures come too late: slower, rather than with leaps
    }
    if (view.frame >= rows.frames) view.set({ playing: false });
    else requestAnimationFrame(() => this.#step());
  }
}
