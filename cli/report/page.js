"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const kernels = data.kernels;
for (const {points: p} of kernels) {
  let trial = 0;
  p.trial = p.trial.map(t => trial += t);
  p.measured = p.measured.map(x => x * p.unit);
  p.draft = p.draft.map(x => x * p.unit);
}

/* ---- text ----------------------------------------------------------------------------------- */

/* Elements are made of text and elements only: what stands in a log is never read as HTML. */
function el(tag, props, ...kids) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {}))
    k in e ? (e[k] = v) : e.setAttribute(k, v);
  e.append(...kids.flat().filter(k => k));
  return e;
}
const put = (id, ...kids) => document.getElementById(id).append(...kids);
/* Text of the log: its direction stays its own, and a long name may be broken behind a _. */
const said = text => el("bdi", {}, text.split(/(?<=_)/).flatMap((t, i) => i ? [el("wbr"), t] : [t]));
const digits = (x, n) => Number(x.toPrecision(n)).toLocaleString("en", {maximumSignificantDigits: n});
const count = n => n.toLocaleString("en");

function time(ns, n = 3) {
  const [unit, name] = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]].find(u => ns >= u[0] * .9995) || [1, "ns"];
  return digits(ns / unit, n) + " " + name;
}
function span(s) {
  if (s >= 7200) return digits(s / 3600, 3) + " h";
  return s >= 120 ? digits(s / 60, 3) + " min" : digits(s, 3) + " s";
}
const rate = k => k.best_ns && k.ops ? k.ops / k.best_ns : 0;
const title = (k, i) => `${i + 1}.\u00a0${k.name}`;

/* ---- tables, bars --------------------------------------------------------------------------- */

/* head: [text, class]; a row's first cell is its header. */
function table(head, rows, props) {
  return el("table", props || {},
    el("thead", {}, el("tr", {}, head.map(h => el("th", {scope: "col", className: h[1] || ""}, h[0])))),
    el("tbody", {}, rows.map(r => el("tr", {}, r.map((c, i) =>
      el(i ? "td" : "th", i ? {className: head[i][1] || ""} : {scope: "row", className: head[0][1] || ""}, c))))));
}
/* Filled when it is opened. */
function later(summary, make) {
  const d = el("details", {}, el("summary", {}, summary));
  d.addEventListener("toggle", () => d.open && d.children.length === 1 && d.append(make()));
  return d;
}
const numbers = (head, rows) => later("The numbers", () =>
  el("div", {className: "scroll", tabIndex: 0}, table(head, rows())));
function bar(parts, most, text) {
  return el("span", {className: "bar"},
    el("span", {className: "track", ariaHidden: "true"}, parts.map(([cls, x]) => {
      const i = el("i", {className: cls});
      i.style.width = (most > 0 ? 100 * x / most : 0) + "%";
      return i;
    })), el("b", {}, text));
}
function key(...items) {
  return el("p", {className: "key"}, items.map(([cls, text]) => el("span", {}, el("i", {className: cls}), text)));
}

/* ---- charts --------------------------------------------------------------------------------- */

const charts = [];
let colours = {};
const colour = name => colours[name] ||= getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const font = (px, weight = "") => `${weight} ${px}px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif`;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  colours = {};
  charts.forEach(u => u.redraw(false, true));
});

/* 1, 2, 5, 10 ...; finer where that is too few, powers of ten where it is too many. */
function logTicks(min, max, most) {
  for (const m of [[1], [1, 3], [1, 2, 5], [1, 2, 3, 5], [1, 1.5, 2, 3, 4, 5, 6, 8], null].reverse()) {
    const t = [];
    if (m === null) {
      const raw = (max - min) / 5, unit = 10 ** Math.floor(Math.log10(raw));
      const by = [1, 2, 5, 10].map(x => x * unit).find(x => x >= raw);
      if (max / min > 1.8) continue;
      for (let x = Math.ceil(min / by) * by; x <= max; x += by) t.push(x);
    } else {
      for (let k = Math.floor(Math.log10(min)); k <= Math.log10(max); k++)
        m.forEach(x => { const v = x * 10 ** k; if (v >= min * .9999 && v <= max * 1.0001) t.push(v); });
    }
    if (t.length <= most) return t;
  }
  return [min, max];
}
/* So much room on both sides of what is shown; at least a factor of `least` in all. */
function logRange(min, max, room, least = 1.2) {
  if (!(min > 0)) return [1, 10];
  const grow = Math.max(room, Math.sqrt(least * min / max));
  return [min / grow, max * grow];
}
function axis(label, text, more) {
  return {stroke: () => colour("soft"), grid: {stroke: () => colour("grid"), width: 1},
    ticks: {show: false}, border: {show: true, stroke: () => colour("line"), width: 1},
    font: font(12), labelFont: font(12), label, labelSize: 18, labelGap: 2, gap: 5, size: 24,
    values: (u, v) => v.map(text), ...more};
}
const logAxis = (label, text, most, more) => axis(label, text,
  {splits: (u, i, min, max) => logTicks(min, max, most(u)), filter: (u, v) => v, ...more});

