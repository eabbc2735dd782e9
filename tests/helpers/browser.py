"""A page in a headless browser: its layout at a given width, as far as a program can check."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on PATH")

PROBE = """<script>addEventListener('load', () => setTimeout(() => {
  const wide = [...document.querySelectorAll('figure, p, h1, h2, h3, .scroll, .pair')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).length;
  const bad = [...document.images].filter(i => !i.complete || !i.naturalWidth).length;
  const flat = [...document.querySelectorAll('figure svg')]
    .filter(e => e.getBoundingClientRect().height < 50).length;
  document.body.dataset.probe = JSON.stringify({width: document.documentElement.scrollWidth,
    inner: innerWidth, images: document.images.length, wide, bad, flat,
    svgs: document.querySelectorAll('svg').length});
}, 100));</script>"""


def probed(page, folder, width, media="screen"):
    """Facts about the laid-out page; fails if the browser's console has a message."""
    # Chromium's window is never narrower than 500 px, so the page is probed in a frame.
    text = page.read_text(encoding="utf-8")
    text = text.replace("@media print", "@media screen") if media == "print" else text
    inner = folder / "inner.html"
    inner.write_text(text.replace("</body>", f"{PROBE}</body>"))
    outer = folder / "outer.html"
    outer.write_text(
        f'<!DOCTYPE html><link rel="icon" href="data:,"><iframe id="f" src="inner.html" '
        f'width="{width}" height="900" style="border:0"></iframe><script>'
        "addEventListener('load', () => setTimeout(() => { document.body.dataset.probe = "
        "document.getElementById('f').contentDocument.body.dataset.probe; }, 1000));</script>"
    )
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--allow-file-access-from-files", "--enable-logging=stderr", "--v=0",
         "--virtual-time-budget=5000", f"--user-data-dir={folder / 'profile'}",
         f"--window-size={width + 20},1000", "--dump-dom", outer.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert ":CONSOLE" not in done.stderr
    found = re.search(r'<body data-probe="(.*?)"', done.stdout)
    assert found, done.stdout[-500:] + done.stderr[-2000:]
    return json.loads(found[1].replace("&quot;", '"'))
