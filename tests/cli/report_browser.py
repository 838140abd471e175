"""Looks at a page of `hone report` in headless Chromium, as a person would on a desktop and on a phone,
in the light and in the dark, and says what is wrong with it.

    report_browser.py PAGE.html [FOLDER]

FOLDER: screenshots are left there. HONE_REPORT_TEXT: a text that must stand on the page, as it is.
"""
import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

VIEWS = [("desktop", 1280, 900, 1, False), ("phone", 360, 740, 2, True)]
ELEMENTS = {"script": 3, "style": 1, "img": 0, "svg": 0, "iframe": 0, "u": 0}


class Browser:
    """What of WebDriver is needed here."""

    def __init__(self, folder):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        for line in self.driver.stdout:
            port = re.search(r"started successfully on port (\d+)", line)
            if port:
                break
        else:
            raise SystemExit("chromedriver does not start")
        self.at = f"http://127.0.0.1:{port[1]}/session"
        options = ["--headless=new", "--disable-gpu", "--no-sandbox", "--hide-scrollbars",
                   "--disable-dev-shm-usage", f"--user-data-dir={folder}"]
        made = self.ask("", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": options},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
        self.at += "/" + made["sessionId"]

    def ask(self, path, body=None, method="POST"):
        request = urllib.request.Request(self.at + path, json.dumps(body or {}).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def devtools(self, command, **params):
        return self.ask("/goog/cdp/execute", {"cmd": command, "params": params})

    def run(self, script):
        return self.ask("/execute/sync", {"script": script, "args": []})

    def log(self, kind):
        return self.ask("/se/log", {"type": kind})

    def close(self):
        try:
            self.ask("", method="DELETE")
        finally:
            self.driver.kill()
            self.driver.wait()


# Draws every chart, wherever it is, and tells what is to be seen of the page.
LOOK = r"""
const shown = e => e.getClientRects().length > 0;
const rgb = s => (s.match(/[\d.]+/g) || []).map(Number);
const light = c => { const f = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
  if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
const texts = [...document.querySelectorAll("body *")].filter(e => shown(e) && !e.closest(".track") &&
  [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
const contrast = texts.map(e => { const a = light(rgb(getComputedStyle(e).color)), b = light(behind(e));
  return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.textContent.trim().slice(0, 40)]; })
  .sort((a, b) => a[0] - b[0]);
/* looked at in a copy: reading a canvas itself changes how it is drawn */
const copy = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const [r, g, b] = getComputedStyle(document.documentElement).getPropertyValue("--accent").match(/[0-9a-f]{2}/g).map(x => parseInt(x, 16));
const accent = (0xff000000 | b << 16 | g << 8 | r) >>> 0; /* of lines and dots, not of axes */
const canvases = [...document.querySelectorAll("canvas")].map(c => {
  copy.canvas.width = c.width;
  copy.canvas.height = c.height;
  copy.drawImage(c, 0, 0);
  const d = new Uint32Array(copy.getImageData(0, 0, c.width, c.height).data.buffer), n = new Map();
  for (const x of d) if (x >>> 24 === 255) n.set(x, (n.get(x) || 0) + 1);
  const most = [...n.entries()].sort((a, b) => b[1] - a[1])[0] || [0, 0];
  return [c.width, c.height, n.get(accent) || 0, n.size, most[0]];
});
return {
  plots: document.querySelectorAll(".plot").length, canvases, contrast: contrast.slice(0, 3),
  width: document.documentElement.scrollWidth,
  headings: [...document.querySelectorAll("h1,h2,h3,h4")].filter(shown).map(h => +h.tagName[1]),
  unnamed: [...document.querySelectorAll("[role=img]")].filter(e => !e.ariaLabel).length,
  elements: Object.fromEntries(["script", "style", "img", "svg", "iframe", "u"].map(t => [t, document.querySelectorAll(t).length])),
  hacked: window.hacked === undefined ? "" : String(window.hacked), text: document.body.innerText,
  kernels: document.querySelectorAll(".kernel").length,
  expected: JSON.parse(document.getElementById("data").textContent).kernels.length,
  background: getComputedStyle(document.body).backgroundColor,
};
"""


def load(browser, page, view, folder):
    """Opens it, in the light; tells what else it asked for."""
    name, width, height, scale, mobile = view
    screen = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
    browser.devtools("Emulation.setDeviceMetricsOverride", **screen)
    browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    browser.log("performance")
    browser.ask("/url", {"url": page})
    if folder:
        shot(browser, folder / f"{name}-light-first.png", False)
    # all kernels open, on a screen as high as the page: then all charts are near
    screen["height"] = browser.run("""
        document.querySelectorAll(".kernel").forEach(e => e.open = true);
        return document.documentElement.scrollHeight""")
    browser.devtools("Emulation.setDeviceMetricsOverride", **screen)
    wait(browser, "[...document.querySelectorAll('.plot')].every(p => p.querySelector('canvas'))")
    asked = [json.loads(x["message"])["message"] for x in browser.log("performance")]
    urls = [x["params"]["request"]["url"] for x in asked if x["method"] == "Network.requestWillBeSent"]
    others = [u for u in urls if u != page and not u.startswith("data:")]
    return [f"{name}: it asks for {others}"] if others or page not in urls else []


def wait(browser, what):
    browser.ask("/execute/async", {"args": [], "script": f"""
        const done = arguments[0], t = setInterval(() => {{
            if ({what}) {{ clearInterval(t); requestAnimationFrame(() => requestAnimationFrame(() => done())); }}
        }}, 10);"""})


def look(browser, view, scheme, folder):
    """What is wrong with it as it stands, and the colours of its background and of its charts."""
    name, width = view[:2]
    wrong = []

    def must(good, what):
        if not good:
            wrong.append(f"{name}, {scheme}: {what}")

    browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    wait(browser, f"matchMedia('(prefers-color-scheme: {scheme})').matches")
    seen = browser.run(LOOK)
    if folder:
        shot(browser, folder / f"{name}-{scheme}.png", True)
    said = browser.log("browser")
    must(not said, f"the console says {sorted({x['message'] for x in said})}")
    must(seen["plots"] == len(seen["canvases"]) > 0, f"{seen['plots']} plots, {len(seen['canvases'])} drawn")
    for w, h, drawn, n, _ in seen["canvases"]:
        must(drawn > 30 and n >= 3, f"a chart of {w} x {h} shows {drawn} points of data, {n} colours")
    must(seen["width"] <= width, f"it is {seen['width']} wide")
    must(seen["contrast"][0][0] >= 4.5, f"hard to read: {seen['contrast']}")
    levels = seen["headings"]
    must(levels[0] == 1 and levels.count(1) == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:])),
         f"headings {levels}")
    odd = re.findall(r"\b(?:undefined|null|NaN|Infinity|false)\b|\[object \w+", seen["text"])
    must(not odd, f"values that are none: {odd}")
    must(seen["unnamed"] == 0, "a chart without words for it")
    must(seen["kernels"] == seen["expected"] > 0, f"{seen['kernels']} kernels of {seen['expected']}")
    must(seen["hacked"] == "" and seen["elements"] == ELEMENTS,
         f"a text of the log was taken for HTML: {seen['elements']}, {seen['hacked']}")
    text = os.environ.get("HONE_REPORT_TEXT", "")
    must(text in seen["text"], f"{text} does not stand on it")
    return wrong, {seen["background"]} | {c[4] for c in seen["canvases"]}