/* A figure whose chart is made when it comes near the screen. */
function figure(heading, legend, aria, height, options, values, read) {
  const plot = el("div", {className: height > 300 ? "plot tall" : "plot", role: "img", ariaLabel: aria});
  const line = el("p", {className: "read", ariaHidden: "true"});
  const f = el("figure", {}, el("figcaption", {}, heading && el("h4", {}, heading), legend), plot, line);
  const width = () => Math.max(200, Math.floor(plot.clientWidth));
  const make = () => {
    const o = options();
    const u = new uPlot({width: width(), height, legend: {show: false}, padding: [10, 12, 0, 0],
      cursor: {y: false, drag: {x: false, y: false}, points: {size: 7, fill: () => colour("accent")}}, ...o,
      hooks: {...o.hooks, setCursor: [u => {
        line.textContent = u.cursor.idx === null || u.cursor.idx === undefined ? "" : read(u.cursor.idx);
      }]}}, values, plot);
    charts.push(u);
    new ResizeObserver(() => u.width !== width() && u.setSize({width: width(), height})).observe(plot);
  };
  const near = new IntersectionObserver(seen => {
    if (!seen.some(s => s.isIntersecting)) return;
    near.disconnect();
    make();
  }, {rootMargin: "800px"});
  near.observe(plot);
  addEventListener("beforeprint", () => { if (!plot.firstChild) { near.disconnect(); make(); } });
  return f;
}

/* A single step is no line yet. */
const line = k => ({stroke: () => colour("accent"), width: 2, paths: uPlot.paths.stepped({align: 1}),
  points: {show: k.steps.length < 3, size: 8, width: 0, fill: () => colour("accent")}});
const dots = (fill, size) => ({paths: () => null, stroke: () => "transparent",
  points: {show: true, size, width: 0, fill: () => colour(fill)}});
const timeAxis = label => logAxis(label, x => time(x), () => 7, {size: 62});

const fromZero = {time: false, range: (u, a, b) => [0, b || 1]};
/* The program as written, and others that are far slower, would hide what follows. */
const top = k => Math.max(2 * k.steps[k.steps.length - 1][2], 1.1 * k.steps[Math.min(1, k.steps.length - 1)][2]);

