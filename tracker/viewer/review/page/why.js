// Why the tracker did what it did with the chosen object in this frame: the run is done again up to there.

import { json } from "./ask.js";
import { element } from "./list.js";

const TERMS = [
  ["detection", "detection"], ["track", "track"], ["score", "score"], ["score, calibrated", "trust"],
  ["heights away", "distance"], ["IoU", "iou"], ["IoU, grown", "grown_iou"], ["× vertical", "vertical"],
  ["× class", "same_class"], ["+ appearance", "look"], ["= similarity", "similarity"], ["gate", "gate"], ["stage", "stage"],
];

export class Why {
  constructor(view, place) {
    Object.assign(this, { view, place });
    view.on(["chosen", "frame"], () => this.#left());
  }

  #left() {
    if (this.of && (this.of.id !== this.view.chosen || this.of.frame !== this.view.frame)) this.close();
  }

  close() {
    this.of = null;
    this.place.hidden = true;
    this.view.set({ explained: null });
  }

  async ask() {
    if (this.view.chosen === null) return;
    this.view.set({ playing: false });
    const of = (this.of = { id: this.view.chosen, frame: this.view.frame });
    this.place.hidden = false;
    const bar = element("progress");
    bar.max = of.frame;
    bar.setAttribute("aria-label", "Doing the run again");
    this.place.replaceChildren(element("p", "soft", `Doing the run again up to frame ${of.frame}…`), bar);
    this.place.scrollIntoView({ block: "nearest" });
    while (this.of === of) {
      try {
        const said = await json(`/explain?id=${of.id}&frame=${of.frame}`);
        if (this.of !== of) return;
        if (said.done) return this.#show(said, of);
        bar.value = said.frame;
      } catch (error) {
        if (this.of === of) this.place.replaceChildren(element("p", "", error.message));
        return;
      }
      await new Promise((done) => setTimeout(done, 400));
    }
  }

  #show(said, of) {
    const parts = [];
    if (said.problem) parts.push(element("p", "", sentence(said.problem)));
    else {
      parts.push(element("p", "", said.answer));
      if (said.then !== of.id) parts.push(element("p", "soft", `The run called it ${said.then}.`));
      const seen = said.last_seen === null ? "never before" : `last in frame ${said.last_seen}, ${said.unseen_s.toFixed(2)} s before`;
      parts.push(element("p", "soft", `Frame ${of.frame}, ${said.state}; seen ${seen}.`));
      if (said.pairs.length) parts.push(table(said));
      for (const back of said.returns) parts.push(element("p", "", `By appearance, new track ${back.new} is track ${back.absent} with log-odds of ${back.odds.toFixed(1)}.`));
      if (said.remark) parts.push(element("p", "soft", `Note: ${said.remark}.`));
      this.view.set({ explained: { frame: of.frame, predicted: said.predicted, std: said.std } });
    }
    this.place.replaceChildren(...parts);
    this.place.scrollIntoView({ block: "nearest" });
  }
}

const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1) + ".";

function table(said) {
  const born = said.state === "new";
  const body = element("table");
  for (const [label, key] of TERMS) {
    if (key === (born ? "detection" : "track") || !(key in said.pairs[0])) continue;
    const line = element("tr", key === "similarity" ? "sum" : "");
    const head = element("th", "", label);
    head.scope = "row";
    line.append(head, ...said.pairs.map((pair) => element("td", "", shown(pair[key], key))));
    body.append(line);
  }
  const verdicts = element("tr");
  const head = element("th", "", "verdict");
  head.scope = "row";
  verdicts.append(head, ...said.pairs.map((pair) => element("td", "", pair.verdict.split(" (")[0])));
  body.append(verdicts);
  const scroll = element("div", "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "group");
  scroll.setAttribute("aria-label", "Compared with, term by term");
  scroll.append(body);
  return scroll;
}

const shown = (value, key) => (value === null || value === undefined ? "–" : typeof value === "number" && !["detection", "track"].includes(key) ? value.toFixed(2) : String(value));
