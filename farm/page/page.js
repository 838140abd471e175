"use strict";
(() => {
const EVERY_MS = 2000;
const query = location.search; /* has the token, where there is one */

/* Elements are made of text and elements only: what users and devices say is never read as HTML. */
function el(tag, props, ...kids) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {}))
    k in e ? (e[k] = v) : e.setAttribute(k, v);
  e.append(...kids.flat(Infinity).filter(k => k !== null && k !== undefined && k !== ""));
  return e;
}
const said = text => el("bdi", {}, text || "");
const set = (id, ...kids) => document.getElementById(id).replaceChildren(...kids.flat());
const count = n => (n || 0).toLocaleString("en");
const digits = (x, n) => Number(x.toPrecision(n)).toLocaleString("en", {maximumSignificantDigits: n});
function time(ns) {
  if (!ns) return "–";
  const [unit, name] = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]].find(u => ns >= u[0] * .9995) || [1, "ns"];
  return digits(ns / unit, 4) + " " + name;
}
function span(s) {
  if (s >= 172800) return Math.floor(s / 86400) + " d";
  if (s >= 7200) return Math.floor(s / 3600) + " h";
  return s >= 120 ? Math.floor(s / 60) + " min" : Math.floor(s) + " s";
}
const clock = ms => ms ? new Date(ms).toLocaleTimeString("en-GB") : "–";

function table(head, rows, empty) {
  if (!rows.length) return el("p", {className: "soft"}, empty);
  return el("div", {className: "scroll", tabIndex: 0}, el("table", {},
    el("thead", {}, el("tr", {}, head.map(h => el("th", {scope: "col", className: h[1] || ""}, h[0])))),
    el("tbody", {}, rows.map(r => el("tr", {}, r.map((c, i) =>
      el(i ? "td" : "th", i ? {className: head[i][1] || ""} : {scope: "row", className: head[0][1] || ""}, c)))))));
}

/* ---- parts ----------------------------------------------------------------------------------- */

function tiles(d) {
  const s = d.stats, here = d.devices.filter(x => x.roles.includes("device"));
  const good = here.filter(x => x.link === "online" && x.health === "good").length;
  const tile = (name, value, small) => el("div", {}, el("dt", {}, name), el("dd", {}, value, el("small", {}, small)));
  set("tiles",
    tile("Jobs", count(s.jobs_live), count(d.jobs.filter(j => j.state === "running").length) + " running"),
    tile("Devices", `${good}/${here.length}`, "online and good"),
    tile("Units", count(s.settled), `${count(s.units_in_flight)} at work, ${count(s.units_open)} open`),
    tile("Tried again", count(s.retried), `${count(s.expired)} leases expired`));
}

const LIVE = new Set(["queued", "running", "paused", "finishing"]);
function jobs(d) {
  const rows = [...d.jobs].reverse().map(j => {
    const why = LIVE.has(j.state) ? j.wait : j.error || (j.state === "done" ? null : j.because);
    return [String(j.job), [said(j.title), why ? el("span", {className: "why"}, said(why.text)) : null],
      said(j.user), j.state, span(j.age_s), j.budget ? `${count(j.trials)}/${count(j.budget)}` : count(j.trials),
      time(j.best_ns)];
  });
  set("jobs", table([["Job"], ["Kernel, and what it waits for"], ["User"], ["State"], ["Age", "n"], ["Trials", "n"],
    ["Best", "n"]], rows, "No jobs."));
}

function marked(cls, text) {
  return [el("i", {className: "mark " + cls, ariaHidden: "true"}), text];
}
/* Ten minutes, a bar for each ten seconds; a point of a history holds until the next one. */
function strip(history, now) {
  const past = history || [], last = [];
  for (let k = 59, i = -1; k >= 0 && past.length; k--) {
    while (i + 1 < past.length && past[i + 1][0] <= now - k * 10000) i++;
    if (i >= 0) last.push(past[i]);
  }
  return el("span", {className: "health", role: "img",
    ariaLabel: last.length ? `health over time, now ${last[last.length - 1][1]} of 100` : "no history yet"},
    last.map(([, score, link, health]) => {
      const i = el("i", {className: link === "offline" ? "off" : health === "good" ? "" : "bad"});
      i.style.height = Math.max(8, score) + "%";
      return i;
    }));
}
function devices(d) {
  const rows = d.devices.map(x => [
    [said(x.name), x.attrs ? el("span", {className: "why"}, said(x.attrs)) : null],
    marked(x.link === "online" ? "good" : "bad", x.link),
    [marked(x.health === "good" ? "good" : "bad", x.health),
      x.health !== "good" && x.because ? el("span", {className: "why"}, x.because.text) : null],
    [String(x.score), Math.abs(x.drift) >= 0.01 ? el("span", {className: "why",
      title: "its calibration kernels, against its first baseline"},
      (x.drift > 0 ? "+" : "–") + Math.abs(100 * x.drift).toFixed(1) + " %") : null], strip(x.history, d.wall_ms),
    [x.admin, x.by ? el("span", {className: "why"}, "by ", said(x.by)) : null],
    x.leases ? (x.unit === "canary" ? "calibrates" : "works") : "–"]);
  set("devices", table([["Device"], ["Link"], ["Health"], ["Score", "n"], ["Over time"], ["Admin"], ["Does"]], rows,
    "No device has joined yet."));
}

