// Where the chosen object goes from the frame that is shown, as the motion network says: asked when nothing moves.

import { json } from "./ask.js";

const STILL_MS = 150;

export class Forecasts {
  constructor(view) {
    this.view = view;
    view.on(["chosen", "shown", "playing", "layers"], () => this.#later());
  }

  // The rows are others now.
  forget() {
    this.view.set({ forecast: null });
    this.#later();
  }

  #later() {
    const { view } = this;
    clearTimeout(this.timer);
    if (view.forecast && (view.forecast.id !== view.chosen || view.forecast.frame !== view.shown)) view.set({ forecast: null });
    if (view.chosen !== null && view.shown && !view.playing && !view.forecast && view.layers.has("forecast")) this.timer = setTimeout(() => this.#ask(), STILL_MS);
  }

  async #ask() {
    const { view } = this;
    const [id, frame] = [view.chosen, view.shown];
    try {
      const said = await json(`/forecast?id=${id}&frame=${frame}`);
      if (view.chosen === id && view.shown === frame) view.set({ forecast: { id, frame, ...said } });
    } catch {
      // without it, then
    }
  }
}