/* Best so far against trials: a step where a trial was better, over the measured candidates. */
function byTrials(k) {
  const at = new Map(k.points.trial.map((t, i) => [t, k.points.measured[i]]));
  const steps = new Map(k.steps.map(s => [s[0], s[2]]));
  const x = [...new Set([...at.keys(), ...steps.keys()])].sort((a, b) => a - b);
  let best = null;
  const bests = x.map(t => best = steps.get(t) ?? best);
  const end = k.steps[k.steps.length - 1], above = k.points.measured.filter(m => m > top(k)).length;
  return figure("Best so far, by candidates", key(["line accent", "best so far"], ["dot pale", "measured" + (above ? `, ${count(above)} above` : "")]),
    `${k.name}: best time falls from ${time(k.steps[0][2])} at candidate ${k.steps[0][0]} to ${time(end[2])} of ${count(end[0])}`, 220,
    () => ({scales: {x: fromZero, y: {distr: 3, range: () => logRange(end[2], top(k), 1.06)}},
      axes: [axis("candidates", x => count(x), {incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5]}),
        timeAxis("time of one call")],
      series: [{}, dots("pale", 5), line(k)]}),
    [x, x.map(t => at.get(t) ?? null), bests],
    i => `candidate ${count(x[i])}: ` + (at.has(x[i]) ? `${time(at.get(x[i]))}, ` : "") +
      (bests[i] ? `best ${time(bests[i])}` : "none right yet"));
}
function bySeconds(k) {
  const x = k.steps.map(s => s[1]), y = k.steps.map(s => s[2]);
  return figure("Best so far, by seconds", key(["line accent", "best so far"]),
    `${k.name}: best time against seconds, ${time(y[y.length - 1])} after ${span(x[x.length - 1])}`, 220,
    () => ({scales: {x: fromZero, y: {distr: 3, range: () => logRange(y[y.length - 1], top(k), 1.06)}},
      axes: [axis("seconds of building and timing", x => digits(x, 3)), timeAxis("time of one call")],
      series: [{}, line(k)]}),
    [x, y], i => `${span(x[i])}: ${time(y[i])}`);
}
/* What the draft expected, against what was measured. */
function predicted(k) {
  const p = k.points.measured.map((m, i) => [m, k.points.draft[i], k.points.trial[i]])
    .filter(q => q[1] > 0).sort((a, b) => a[0] - b[0]);
  if (p.length < 2)
    return el("figure", {}, el("figcaption", {}, el("h4", {}, "Predicted against measured")),
      el("p", {className: "note"}, "The draft needs candidates whose traces can be replayed, and there are fewer than two."));
  const x = p.map(q => q[0]), y = p.map(q => q[1]);
  const pairs = k.pairs === null ? "" : `orders ${digits(100 * k.pairs, 3)} % of pairs rightly`;
  return figure("Predicted against measured",
    key(["dot accent", "candidate" + (pairs && ", " + pairs)], ["dash grey", "equal"]),
    `${k.name}: time predicted by the draft against time measured, ${p.length} candidates; ${pairs}`, 220,
    () => ({scales: {x: {time: false, distr: 3, range: (u, a, b) => logRange(a, b, 1.06)},
        y: {distr: 3, range: (u, a, b) => logRange(a, b, 1.12)}},
      axes: [logAxis("measured", x => time(x), u => Math.max(2, Math.floor(u.width / 75))), timeAxis("predicted by the draft")],
      series: [{}, dots("accent", 6)],
      hooks: {drawAxes: [u => {
        const a = Math.max(u.scales.x.min, u.scales.y.min), b = Math.min(u.scales.x.max, u.scales.y.max);
        if (a < b) stroke(u, "soft", [4, 4], [[a, a], [b, b]]);
      }]}}),
    [x, y], i => `candidate ${count(p[i][2])}: measured ${time(x[i])}, predicted ${time(y[i])}`);
}
function stroke(u, name, dash, points) {
  const c = u.ctx, r = devicePixelRatio;
  c.save();
  c.beginPath();
  c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  c.clip();
  c.beginPath();
  points.forEach(([x, y], i) => c[i ? "lineTo" : "moveTo"](u.valToPos(x, "x", true), u.valToPos(y, "y", true)));
  c.strokeStyle = colour(name);
  c.lineWidth = 1.5 * r;
  c.setLineDash(dash.map(d => d * r));
  c.stroke();
  c.restore();
}

/* ---- head ----------------------------------------------------------------------------------- */

const sum = of => kernels.reduce((s, k) => s + of(k), 0);
const trials = sum(k => k.trials), right = sum(k => k.ok);
const spent = k => k.build_s + k.run_s;
document.title = `${data.file} - hone report`;
put("file", said(data.file));
put("made", "Made ", el("time", {dateTime: new Date(data.made_ms).toISOString()},
  new Date(data.made_ms).toISOString().slice(0, 16).replace("T", " ") + " UTC"), ` by hone ${data.hone}`);
const tile = (name, text, small) => el("div", {}, el("dt", {}, name), el("dd", {}, text, small && el("small", {}, small)));
const solved = kernels.filter(k => k.best_ns).length;
put("tiles",
  tile("Kernels", count(kernels.length), solved === kernels.length ? (solved > 1 ? "all " : "") + "with a schedule" : `${count(solved)} with a schedule`),
  tile("Candidates", count(trials), `${digits(100 * right / trials, 3)} % right`),
  tile("Building", span(sum(k => k.build_s)), "by all builders"),
  tile("Timing", span(sum(k => k.run_s)), "and checking, on all devices"));
