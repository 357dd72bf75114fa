"""The one style sheet: system fonts, few colours, light and dark, from a phone's width up."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1c2126;--soft:#5c6770;--line:#dde2e6;--field:#f4f6f7;
--kept:#2f6f8f;--kept-soft:#a9c8d6;--lost:#c2603e;--lost-soft:#e3b7a5;--other:#b9c0c6;--edited:#c9a13b;--limit:#9a2c12}
@media (prefers-color-scheme:dark){:root{--page:#14181b;--ink:#e4e8eb;--soft:#9aa5ad;--line:#30383e;--field:#1d2327;
--kept:#6db3d3;--kept-soft:#2f5a6d;--lost:#e08a68;--lost-soft:#6d4335;--other:#56616a;--edited:#d9b65c;--limit:#ff9d7d}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:62rem;padding:2.5rem 1.25rem 4rem;background:var(--page);color:var(--ink);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
h1{font-size:1.9rem;line-height:1.2;font-weight:650;letter-spacing:-.01em;margin:0 0 .4rem}
h2{font-size:1.25rem;line-height:1.3;font-weight:620;margin:0 0 .8rem}
h3{font-size:1rem;font-weight:600;margin:1.6rem 0 .5rem}
p{max-width:44rem;margin:.5rem 0}
.lead{font-size:1.06rem;color:var(--soft)}
nav{font-size:.9rem;margin-top:1rem;line-height:1.9}
a{color:var(--kept);text-decoration-thickness:1px;text-underline-offset:.2em}
section{border-top:1px solid var(--line);margin-top:2.4rem;padding-top:1.5rem;scroll-margin-top:1rem}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.86em}
code{overflow-wrap:anywhere}
pre{background:var(--field);border-radius:6px;padding:.7rem .9rem;margin:.4rem 0 .9rem;white-space:pre-wrap;
overflow-wrap:anywhere;max-height:18rem;overflow-y:auto;line-height:1.45;unicode-bidi:isolate}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1.6rem 0 0}
.tiles div{background:var(--field);border-radius:8px;padding:.75rem .9rem}
.tiles dt{font-size:.85rem;color:var(--soft)}
.tiles dd{margin:.1rem 0 0;font-size:1.45rem;font-weight:600;line-height:1.25}
.tiles small{display:block;font-size:.8rem;font-weight:400;color:var(--soft)}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;color:var(--soft);font-size:.88rem;padding-bottom:.45rem}
th,td{padding:.36rem .6rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--line);font-weight:400;
white-space:nowrap}
th:first-child{text-align:left;padding-left:0;white-space:normal;overflow-wrap:anywhere;min-width:7rem}
td:last-child,th:last-child{padding-right:0}
thead th{color:var(--soft);font-size:.84rem;vertical-align:bottom}
tfoot th,tfoot td{border-bottom:0;font-weight:600}
.bar{display:block;position:relative;height:5px;margin-top:4px;background:var(--field);border-radius:2px;overflow:hidden}
.bar i{position:absolute;left:0;top:0;bottom:0;min-width:1px}
.kept{background:var(--kept)}.kept-soft{background:var(--kept-soft)}.other{background:var(--other)}
.lost{background:var(--lost)}.lost-soft{background:var(--lost-soft)}.edited{background:var(--edited)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;padding:0;margin:.6rem 0;
font-size:.88rem;color:var(--soft)}
.legend i{display:inline-block;width:.75rem;height:.75rem;border-radius:2px;margin-right:.4rem;vertical-align:-.08rem}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17.5rem),1fr));
gap:1.4rem 1.6rem;margin:1rem 0}
figure{margin:0;min-width:0}
figure h3{margin:0 0 .3rem;font-size:.92rem;overflow-wrap:anywhere}
figure.wide{margin:1.2rem 0 2rem}
figcaption{font-size:.84rem;color:var(--soft);line-height:1.4;margin-top:.2rem}
svg{display:block;width:100%;max-width:46rem;height:auto;overflow:visible;font-family:inherit}
svg text{fill:var(--ink);font-size:12px}
svg .soft{fill:var(--soft);font-size:11px}
svg .name{font-weight:600;font-size:12px}
svg .axis{stroke:var(--line);stroke-width:1;fill:none}
svg .kept{fill:var(--kept)}svg .kept-soft{fill:var(--kept-soft)}svg .lost{fill:var(--lost)}
svg .lost-soft{fill:var(--lost-soft)}svg .other{fill:var(--other)}svg .edited{fill:var(--edited)}
svg .limit{stroke:var(--limit);stroke-width:1.5;stroke-dasharray:4 2;fill:none}
svg text.limit-label{fill:var(--limit);font-size:11px}
.narrow{display:none}
@media (max-width:44rem){.narrow{display:block}.broad{display:none}body{padding-top:1.5rem}h1{font-size:1.6rem}
th,td{padding:.36rem .4rem}table{font-size:.84rem}thead th{font-size:.78rem}}
details{margin:.8rem 0}
summary{cursor:pointer;overflow-wrap:anywhere;color:var(--kept)}
@media print{body{max-width:none}pre{max-height:none}}
"""
