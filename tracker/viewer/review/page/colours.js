// The colours of objects are, unless two of one colour meet, those of the drawn video (tracker/output/draw.py); classes have some that are readable on
// light and dark ground.

const HEX = `ff4bb4 c3c300 7896e1 00f0c3 d29669 ff1e1e 009687 e1f087 f069ff 3cf0ff 00e169 c36969
  0f87d2 69c396 ff6900 d24bc3 96ffe1 ff96c3 2db44b a5ff00 00d2ff a55aff ffc396 a5783c`;
const OBJECTS = HEX.trim().split(/\s+/).map((hex) => `#${hex}`);
const CLASSES = ["#2f80d0", "#d9822b", "#35a067", "#b65ac9", "#d1524b", "#1c9c9c", "#9a8420", "#7b6fe0"];

export const objectColour = (id) => OBJECTS[(id - 1) % OBJECTS.length];
export const classColour = (number) => CLASSES[number % CLASSES.length];

export function themed(name) {
  return getComputedStyle(document.body).getPropertyValue(name).trim();
}