const kb = b => b >= 1 << 20 ? `${digits(b / (1 << 20), 3)} MiB` : `${digits(b / 1024, 3)} KiB`;
const about = (name, lines) => lines.length && put("about", el("dt", {}, name), el("dd", {}, lines.map(l => el("div", {}, l))));
about(data.targets.length > 1 ? "Targets" : "Target", data.targets.map(t => [said(t.cpu), t.triple ? [" (", said(t.triple), `), ${t.cores} cores, ${8 * t.vector_bytes}-bit vectors, ` +
  [["L1", t.l1], ["L2", t.l2], ["L3", t.l3]].filter(c => c[1]).map(c => `${c[0]} ${kb(c[1])}`).join(", ")] : ""].flat()).map(l => el("span", {}, l)));
about(data.devices.length > 1 ? "Devices" : "Device", data.devices.map(d => el("span", {}, said(d.name), d.env && ": ", d.env && said(d.env))));
about("Results by", data.versions.map(said));
if (data.library_results)
  about("Not shown", [`results of library calls: ${data.library_results}`]);

/* ---- kernels -------------------------------------------------------------------------------- */

const several = new Set(kernels.map(k => k.target + "/" + k.threads)).size > 1, many = kernels.length > 8;
document.body.classList.toggle("many", many);
const where = k => `${k.threads} thread${k.threads === 1 ? "" : "s"}` +
  (data.targets.length > 1 ? ` on ${data.targets[k.target].cpu}` : "");
const gain = k => k.best_ns && k.written_ns ? k.written_ns / k.best_ns : 0;
put("kernels", el("div", {className: "card"}, table(
  [["Kernel"], ["Best time", "n"], ["Gop/s", "n"], ["Over as written", "n wide"], ["Candidates", "n wide"], ["Spent", "n wide"]],
  kernels.map((k, i) => [
    [el("a", {href: `#k${i + 1}`}, said(title(k, i))), el("span", {className: "sizes small"}, said(k.sizes), several ? `, ${where(k)}` : "")],
    k.best_ns ? time(k.best_ns) : "none", rate(k) ? digits(rate(k), 3) : "", gain(k) ? digits(gain(k), 3) + "×" : "",
    count(k.trials), span(spent(k))])),
  el("p", {className: "note"}, several ? "" : `All on ${where(kernels[0])}. `, "As written: the program before any schedule, as hone compiles it.")));

/* ---- budget --------------------------------------------------------------------------------- */

const order = kernels.map((k, i) => [k, i]).sort((a, b) => spent(b[0]) - spent(a[0]));
const mostTrials = Math.max(...kernels.map(k => k.trials)), mostSpent = Math.max(...kernels.map(spent));
put("budget", el("div", {className: "card"},
  key(["accent", "right, or timing"], ["warn", "rejected"], ["pale", "building"]),
  el("ul", {className: "bars"},
    el("li", {className: "head", ariaHidden: "true"}, el("span", {className: "who"}, "Kernel"), el("span", {}, "Candidates"), el("span", {}, "Time")),
    order.map(([k, i]) => el("li", {},
      el("span", {className: "who", title: k.sizes}, el("a", {href: `#k${i + 1}`}, el("bdi", {}, title(k, i))), " ", el("bdi", {className: "soft"}, k.sizes)),
      bar([["accent", k.ok], ["warn", k.trials - k.ok]], mostTrials, count(k.trials)),
      bar([["accent", k.run_s], ["pale", k.build_s]], mostSpent, span(spent(k))))))));

/* ---- roofline ------------------------------------------------------------------------------- */

const placed = kernels.map((k, i) => ({k, i, x: k.bytes ? k.ops / k.bytes : 0, y: rate(k)}))
  .filter(p => p.x > 0 && p.y > 0).sort((a, b) => a.x - b.x);
const groups = [...new Set(placed.map(p => p.k.target + "/" + p.k.threads))];
const group = p => ["accent", "warn", "third"][Math.min(2, groups.indexOf(p.k.target + "/" + p.k.threads))];

