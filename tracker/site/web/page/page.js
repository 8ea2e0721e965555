"use strict";
// All cameras by short-lived requests, which share a few connections: browsers allow six to a server, and an endless
// picture for each camera would use them up. The one that is shown large has an endless picture of its own.

const AT_ONCE = 4; // pictures asked for side by side
const MOST_EVENTS = 100;
const tiles = new Map();
const by = (id) => document.getElementById(id);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

function tile(name) {
  if (tiles.has(name)) return tiles.get(name);
  const node = by("camera").content.cloneNode(true).firstElementChild;
  const part = (selector) => node.querySelector(selector);
  part("h2").textContent = name;
  part("img").alt = `Live picture of ${name}`;
  part(".picture").addEventListener("click", () => enlarge(name));
  by("cameras").append(node);
  const made = { node, part, number: 0, visible: true, askedAt: 0, url: null };
  new IntersectionObserver(([seen]) => (made.visible = seen.isIntersecting)).observe(node);
  tiles.set(name, made);
  return made;
}

const path = (name, what) => `/cameras/${encodeURIComponent(name)}/${what}`;
const number = (value, digits) => (value === null ? "–" : value.toFixed(digits));

function show(camera) {
  const { node, part } = tile(camera.name);
  part(".state").textContent = camera.state;
  part(".state").className = `state ${camera.state}`;
  part(".present").textContent = camera.present;
  part(".came").textContent = camera.ids;
  part(".rate").textContent = number(camera.frames_per_s, 1);
  part(".lag").textContent = camera.lag_s === null ? "–" : `${number(camera.lag_s, 2)} s`;
  part(".counts").textContent = counted(camera.counts);
  part(".problem").textContent = camera.problem;
  tile(camera.name).sends = camera.width > 0;
  node.classList.toggle("old", camera.state !== "live");
}

function counted(rows) {
  const places = new Map();
  for (const row of rows) {
    const sums = places.get(row.zone) ?? { in: 0, out: 0, inside: null };
    places.set(row.zone, {
      in: sums.in + row.in,
      out: sums.out + row.out,
      inside: row.inside === null ? null : sums.inside + row.inside,
    });
  }
  const words = (sums) => (sums.inside === null ? `${sums.in} in, ${sums.out} out` : `${sums.inside} inside`);
  return [...places].map(([name, sums]) => `${name}: ${words(sums)}`).join(" · ");
}

async function states() {
  for (;;) {
    try {
      const answer = await fetch("/health", { signal: AbortSignal.timeout(5000) });
      if (answer.status === 401) location.reload();
      const health = await answer.json();
      if (!health.cameras) location.assign("/login"); // the token has changed
      const cameras = Object.values(health.cameras);
      cameras.forEach(show);
      const live = cameras.filter((camera) => camera.state === "live").length;
      const here = cameras.reduce((sum, camera) => sum + camera.present, 0);
      say(`${live} of ${cameras.length} live, ${here} here now`, false);
    } catch {
      say("no connection; trying again", true);
    }
    await wait(1000);
  }
}

function say(text, lost) {
  by("summary").textContent = text;
  by("summary").classList.toggle("lost", lost);
}

async function pictures() {
  for (;;) {
    const waiting = [...tiles].filter(([, one]) => one.visible && !one.asking && one.sends);
    waiting.sort(([, a], [, b]) => a.askedAt - b.askedAt);
    if (document.hidden || !waiting.length) {
      await wait(100);
      continue;
    }
    const [name, one] = waiting[0];
    one.asking = true;
    one.askedAt = performance.now();
    try {
      const answer = await fetch(path(name, `snapshot.jpg?after=${one.number}`), { signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(answer.status);
      const fresh = Number(answer.headers.get("X-Number"));
      const url = URL.createObjectURL(await answer.blob());
      const image = one.part("img");
      image.src = url;
      await image.decode();
      if (one.url) URL.revokeObjectURL(one.url);
      one.url = url;
      one.part(".picture").classList.add("shown");
      if (fresh === one.number) await wait(500);
      one.number = fresh;
    } catch {
      one.number = 0;
      await wait(1000);
    }
    one.asking = false;
  }
}

function enlarge(name) {
  const image = by("large-picture");
  by("large-name").textContent = name;
  image.alt = `Live picture of ${name}`;
  image.src = path(name, "stream.mjpeg");
  image.onerror = () => setTimeout(() => by("large").open && (image.src = path(name, `stream.mjpeg?${Date.now()}`)), 2000);
  by("large").showModal();
}

by("large").addEventListener("close", () => {
  by("large-picture").onerror = null;
  by("large-picture").removeAttribute("src");
});

function told(message) {
  const { type, track, event } = message;
  if (type === "start") return `${track.class} ${track.id} came`;
  if (type === "end") return `${track.class} ${track.id} left after ${Math.round(track.last_s - track.start_s)} s`;
  const direction = event.event === "cross" ? `, ${event.direction}` : "";
  const verb = { cross: "crossed", enter: "entered", exit: "left", dwell: "stays in" }[event.event] ?? event.event;
  const stayed = event.seconds ? ` after ${Math.round(event.seconds)} s` : "";
  return `${event.class ?? "object"} ${event.id ?? ""} ${verb} ${event.zone ?? ""}${direction}${stayed}`;
}

const seen = new Set();

function happened({ data }) {
  const message = JSON.parse(data);
  if (seen.has(message.message_id)) return; // told once more after the connection broke
  seen.add(message.message_id);
  if (seen.size > 1000) seen.delete(seen.values().next().value);
  const item = document.createElement("li");
  const time = document.createElement("time");
  const when = new Date(message.time_s * 1000);
  time.textContent = when.toLocaleTimeString([], { hourCycle: "h23" });
  time.dateTime = when.toISOString();
  const text = document.createElement("span");
  text.textContent = told(message);
  const where = document.createElement("span");
  where.className = "where";
  where.textContent = message.camera;
  item.append(time, text, where);
  item.dataset.time = message.time_s;
  document.querySelector("#events .none")?.remove();
  // The newest first: cameras tell of what happened some seconds late, and after a break once more from the oldest on
  const older = [...by("events").children].find((other) => Number(other.dataset.time) <= message.time_s);
  by("events").insertBefore(item, older ?? null);
  while (by("events").children.length > MOST_EVENTS) by("events").lastElementChild.remove();
}

// A browser tries again by itself where a connection breaks, but not after another answer than 200: a proxy's 502 while
// the site restarts, or 503 where there are too many viewers.
function listen(pause = 1000) {
  const source = new EventSource("/events");
  source.onopen = () => (pause = 1000);
  source.onmessage = happened;
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, pause, Math.min(2 * pause, 30_000));
  };
}

states();
for (let k = 0; k < AT_ONCE; k++) pictures();
listen();
