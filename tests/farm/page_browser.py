"""Looks at the page of a farm in headless Chromium, on a desktop and on a phone, in the light and in the
dark, and says what is wrong with it.

    page_browser.py URL TEXT [FOLDER]

TEXT must stand on the page. FOLDER: screenshots are left there.
"""
import pathlib
import re
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from report_browser import VIEWS, Browser, LOOK, shot, wait  # noqa: E402

# What LOOK counts of the kernels of a report is not here.
SEE = re.sub(r"\n  kernels:.*\n  expected:.*\n", "\n  rows: document.querySelectorAll('tbody tr').length,\n", LOOK)


def look(browser, view, scheme, url, text, folder):
    name, width, height, scale, mobile = view
    wrong = []

    def must(good, what):
        if not good:
            wrong.append(f"{name}, {scheme}: {what}")

    browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                     mobile=mobile)
    browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.ask("/url", {"url": url})
    wait(browser, "document.body.dataset.ready")
    if folder:
        shot(browser, folder / f"farm-{name}-{scheme}.png", True)
    seen = browser.run(SEE)
    said = browser.log("browser")
    must(not said, f"the console says {sorted({x['message'] for x in said})}")
    must(len(seen["canvases"]) > 0, "no curve is drawn")
    for w, h, drawn, colours, _ in seen["canvases"]:
        must(drawn > 30 and colours >= 3, f"a chart of {w} x {h} shows {drawn} points of data")
    must(seen["width"] <= width, f"it is {seen['width']} wide")
    must(seen["contrast"][0][0] >= 4.5, f"hard to read: {seen['contrast']}")
    levels = seen["headings"]
    must(levels[0] == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:])), f"headings {levels}")
    odd = re.findall(r"\b(?:undefined|null|NaN|Infinity)\b|\[object \w+", seen["text"])
    must(not odd, f"values that are none: {odd}")
    must(seen["unnamed"] == 0, "a chart without words for it")
    must(seen["rows"] > 3, f"{seen['rows']} rows in its tables")
    must(seen["hacked"] == "" and seen["elements"]["img"] == 0, "a text of the farm was taken for HTML")
    must(text in seen["text"], f"{text} does not stand on it")
    return wrong, seen["background"]


def main():
    url, text = sys.argv[1:3]
    folder = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            wrong = []
            for view in VIEWS:
                light, day = look(browser, view, "light", url, text, folder)
                dark, night = look(browser, view, "dark", url, text, folder)
                wrong += light + dark + ([f"{view[0]}: in the light as in the dark"] if day == night else [])
        finally:
            browser.close()
    print("\n".join(wrong) or f"{2 * len(VIEWS)} views, nothing wrong")
    sys.exit(bool(wrong))


main()
