"""The style of report.html: light and dark, screen, phone and paper. No address is loaded from anywhere."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;
--bg:#fff;--fg:#1b1f24;--soft:#59636e;--faint:#8c959f;--line:#e4e8ec;--card:#f6f8fa;
--c0:#0072b2;--c1:#d55e00;--c2:#008a66;--c3:#b8578c;--c4:#a36a00;--c5:#2f8fc4;--c6:#111;
--late:#8250df;--wait:#e8a33d;--quiet:#f6dcae;--stream:#4a93c8;--stall:#c4122f;--think:#b9c2cb;--fail:#c4122f;
--good:#1a7f4b;--warn:#9a6700;--bad:#c4122f}
@media (prefers-color-scheme:dark){:root{
--bg:#12161b;--fg:#e6eaef;--soft:#a3adb8;--faint:#76818d;--line:#2b333c;--card:#1a2027;
--c0:#56b4e9;--c1:#f2935c;--c2:#3ecf9f;--c3:#e79cc8;--c4:#e5b545;--c5:#8cc9f0;--c6:#f0f0f0;
--late:#b392f0;--wait:#d9962f;--quiet:#6b5128;--stream:#3f87ba;--stall:#ff5c72;--think:#5b6875;--fail:#ff5c72;
--good:#4cc38a;--warn:#e3b341;--bad:#ff6b7f}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans",sans-serif}
main{max-width:1060px;margin:0 auto;padding:28px 24px 56px}
h1{font-size:1.15rem;font-weight:600;margin:0;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:44px 0 10px;padding-top:14px;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:26px 0 2px}
p{margin:6px 0}
a{color:var(--c0)}
.over{color:var(--soft);font-size:.85rem;margin:0 0 2px;overflow-wrap:anywhere}
.verdict{font-size:1.5rem;line-height:1.32;font-weight:600;margin:14px 0 18px;letter-spacing:-.01em;max-width:46em;
overflow-wrap:anywhere}
.note,figcaption{color:var(--soft);font-size:.87rem;max-width:52em}
nav{margin:18px 0 0;font-size:.87rem;display:flex;flex-wrap:wrap;gap:4px 16px}
.box{border:1px solid var(--line);border-left:5px solid var(--faint);border-radius:6px;background:var(--card);
padding:10px 16px 12px;margin:14px 0}
.box h2{border:0;padding:0;margin:0 0 4px;font-size:1rem}
.box ul{margin:4px 0 0;padding-left:1.15em}.box li{margin:4px 0}
.box.good{border-left-color:var(--good)}.box.warn{border-left-color:var(--warn)}.box.bad{border-left-color:var(--bad)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(215px,1fr));gap:10px;margin:18px 0 4px}
.card{border:1px solid var(--line);border-radius:6px;background:var(--card);padding:10px 14px 9px}
.card b{display:block;font-size:1.55rem;font-weight:600;line-height:1.25;font-variant-numeric:tabular-nums}
.card b small{font-size:.9rem;font-weight:400;color:var(--soft)}
.card span{display:block;font-size:.82rem;color:var(--soft)}
.card .name{color:var(--fg);font-weight:600}
.card.good b{color:var(--good)}.card.bad b{color:var(--bad)}.card.warn b{color:var(--warn)}
.scroll{overflow-x:auto;margin:8px 0 4px}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;min-width:min(100%,26rem)}
caption{text-align:left;color:var(--soft);padding:0 0 4px}
th,td{padding:4px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{padding-left:2px}
thead th{color:var(--soft);font-weight:600;font-size:.82rem;border-bottom-color:var(--faint);vertical-align:bottom}
tbody th{font-weight:500;text-align:left}
.t{text-align:left}
td.wrap,.wrap td.t:last-child{white-space:normal}
.wrap td,.wrap th{vertical-align:top}
.wrap td.t{white-space:normal;min-width:11em}
dl{margin:8px 0;font-size:.92rem}
dl div{display:grid;grid-template-columns:8.5em 1fr;gap:2px 14px;padding:3px 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:10px 14px;font-size:.82rem;
line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere;margin:6px 0 12px}
pre.printed{white-space:pre;overflow-x:auto}
pre.said{border-left:4px solid var(--c0)}
details{margin:8px 0}
summary{cursor:pointer;font-weight:500;overflow-wrap:anywhere}
figure{margin:22px 0 26px;break-inside:avoid}
figure h3{margin:0 0 2px}
ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;padding:0;margin:6px 0 0;font-size:.85rem}
ul.legend li{display:flex;align-items:center;gap:7px;overflow-wrap:anywhere}
.key{width:22px;height:10px;flex:none}
.chart{padding:30px 14px 42px 50px}
.plot{display:block;width:100%;overflow:visible}
.data{overflow:hidden}
.data path{vector-effect:non-scaling-stroke}
.plot text{font-size:12px;fill:var(--soft);font-variant-numeric:tabular-nums}
.plot .axis-name{fill:var(--soft);font-size:12px}
.plot .cross{font-size:15px;fill:var(--fail);text-anchor:middle}
.grid{stroke:var(--line);stroke-width:1}.axis{stroke:var(--faint);stroke-width:1}
.limit{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:3 3}
.plot text.name{stroke:var(--bg);stroke-width:4px;paint-order:stroke;stroke-linejoin:round;fill:var(--fg)}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.dots{fill:none;stroke-width:4.5;stroke-linecap:round;opacity:.38}
.mark{fill:none;stroke-width:10;stroke-linecap:round}
.area{stroke:none;opacity:.16}
.thin{stroke-width:1.2}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}
.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}
.f6{fill:var(--c6)}
.line.s1{stroke-dasharray:7 3}.line.s2{stroke-dasharray:8 3 2 3}.line.s3{stroke-dasharray:2 3}
.line.s4{stroke-dasharray:10 3 2 3 2 3}.line.s5{stroke-dasharray:4 4}
.late{fill:var(--late)}.wait{fill:var(--wait)}.quiet{fill:var(--quiet)}.stream{fill:var(--stream)}
.stall{fill:var(--stall)}.think{fill:var(--think)}.fail{fill:var(--fg)}
.lanes g:hover path,.lanes path.wait:hover{filter:brightness(1.15)}
footer{margin-top:44px;padding-top:12px;border-top:1px solid var(--line);color:var(--soft);font-size:.85rem}
@media (max-width:600px){main{padding:18px 14px 40px}.verdict{font-size:1.2rem}
.cards{grid-template-columns:repeat(2,1fr);gap:8px}.card{padding:8px 10px}.card b{font-size:1.25rem}
dl div{grid-template-columns:1fr;gap:0;padding:5px 0}
.chart{padding-left:46px;padding-right:6px}th,td{padding:4px 7px}}
@media print{:root{color-scheme:light;--bg:#fff;--fg:#000;--soft:#444;--faint:#777;--line:#ccc;--card:#fff;
--c0:#0072b2;--c1:#d55e00;--c2:#008a66;--c3:#b8578c;--c4:#a36a00;--c5:#2f8fc4;--c6:#111;
--late:#8250df;--wait:#e8a33d;--quiet:#f6dcae;--stream:#4a93c8;--stall:#c4122f;--think:#b9c2cb;--fail:#c4122f;
--good:#1a7f4b;--warn:#9a6700;--bad:#c4122f}
body{font-size:10.5pt}main{max-width:none;padding:0}nav{display:none}h2{break-after:avoid}h3{break-after:avoid}
.scroll{overflow:visible}table{font-size:8.5pt;break-inside:avoid}.box,.card,svg{break-inside:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
@page{margin:15mm}}
"""
