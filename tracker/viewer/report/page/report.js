"use strict";
// The table of objects: sorted, searched and shown a page at a time.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!data.rows.length) return;
  const PAGE = 50, PRINTED = 200;
  const [ID, KIND, FIRST, LAST, SECONDS, PREDICTED, PATH, SPEED, LOW, HIGH] = Array(10).keys();
  const pictured = Object.keys(data.pictures).length > 0;
  const fast = data.rows.some((row) => row[SPEED] !== null);
  const number = (value, places) => value === null ? "–" : value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
  const clock = (value) => {
    const whole = data.rows.reduce((most, row) => Math.max(most, row[LAST]), 0);
    if (whole < 120) return value.toFixed(1) + " s";
    const s = Math.floor(value), two = (n) => String(n).padStart(2, "0");
    return (whole < 3600 ? Math.floor(s / 60) : Math.floor(s / 3600) + ":" + two(Math.floor(s / 60) % 60)) + ":" + two(s % 60);
  };
  const columns = [
    { name: "object", by: ID, text: (row) => row[ID] + (data.called[row[ID]] ? " " + data.called[row[ID]] : ""), key: true },
    { name: "class", by: KIND, text: (row) => data.classes[row[KIND]], key: true },
    { name: "first seen", by: FIRST, text: (row) => clock(row[FIRST]) },
    { name: "last seen", by: LAST, text: (row) => clock(row[LAST]) },
    { name: "seconds", by: SECONDS, text: (row) => number(row[SECONDS], 1) },
    { name: "predicted", by: PREDICTED, text: (row) => number(row[PREDICTED], 0) + " %" },
    { name: data.metric ? "path, m" : "path, pixels", by: PATH, text: (row) => number(row[PATH], data.metric ? 1 : 0) },
  ];
  if (fast) {
    columns.push({ name: "km/h", by: SPEED, text: (row) => number(row[SPEED], 1) });
    columns.push({ name: "90 % interval", by: LOW, text: (row) => row[SPEED] === null ? "–" : number(row[LOW], 1) + " to " + number(row[HIGH], 1) });
  }
  const table = document.getElementById("table"), search = document.getElementById("search");
  const found = document.getElementById("found"), back = document.getElementById("back"), on = document.getElementById("on");
  let order = { by: ID, down: false }, page = 0;

  const put = (tag, parent, text) => {
    const made = parent.appendChild(document.createElement(tag));
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const chosen = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (row) => words.every((word) => String(row[ID]) === word || (data.classes[row[KIND]] + " " + (data.called[row[ID]] || "")).toLowerCase().includes(word));
    const sign = order.down ? -1 : 1;
    return data.rows.filter(fits).sort((a, b) => {
      const one = a[order.by], two = b[order.by];
      if (one === null || two === null) return (one === null) - (two === null) || a[ID] - b[ID]; // unknown last
      return sign * (one - two) || a[ID] - b[ID];
    });
  };
  const show = (size) => {
    const rows = chosen();
    page = Math.max(0, Math.min(page, Math.ceil(rows.length / size) - 1));
    const begin = page * size, shown = rows.slice(begin, begin + size);
    const head = put("tr", table.tHead.replaceChildren() || table.tHead);
    if (pictured) put("th", head).scope = "col";
    for (const column of columns) {
      const cell = put("th", head);
      cell.scope = "col";
      if (column.key) cell.className = "key";
      if (column.by === order.by) cell.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      put("button", cell, column.name).onclick = () => {
        order = { by: column.by, down: column.by === order.by ? !order.down : !column.key };
        page = 0;
        show(PAGE);
        table.tHead.querySelector("[aria-sort] button").focus();
      };
    }
    table.tBodies[0].replaceChildren();
    for (const row of shown) {
      const line = put("tr", table.tBodies[0]);
      if (pictured) {
        const cell = put("td", line);
        cell.className = "picture";
        const source = data.pictures[row[ID]];
        if (source) Object.assign(put("img", cell), { src: source, alt: "object " + row[ID] });
      }
      for (const column of columns) {
        const cell = put("td", line, column.text(row));
        if (column.key) cell.className = "key";
      }
    }
    const many = (count) => count.toLocaleString("en");
    found.textContent = rows.length === 0 ? "none found" : many(begin + 1) + " to " + many(begin + shown.length) + " of " + many(rows.length);
    back.disabled = page === 0;
    on.disabled = begin + size >= rows.length;
  };
  search.oninput = () => { page = 0; show(PAGE); };
  back.onclick = () => { page -= 1; show(PAGE); };
  on.onclick = () => { page += 1; show(PAGE); };
  let before = 0;
  addEventListener("beforeprint", () => { before = page; page = 0; show(PRINTED); });
  addEventListener("afterprint", () => { page = before; show(PAGE); });
  document.getElementById("objects").hidden = false;
  show(PAGE);
})();