def tables(browser):
    """What charts show is there as text too, once it is asked for."""
    found = browser.run("""
        const all = [...document.querySelectorAll("details")];
        all.forEach(d => d.open = true);
        return all.length""")
    browser.ask("/execute/async", {"args": [], "script": "const done = arguments[0]; setTimeout(done, 100);"})
    empty = browser.run("""
        return [...document.querySelectorAll("details:not(.kernel)")]
            .filter(d => !d.querySelector("tbody tr, pre")).length""")
    wide = browser.run("return document.documentElement.scrollWidth - innerWidth")
    wrong = [f"{empty} of {found} tables are empty"] if empty or not found else []
    return wrong + ([f"with its tables open it is {wide} too wide"] if wide > 0 else [])


def shot(browser, path, whole):
    png = browser.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
    path.write_bytes(base64.b64decode(png))


def main():
    page = pathlib.Path(sys.argv[1]).resolve().as_uri()
    folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            wrong = []
            for view in VIEWS:
                wrong += load(browser, page, view, folder)
                light, colours = look(browser, view, "light", folder)
                dark, others = look(browser, view, "dark", folder)
                wrong += light + dark
                if colours & others:
                    wrong.append(f"{view[0]}: in the light as in the dark: {colours & others}")
                wrong += tables(browser)
        finally:
            browser.close()
    print("\n".join(wrong) or f"{2 * len(VIEWS)} views, nothing wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
