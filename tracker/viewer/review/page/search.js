// What is looked for: every word has to fit an object's id, name, class or a zone where something happened to it; a
// time (0:12, 12.5s) or a frame (f300) finds who is there then, and Enter goes there.

export function searched(text, rows, events) {
  const words = text.toLowerCase().trim().split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  let frame = null;
  const tests = words.map((word) => {
    const at = time(word);
    if (at !== null) {
      frame = at.frame ?? rows.frameAt(at.seconds);
      return (one) => one.first <= frame && frame <= one.last;
    }
    const [, key, rest] = word.match(/^(?:(id|class|name|zone):)?(.*)$/);
    return (one) => FIELDS.some(([name, fits]) => (!key || key === name) && fits(one, rest, rows, events));
  });
  return { frame, objects: rows.objects.filter((one) => tests.every((test) => test(one))) };
}

const FIELDS = [
  ["id", (one, word) => /^#?\d+$/.test(word) && one.id === Number(word.replace("#", ""))],
  ["class", (one, word, rows) => !/^\d+$/.test(word) && rows.className(one.class).toLowerCase().includes(word)],
  ["name", (one, word, rows) => (rows.names[one.id] ?? "").toLowerCase().includes(word) && word !== ""],
  ["zone", (one, word, rows, events) => (events.get(one.id) ?? []).some((event) => String(event.zone).toLowerCase().includes(word))],
];

function time(word) {
  if (/^f\d+$/.test(word)) return { frame: Number(word.slice(1)) };
  if (/^\d+(\.\d+)?s$/.test(word)) return { seconds: parseFloat(word) };
  const parts = word.match(/^(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)$/);
  return parts ? { seconds: Number(parts[1] ?? 0) * 3600 + Number(parts[2]) * 60 + Number(parts[3]) } : null;
}
