// Line and bar charts over time, drawn as SVG. No text from a server ever becomes markup: textContent only.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 180, LEFT = 46, RIGHT = 10, TOP = 8, BOTTOM = 20;
const LONGEST_BRIDGE = 3; // intervals without a value that a line still crosses

export function element(name, attributes = {}, text = null) {
  const made = name in { svg: 1, path: 1, line: 1, text: 1, rect: 1, g: 1, circle: 1 }
    ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

export function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString("en-GB", { maximumFractionDigits: digits });
}

// A measured number: always three digits or more, so that columns of them stand still.
export function measured(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return value; // "n<72": too few for a percentile
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function milliseconds(value) {
  if (typeof value !== "number") return measured(value);
  return value >= 10000 ? `${measured(value / 1000)} s` : `${measured(value)} ms`;
}

export const speed = (value) => (typeof value === "number" ? `${measured(value)} tok/s` : measured(value));

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export function clock(seconds) {
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${String(whole % 60).padStart(2, "0")}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${String(whole % 60).padStart(2, "0")}`;
}

function ticks(greatest) {
  const rough = (greatest || 1) / 4, size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * size).find((candidate) => candidate >= rough * 0.999);
  const found = [];
  for (let at = 0; at < (greatest || 1) + step * 0.999; at += step) found.push(at);
  return found;
}

function timeStep(seconds, room) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  return steps.find((step) => seconds / step <= Math.max(2, room / 70)) || 86400;
}

// A chart: {title, unit, series: [{name, column, shown}], bars, faint, whole}. `bars` stacks what it finds.
export class Chart {
  constructor(about, hover) {
    this.about = about;
    this.hover = hover;
    this.figure = element("figure");
    const caption = element("figcaption", {}, about.title);
    caption.append(" ", element("small", {}, about.unit));
    this.legend = element("ul", { class: "legend" });
    this.svg = element("svg", { tabindex: "0", role: "img", "aria-label": `${about.title}, ${about.unit}` });
    this.tip = element("div", { class: "tip" });
    this.tip.hidden = true;
    this.figure.append(caption, this.legend, this.svg, this.tip);
    this.svg.addEventListener("pointermove", (event) => hover(this.at(event.clientX), this));
    this.svg.addEventListener("pointerleave", () => hover(null, null));
    this.svg.addEventListener("blur", () => hover(null, null));
    this.svg.addEventListener("keydown", (event) => this.walk(event));
    this.view = null;
  }

  at(x) {
    if (!this.view) return null;
    const box = this.svg.getBoundingClientRect();
    const seconds = ((x - box.left - LEFT) / (box.width - LEFT - RIGHT)) * this.view.until;
    return Math.max(0, Math.min(this.view.last, Math.floor(seconds / this.view.width)));
  }

  walk(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.view) return;
    event.preventDefault();
    const from = this.view.cursor ?? this.view.last;
    this.hover(Math.max(0, Math.min(this.view.last, from + step)), this);
  }

  // data: {points: Map(at -> point by column name), last, width (s), settled (s), over}; cursor: an interval or null
  draw(data, cursor, chosen) {
    const room = this.svg.clientWidth || 400;
    const until = Math.max(10, (data.last + 1) * data.width);
    this.view = { until, last: data.last, width: data.width, cursor };
    this.svg.setAttribute("viewBox", `0 0 ${room} ${HEIGHT}`);
    const series = this.about.bars ? this.stack(data) : this.about.series;
    const value = (one, at) => {
      const point = data.points.get(at);
      return point === undefined ? (one.zero ? 0 : null) : one.of ? one.of(point) : point[one.column] ?? (one.zero ? 0 : null);
    };
    let greatest = 0;
    for (let at = 0; at <= data.last; at++) {
      const values = series.map((one) => value(one, at) || 0);
      greatest = Math.max(greatest, this.about.bars ? values.reduce((a, b) => a + b, 0) : Math.max(...values, 0));
    }
    const empty = greatest === 0;
    if (this.about.whole) greatest = Math.max(greatest, 4);
    const levels = ticks(greatest), top = levels[levels.length - 1];
    const x = (seconds) => LEFT + (seconds / until) * (room - LEFT - RIGHT);
    const y = (level) => HEIGHT - BOTTOM - (level / top) * (HEIGHT - TOP - BOTTOM);
    const parts = [...this.frame(levels, x, y, until, room)];
    if (this.about.bars) parts.push(...this.columns(series, value, data, x, y));
    else for (const one of series) parts.push(...this.curve(one, value, data, x, y));
    if (empty && this.about.nothing) parts.push(element("text", { x: (LEFT + room) / 2, y: HEIGHT / 2, "text-anchor": "middle", class: "empty" }, this.about.nothing));
    if (cursor !== null) {
      const at = x((cursor + 0.5) * data.width);
      parts.push(element("line", { x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM, class: "cursor" }));
    }
    this.svg.replaceChildren(...parts);
    this.say(series, value, data, cursor, chosen, x);
  }

  *frame(levels, x, y, until, room) {
    for (const level of levels) {
      yield element("line", { x1: LEFT, x2: room - RIGHT, y1: y(level), y2: y(level), class: level ? "grid" : "axis" });
      yield element("text", { x: LEFT - 6, y: y(level) + 4, "text-anchor": "end" }, number(level));
    }
    const step = timeStep(until, room - LEFT - RIGHT);
    for (let at = 0; at <= until; at += step) {
      const anchor = !at ? "start" : x(at) > room - RIGHT - 16 ? "end" : "middle";
      yield element("text", { x: Math.min(x(at), room - 2), y: HEIGHT - 5, "text-anchor": anchor }, clock(at));
    }
  }

  *curve(one, value, data, x, y) {
    const sure = [], faint = [];
    let pen = null;
    for (let at = 0; at <= data.last; at++) {
      const level = value(one, at);
      if (level === null) continue;
      const here = `${x((at + 0.5) * data.width).toFixed(1)} ${y(level).toFixed(1)}`;
      const into = (at + 1) * data.width > this.until(data) ? faint : sure;
      if (pen && at - pen.at <= LONGEST_BRIDGE) into.push(`${into === pen.into ? "" : `M${pen.here}`}L${here}`);
      else into.push(`M${here}h0.01`);
      pen = { at, here, into };
    }
    if (sure.length) yield element("path", { d: sure.join(""), class: `curve s${one.colour}` });
    if (faint.length) yield element("path", { d: faint.join(""), class: `curve faint s${one.colour}` });
  }

  // s of the run whose values can change no more.
  until(data) {
    return this.about.faint ? data.settled : data.finished;
  }

  *columns(series, value, data, x, y) {
    const wide = Math.max(1, x(data.width) - x(0) - 0.5);
    for (let at = 0; at <= data.last; at++) {
      let below = 0;
      for (const one of series) {
        const level = value(one, at) || 0;
        if (!level) continue;
        yield element("rect", { x: x(at * data.width), width: wide, y: y(below + level), height: y(below) - y(below + level), class: `f${one.colour}` });
        below += level;
      }
    }
  }

  stack(data) {
    const names = new Map();
    for (const point of data.points.values())
      for (const [name, n] of Object.entries(this.pieces(point))) names.set(name, (names.get(name) || 0) + n);
    const sorted = [...names.keys()].sort((a, b) => names.get(b) - names.get(a));
    return sorted.map((name, place) => ({ name, colour: Math.min(place + 1, 6), of: (point) => this.pieces(point)[name] || 0, shown: number }));
  }

  pieces(point) {
    const found = point[this.about.bars] || {};
    return typeof found === "number" ? { [this.about.bars]: found } : found;
  }

  // Values beside the names: those under the cursor; else, during a run, of the last interval that can change no more,
  // and of bars the sum. Where replies are still in flight, values are not bold.
  say(series, value, data, cursor, chosen, x) {
    const firm = (at) => (at + 1) * data.width <= this.until(data);
    let shownAt = cursor;
    if (cursor === null) for (let at = data.last; at >= 0 && shownAt === null; at--) if (firm(at) && series.some((one) => value(one, at) !== null)) shownAt = at;
    const total = (one) => { let sum = 0; for (let at = 0; at <= data.last; at++) sum += value(one, at) || 0; return sum; };
    const latest = (one) => (cursor === null && this.about.bars ? total(one) : shownAt === null ? null : value(one, shownAt));
    const spoken = series.map((one) => [one, (one.shown || number)(latest(one))]);
    const named = data.over && cursor === null && !this.about.bars; // the run has ended: its last interval is no figure of it
    const bold = cursor === null || firm(cursor);
    const entries = spoken.map(([one, words]) => {
      const item = element("li");
      item.append(element("i", { class: `f${one.colour}` }), `${one.name} `, element(bold ? "b" : "span", bold ? {} : { class: "faint-words" }, named ? "" : words));
      return item;
    });
    const when = named || this.about.bars || shownAt === null ? "" : `at ${clock(shownAt * data.width)}${bold ? "" : ", not final"}`;
    if (when) entries.push(element("li", { class: "when" }, when));
    this.legend.replaceChildren(...entries);
    this.tip.hidden = cursor === null || chosen !== this || !series.length;
    if (this.tip.hidden) return;
    this.tip.replaceChildren(element("div", {}, `${clock(cursor * data.width)}${bold ? "" : ", not final"}`), ...spoken.map(([one, words]) => element("div", {}, `${one.name}: ${words}`)));
    const box = this.svg.getBoundingClientRect(), outer = this.figure.getBoundingClientRect();
    const at = box.left - outer.left + x((cursor + 0.5) * data.width);
    const over = at + 12 + this.tip.offsetWidth > outer.width - 4;
    this.tip.style.left = `${over ? Math.max(4, at - 12 - this.tip.offsetWidth) : at + 12}px`;
    this.tip.style.top = `${box.top - outer.top + 8}px`;
  }
}
