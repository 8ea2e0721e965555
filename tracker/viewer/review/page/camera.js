// Which part of the picture is seen, and how large: by wheel, pinch, drag and keys.

const CLOSEST = 32; // screen pixels a pixel of the picture

export class Camera {
  constructor(size) {
    this.size = size;
    this.scale = 1;
    this.x = this.y = 0; // of the picture's corner on the screen
    this.fitted = true;
    this.width = this.height = 1;
  }

  resize(width, height) {
    const [cx, cy] = this.toPicture(this.width / 2, this.height / 2);
    this.width = width;
    this.height = height;
    if (this.fitted) this.fit();
    else this.centre(cx, cy);
  }

  fit() {
    const [w, h] = this.size;
    this.scale = Math.min(this.width / w, this.height / h);
    this.x = (this.width - w * this.scale) / 2;
    this.y = (this.height - h * this.scale) / 2;
    this.fitted = true;
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const least = Math.min(this.width / this.size[0], this.height / this.size[1]);
    const scale = Math.min(Math.max(this.scale * factor, least), CLOSEST);
    if (scale <= least * 1.001) return this.fit();
    const [px, py] = this.toPicture(x, y);
    this.scale = scale;
    this.x = x - px * scale;
    this.y = y - py * scale;
    this.fitted = false;
    this.#bound();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.#bound();
  }

  centre(x, y) {
    this.x = this.width / 2 - x * this.scale;
    this.y = this.height / 2 - y * this.scale;
    this.#bound();
  }

  // Follow a box: centred, and at least a third as high as the screen.
  follow([left, top, right, bottom]) {
    const wanted = (0.34 * Math.min(this.height, this.width)) / Math.max(bottom - top, 1);
    if (this.fitted || this.scale < wanted * 0.5) this.scale = Math.min(wanted, CLOSEST);
    this.fitted = false;
    this.centre((left + right) / 2, (top + bottom) / 2);
  }

  toPicture(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  // The picture's middle never leaves the screen's part that shows it.
  #bound() {
    const [w, h] = this.size.map((side) => side * this.scale);
    this.x = w < this.width ? (this.width - w) / 2 : Math.min(Math.max(this.x, this.width - w - 80), 80);
    this.y = h < this.height ? (this.height - h) / 2 : Math.min(Math.max(this.y, this.height - h - 80), 80);
  }
}
