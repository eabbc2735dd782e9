"""The style sheet of the HTML report: phone, desk and paper, light and dark.

Colours c0 … c6 follow Okabe and Ito, told apart by the colour-blind too; the dark ones are lighter
variants. On paper lines are dashed as well, for printers without colour.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b2430; --muted: #5b6776; --soft: #f4f6f9; --edge: #dde3ea;
  --note: #fff4dc; --note-edge: #d99a00;
  --c0: #0072b2; --c1: #c85000; --c2: #00835f; --c3: #b0528a; --c4: #2f8fc9; --c5: #a87900;
  --c6: #444444;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12171d; --ink: #e7ecf2; --muted: #9eabba; --soft: #1b222b; --edge: #313b47;
    --note: #2e2610; --note-edge: #e0a92b;
    --c0: #5cb8f2; --c1: #ff9552; --c2: #3fcf9f; --c3: #e796c2; --c4: #9ad4f7; --c5: #f0c64a;
    --c6: #c8c8c8;
  }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #ffffff; --ink: #000000; --muted: #444444; --soft: #ffffff; --edge: #bbbbbb;
    --note: #ffffff; --note-edge: #777777;
    --c0: #0072b2; --c1: #c85000; --c2: #00835f; --c3: #b0528a; --c4: #2f8fc9; --c5: #a87900;
    --c6: #444444;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 1240px; margin: 0 auto; padding: 28px 16px 64px; overflow-wrap: anywhere; }
h1 { margin: 0 0 20px; font-size: 1rem; font-weight: 600; color: var(--muted); }
h2 {
  margin: 56px 0 14px; padding-top: 14px; border-top: 1px solid var(--edge);
  font-size: 1.3rem; line-height: 1.3;
}
h3 { margin: 28px 0 10px; font-size: 1rem; line-height: 1.4; }
p { margin: 0 0 10px; max-width: 75ch; }
.verdict {
  margin: 0 0 18px; padding-left: 16px; border-left: 5px solid var(--muted);
  max-width: 46ch; font-size: clamp(1.4rem, 1.1rem + 1.5vw, 2rem); line-height: 1.3;
  font-weight: 620; letter-spacing: -0.01em;
}
.verdict.shown { border-color: var(--c2); }
.remark { color: var(--muted); font-size: 0.92rem; }
.warning {
  background: var(--note); border-left: 4px solid var(--note-edge); border-radius: 4px;
  padding: 10px 14px; max-width: 85ch;
}
.scroll { overflow-x: auto; border: 1px solid var(--edge); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td {
  padding: 8px 14px; text-align: right; vertical-align: top; overflow-wrap: normal;
  border-bottom: 1px solid var(--edge); font-variant-numeric: tabular-nums;
}
tr:last-child > * { border-bottom: 0; }
th:first-child {
  text-align: left; font-weight: 500; position: sticky; left: 0; background: var(--paper);
}
thead th, thead th:first-child { background: var(--soft); font-weight: 600; }
td.short { white-space: nowrap; }
table.text td { text-align: left; overflow-wrap: anywhere; }
table.text th { width: 9rem; overflow-wrap: anywhere; }
.figures {
  display: grid; gap: 20px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr));
}
figure {
  margin: 0; padding: 14px 12px 8px; border: 1px solid var(--edge); border-radius: 10px;
  max-width: 620px; min-width: 0; break-inside: avoid;
}
figcaption { font-weight: 600; font-size: 0.95rem; line-height: 1.35; }
.intervals { max-width: 560px; margin-top: 24px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--muted); font-size: 11.5px; }
svg text.mid { text-anchor: middle; }
svg text.end { text-anchor: end; }
svg text.halo {
  fill: var(--ink); stroke: var(--paper); stroke-width: 4px; paint-order: stroke; font-size: 12.5px;
}
svg .grid { stroke: var(--edge); stroke-width: 0.7; }
svg .axis { stroke: var(--muted); stroke-width: 1; }
svg .rule { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 4 3; opacity: 0.7; }
svg .unsure { fill: var(--muted); opacity: 0.16; }
svg .line { fill: none; stroke: currentColor; stroke-width: 1.9; stroke-linejoin: round; }
svg .area { fill: currentColor; opacity: 0.2; }
svg .faint .line { stroke-width: 1.2; opacity: 0.65; }
svg circle { fill: currentColor; }
svg .bar { stroke: currentColor; stroke-width: 3; stroke-linecap: round; }
svg circle.open { fill: var(--paper); stroke: currentColor; stroke-width: 2.5; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); }
.c3 { color: var(--c3); } .c4 { color: var(--c4); } .c5 { color: var(--c5); }
.c6 { color: var(--c6); }
.legend { font-size: 0.85rem; color: var(--muted); margin: 4px 0 6px; }
.legend span { display: inline-block; margin-right: 14px; }
i[class^="c"] {
  display: inline-block; width: 0.75em; height: 0.75em; margin-right: 6px; border-radius: 3px;
  background: currentColor; print-color-adjust: exact; -webkit-print-color-adjust: exact;
}
.y-label { font-size: 0.78rem; color: var(--muted); }
.pairs {
  display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr));
}
.pair {
  border: 1px solid var(--edge); border-radius: 10px; padding: 10px 12px; font-size: 0.88rem;
  break-inside: avoid;
}
.pair ul { list-style: none; margin: 2px 0 0; padding: 0; font-variant-numeric: tabular-nums; }
.pair span { white-space: nowrap; }
.faces { display: flex; gap: 6px; margin-bottom: 6px; }
.faces > * { flex: 1 1 0; min-width: 0; }
.faces img { width: 100%; height: auto; border-radius: 6px; }
ul.plain { margin: 0; padding-left: 1.2em; max-width: 80ch; }
ul.plain li { margin-bottom: 8px; }
@media (min-width: 600px) {
  .pairs { grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); }
}
@media print {
  main { max-width: none; padding: 0; }
  body { font-size: 11px; }
  h2 { margin-top: 24px; break-after: avoid; }
  h3 { break-after: avoid; }
  .scroll { overflow: visible; }
  th, td { padding: 3px 6px; }
  td.short { white-space: normal; }
  .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .pairs { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  svg .c1 .line { stroke-dasharray: 6 3; } svg .c2 .line { stroke-dasharray: 2 2; }
  svg .c3 .line { stroke-dasharray: 8 3 2 3; }
}
"""
