"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);

/* Elements are made of text and elements only: what stands in a model is never read as HTML. */
function el(tag, props, ...kids) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {}))
    k in e ? (e[k] = v) : e.setAttribute(k, v);
  e.append(...kids.flat().filter(k => k));
  return e;
}
const put = (id, ...kids) => document.getElementById(id).append(...kids);
const said = text => el("bdi", {}, text.split(/(?<=_)/).flatMap((t, i) => i ? [el("wbr"), t] : [t]));
const digits = (x, n) => Number(x.toPrecision(n)).toLocaleString("en", {maximumSignificantDigits: n});
const percent = x => digits(100 * x, x < .1 ? 2 : 3) + " %";
function time(ns, n = 3) {
  const [unit, name] = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]].find(u => ns >= u[0] * .9995) || [1, "ns"];
  return digits(ns / unit, n) + " " + name;
}
function bar(cls, x, most, text) {
  const i = el("i", {className: cls});
  i.style.width = (most > 0 ? 100 * Math.min(1, x / most) : 0) + "%";
  return el("span", {className: "bar"}, el("span", {className: "track", ariaHidden: "true"}, i), el("b", {}, text));
}

/* ---- what is above the table ---------------------------------------------------------------- */

put("name", said(data.network));
put("made", `${data.processor}, ${data.threads} thread${data.threads === 1 ? "" : "s"}, ${data.runs} runs`);
const tile = (name, value, more) => el("div", {}, el("dt", {}, name), el("dd", {}, value, el("small", {}, more)));
const measured = data.machine === "measured";
const exact = data.kernels.reduce((n, k) => n + (k.rung === "exact" ? k.share : 0), 0);
put("tiles",
  tile("a run", time(data.total_ns), `${data.calls} calls of ${data.kernels.length} kernels`),
  tile("at 90 % of their roofline or more", measured ? percent(data.near_roofline) : "not known",
    measured ? "of the time in kernels" : "before hone calibrate"),
  tile("least time of all kernels", time(data.kernels.reduce((n, k) => n + k.roofline_ns, 0)), "as the roofline has it"),
  tile("memory between kernels", digits(data.workspace_bytes / 1e6, 3) + " MB",
    digits(data.live_bytes / 1e6, 3) + " MB are needed at one time"),
  tile("tuned for exactly this", percent(exact), "of the time in kernels"));
put("machine", measured ? "The machine's rates are those that hone calibrate has measured." :
  "This machine was not measured: its rates are those of processors of its kind, and shares of the roofline may be " +
  "over 100 %. hone calibrate measures it.");

/* ---- the table ------------------------------------------------------------------------------ */

const most = Math.max(...data.kernels.map(k => k.share), 0);
const columns = [
  ["kernel", k => said(k.name), k => k.name, ""],
  ["share", k => bar("accent", k.share, most, percent(k.share)), k => k.share, "cell"],
  ["time", k => time(k.ns), k => k.ns, "n"],
  ["calls", k => String(k.calls), k => k.calls, "n"],
  ["of its roofline", k => bar(k.roofline >= .9 ? "accent" : "warn", k.roofline, 1, percent(k.roofline)),
    k => k.roofline, "cell"],
  ["bound by", k => k.bound, k => k.bound, ""],
  ["answer", k => el("span", {title: k.reason}, k.rung), k => k.rung, ""],
];
let order = 1, down = true;
function draw() {
  const by = columns[order][2], sign = down ? -1 : 1;
  const rows = [...data.kernels].sort((a, b) => by(a) < by(b) ? -sign : by(a) > by(b) ? sign : 0);
  const head = columns.map(([name, , , cls], i) => el("th", {scope: "col", className: cls,
    ariaSort: i === order ? (down ? "descending" : "ascending") : "none"},
    el("button", {type: "button", onclick: () => {
      down = i === order ? !down : i > 0;
      order = i;
      draw();
    }}, name)));
  document.getElementById("kernels").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, head)),
    el("tbody", {}, rows.map(k => el("tr", {}, columns.map(([, cell, , cls], i) =>
      el(i ? "td" : "th", i ? {className: cls} : {scope: "row"}, cell(k))))))));
}
draw();
})();