function users(d) {
  const share = d.users.reduce((a, u) => a + (u.revoked ? 0 : u.share), 0);
  const spent = d.users.reduce((a, u) => a + u.device_s, 0);
  set("users", table([["User"], ["Roles"], ["Share", "n"], ["Used", "n"], ["Device time", "n"]], d.users.map(u => [
    said(u.name), u.roles.join(", ") + (u.revoked ? " (revoked)" : ""),
    share && !u.revoked ? Math.round(100 * u.share / share) + " %" : "–",
    spent ? Math.round(100 * u.device_s / spent) + " %" : "–", span(u.device_s)]), "No users."));
}

function events(d) {
  set("events", table([["When"], ["Who"], ["What"], ["Of"], ["Change"]], d.events.slice(0, 40).map(e => [
    clock(e.wall_ms), said(e.actor), e.verb, said(e.object),
    [e.from || e.to ? `${e.from} → ${e.to}` : "", el("span", {className: "why"}, e.because.text)]]),
    "Nothing has happened yet."));
}

/* ---- curves ------------------------------------------------------------------------------------ */

const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const charts = new Map(); /* by job: {figure, plot, points} */
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  charts.forEach(c => c.plot.redraw(false, true)));
const axis = (text, more) => ({stroke: () => colour("soft"), grid: {stroke: () => colour("grid"), width: 1},
  ticks: {show: false}, font: "12px system-ui, sans-serif", gap: 4, values: (u, v) => v.map(text), ...more});

function makeCurve(j) {
  const plot = el("div", {role: "img", ariaLabel: `best time of job ${j.job} by trials`});
  const figure = el("figure", {}, el("figcaption", {}, `${j.job}. `, said(j.title)), plot);
  document.getElementById("curves").append(figure);
  const width = Math.max(200, plot.clientWidth);
  const u = new uPlot({width, height: 170, legend: {show: false}, cursor: {show: false}, padding: [8, 8, 0, 0],
    scales: {x: {time: false}, y: {range: (u, a, b) => a > 0 ? [a * .97, b * 1.03] : [0, 1]}},
    axes: [axis(x => count(x), {size: 22}), axis(x => time(x), {size: 70})],
    series: [{}, {stroke: () => colour("accent"), width: 2, points: {show: false},
      paths: uPlot.paths.stepped({align: 1})}]}, [[], []], plot);
  return {figure, plot: u, points: -1};
}
function curves(d) {
  const shown = d.jobs.filter(j => j.curve && j.curve.length).slice(-12).reverse();
  for (const [id, c] of charts)
    if (!shown.some(j => j.job === id)) {
      c.plot.destroy();
      c.figure.remove();
      charts.delete(id);
    }
  for (const j of shown) {
    if (!charts.has(j.job)) charts.set(j.job, makeCurve(j));
    const c = charts.get(j.job), x = j.curve.map(p => p[2]), y = j.curve.map(p => p[1]);
    if (j.trials > x[x.length - 1]) { x.push(j.trials); y.push(y[y.length - 1]); }
    c.plot.setData([x, y]);
  }
  document.getElementById("h-curves").parentElement.hidden = !shown.length;
}
addEventListener("resize", () => charts.forEach(c =>
  c.plot.setSize({width: Math.max(200, c.plot.root.parentElement.clientWidth), height: 170})));

/* ---- asking ------------------------------------------------------------------------------------ */

async function turn() {
  const state = document.getElementById("state"), trouble = document.getElementById("trouble");
  try {
    const answer = await fetch("status.json" + query, {cache: "no-store"});
    if (!answer.ok) throw new Error(`the service says ${answer.status}`);
    const d = await answer.json();
    state.textContent = `hone ${d.hone}, as of ${clock(d.wall_ms)}`;
    trouble.hidden = !d.trouble;
    trouble.textContent = d.trouble || "";
    for (const part of [tiles, jobs, curves, devices, users, events]) part(d);
    document.body.dataset.ready = "1";
  } catch (e) {
    trouble.hidden = false;
    trouble.textContent = "No answer: " + e.message;
  }
  setTimeout(turn, EVERY_MS);
}
turn();
})();
