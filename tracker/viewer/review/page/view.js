// What is looked at: the frame, the chosen object, how; whoever shows it hears of changes.

export class View extends EventTarget {
  constructor() {
    super();
    this.frame = 1; // that is wanted
    this.shown = 0; // whose picture is drawn
    this.chosen = null; // id
    this.other = null; // id of the second of a pair
    this.playing = false;
    this.speed = 1;
    this.follow = false;
    this.picking = null; // called with the id of the object that is clicked next
    this.editing = null; // {id, box: [l, t, r, b], drawn}
    this.explained = null; // {frame, id, predicted, std}
    this.forecast = null; // {id, frame, feet, radii}
    this.layers = new Set(["boxes", "labels", "trails", "ahead", "forecast", "masks", "skeletons", "zones"]);
    this.matches = null; // ids that the search found; null: all
  }

  set(changes) {
    const changed = Object.keys(changes).filter((name) => this[name] !== changes[name]);
    if (!changed.length) return;
    Object.assign(this, changes);
    this.dispatchEvent(new CustomEvent("change", { detail: new Set(changed) }));
  }

  on(names, call) {
    this.addEventListener("change", ({ detail }) => names.some((name) => detail.has(name)) && call());
  }
}
