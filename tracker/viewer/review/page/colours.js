// The colours of objects are, unless two of one colour meet, those of the drawn video, which the server tells; classes
// have some that are readable on light and dark ground.

const CLASSES = ["#2f80d0", "#d9822b", "#35a067", "#b65ac9", "#d1524b", "#1c9c9c", "#9a8420", "#7b6fe0"];
let objects = ["#808080"];

export function paint(colours) {
  objects = colours;
}

export const objectColour = (id) => objects[(id - 1) % objects.length];
export const classColour = (number) => CLASSES[number % CLASSES.length];

export function themed(name) {
  return getComputedStyle(document.body).getPropertyValue(name).trim();
}