/* The highest rate and traffic of each machine and thread count in this log. */
function roofs() {
  return groups.slice(0, 3).map(g => {
    const of = placed.filter(p => p.k.target + "/" + p.k.threads === g);
    return {name: group(of[0]), peak: Math.max(...of.map(p => p.y)), traffic: Math.max(...of.map(p => p.y / p.x))};
  });
}
/* Numbered dots; those that would hide another are moved aside, with a line to their place. */
function drawPlaced(u) {
  const c = u.ctx, r = devicePixelRatio, size = (placed.length > 12 ? 8.5 : 10) * r, b = u.bbox, taken = [];
  const inside = s => s[0] > b.left + size && s[0] < b.left + b.width - size && s[1] > b.top + size && s[1] < b.top + b.height - size;
  roofs().forEach(f => stroke(u, f.name, [5, 4], [[u.scales.x.min, u.scales.x.min * f.traffic],
    [f.peak / f.traffic, f.peak], [u.scales.x.max, f.peak]]));
  const dots = placed.map(p => {
    const x = u.valToPos(p.x, "x", true), y = u.valToPos(p.y, "y", true);
    let spot = [x, y];
    for (let n = 1; n < 400 && (!inside(spot) || taken.some(t => Math.hypot(t[0] - spot[0], t[1] - spot[1]) < 2.1 * size)); n++) {
      const far = size * (1.6 + .09 * n);
      spot = [x + far * Math.cos(n * 2.4), y + far * Math.sin(n * 2.4)];
    }
    taken.push(spot);
    return {p, x, y, spot};
  });
  c.save();
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.font = font((size > 9 * r ? 11 : 10) * r, "600");
  c.lineWidth = r;
  for (const d of dots.filter(d => d.spot[0] !== d.x)) {
    c.strokeStyle = c.fillStyle = colour(group(d.p));
    c.beginPath();
    c.moveTo(d.x, d.y);
    c.lineTo(...d.spot);
    c.stroke();
    c.beginPath();
    c.arc(d.x, d.y, 2.5 * r, 0, 7);
    c.fill();
  }
  c.lineWidth = 1.5 * r;
  for (const d of dots) {
    c.fillStyle = colour(group(d.p));
    c.strokeStyle = colour("card");
    c.beginPath();
    c.arc(...d.spot, size, 0, 7);
    c.fill();
    c.stroke();
    c.fillStyle = colour("card");
    c.fillText(d.p.i + 1, d.spot[0], d.spot[1] + .5 * r);
  }
  c.restore();
}
if (placed.length) {
  const x = placed.map(p => p.x), y = placed.map(p => p.y);
  put("roofline", el("div", {className: "card"}, figure("",
    key(...groups.slice(0, 3).map(g => {
      const p = placed.find(p => p.k.target + "/" + p.k.threads === g);
      return ["dot " + group(p), "kernel, by its number" + (groups.length > 1 ? `: ${where(p.k)}` : "")];
    }), ["dash accent", "highest seen in this log"]),
    `${placed.length} kernels by operations per byte and Gop/s: ` + placed.map(p => `${p.k.name} ${digits(p.x, 3)} and ${digits(p.y, 3)}`).slice(0, 12).join("; "), 340,
    () => ({scales: {x: {time: false, distr: 3, range: (u, a, b) => logRange(a, b, 1.6, 8)}, y: {distr: 3, range: (u, a, b) => logRange(a, b, 1.7, 4)}},
      axes: [logAxis("operations per byte of the arguments", v => digits(v, 3), u => Math.floor(u.width / 45)),
        logAxis("Gop/s", v => digits(v, 3), () => 9, {size: 46})],
      series: [{}, {paths: () => null, points: {show: false}}], hooks: {draw: [drawPlaced]}}),
    [x, y], i => `${title(placed[i].k, placed[i].i)}: ${digits(x[i], 3)} operations a byte, ${digits(y[i], 3)} Gop/s`),
    el("p", {className: "note"}, "Bytes: each argument moved once. The dashed roof is the highest rate and the highest traffic that a kernel of this log reached; the limits of the machine are not in the log."),
    numbers([["Kernel"], ["Operations a byte", "n"], ["Gop/s", "n"], ["GB/s of arguments", "n"]],
      () => placed.map(p => [[said(title(p.k, p.i)), " ", said(p.k.sizes)], digits(p.x, 3), digits(p.y, 3), digits(p.y / p.x, 3)]))));
} else {
  put("roofline", el("p", {className: "card note"}, "No kernel of this log has both a best time and a count of operations."));
}

/* ---- rejections ----------------------------------------------------------------------------- */

function rejections(list, all) {
  const most = Math.max(...list.map(r => r.n));
  return table([["Reason"], ["Candidates"], ["Share", "n wide"]], list.map(r => [
    [el("span", {className: "mono"}, r.status), el("div", {}, r.means),
      el("ul", {}, r.reasons.filter(x => x.text).map(x => el("li", {}, said(x.text), x.n > 1 ? ` (${count(x.n)})` : "")),
        r.kinds > r.reasons.length ? el("li", {}, `and ${r.kinds - r.reasons.length}${r.kinds >= 64 ? " or more" : ""} others`) : null)],
    bar([["warn", r.n]], most, count(r.n)), digits(100 * r.n / all, 2) + " %"]), {className: "reasons"});
}
const statuses = new Map();
kernels.forEach(k => k.rejected.forEach(r => {
  const s = statuses.get(r.status) || {...r, n: 0, kinds: 0, reasons: []};
  s.n += r.n;
  s.reasons = s.reasons.concat(r.reasons.filter(x => !s.reasons.some(y => y.text === x.text))).slice(0, 3);
  s.kinds = s.reasons.length;
  statuses.set(r.status, s);
}));
const rejected = [...statuses.values()].sort((a, b) => b.n - a.n);
put("rejections", el("div", {className: "card"}, rejected.length ? rejections(rejected, trials)
  : el("p", {className: "soft", style: "margin:0"}, "No candidate was rejected.")));

/* ---- each kernel ---------------------------------------------------------------------------- */

/* The indentation is left out of the data: braces tell it. */
function indented(text) {
  let depth = 0;
  return text.split("\n").map(l => {
    if (l.startsWith("}")) depth = Math.max(0, depth - 1);
    const s = "  ".repeat(depth) + l;
    if (l.endsWith("{")) depth++;
    return s;
  }).join("\n");
}
function schedule(k) {
  if (k.no_schedule) return el("p", {className: "note"}, said(k.no_schedule));
  const more = k.cut ? `... ${count(k.cut)} more lines: hone query ... --emit program prints all\n` : "";
  return el("details", {}, el("summary", {}, "The winning schedule"),
    el("p", {className: "note"}, "Trace ", el("span", {className: "mono"}, k.trace_hash), ", as ",
      el("span", {className: "mono"}, "hone query --emit program"), " prints it."),
    el("pre", {tabIndex: 0}, indented(k.schedule) + more));
}
const fact = (name, text) => text && el("span", {}, name + " ", el("b", {}, text));
put("each", ...kernels.map((k, i) => el("details", {className: "card kernel", id: `k${i + 1}`, open: !many},
  el("summary", {}, el("h3", {}, said(title(k, i)), " ", el("span", {className: "soft"}, said(k.sizes))),
    el("span", {className: "facts"}, fact("best", k.best_ns && time(k.best_ns, 4)), fact("Gop/s", rate(k) && digits(rate(k), 4)),
      fact("as written", k.written_ns && time(k.written_ns)), fact("candidates", count(k.trials)), fact("rejected", count(k.trials - k.ok)),
      fact("spent", span(spent(k))), el("span", {}, where(k)), k.strategies.length ? el("span", {}, "strategy ", said(k.strategies.join(", "))) : null)),
  k.steps.length ? el("div", {className: "charts"}, byTrials(k), bySeconds(k), predicted(k)) : null,
  k.steps.length ? numbers([["Candidate"], ["Seconds", "n"], ["Best so far", "n"]], () => k.steps.map(s => [count(s[0]), digits(s[1], 4), time(s[2], 4)])) : null,
  k.rejected.length ? later(`${count(k.trials - k.ok)} rejected, by reason`, () => rejections(k.rejected, k.trials)) : null,
  schedule(k))));
/* A link to a kernel opens it. */
const follow = () => { const e = /^#k\d+$/.test(location.hash) && document.querySelector(location.hash); if (e) e.open = true; };
addEventListener("hashchange", follow);
addEventListener("beforeprint", () => document.querySelectorAll(".kernel").forEach(e => e.open = true));
follow();
put("each", el("p", {className: "note"}, "Best: of the candidate that won the last race between the fastest; the least of many noisy times, where the curves end, may be a little lower. Predicted: by the analytical draft, from the recorded trace; the log does not keep what the learned model said at the time. A search proposes what it expects to be fast, so its candidates are alike by their prediction. Of long runs the charts show a part of the candidates, evenly chosen, and all steps that can be seen."));
})();
