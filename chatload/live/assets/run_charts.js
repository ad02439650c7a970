// The charts of a run, on the live page and in our tab of Locust's page. They keep the points they have been told.

import { Chart, capital, measured, milliseconds, speed } from "./charts.js";

// What is drawn; `quantities` are titles and units by name (chatload/analysis/quantities.py).
function allCharts(quantities, fixedUsers) {
  const named = (name, detail) => ({ title: capital(quantities[name].title), unit: `${quantities[name].unit}${detail}` });
  return [
    { ...named("ttft", ", of good turns and replies begun"), faint: true, nothing: "no token yet", series: [
      { name: "p50", column: "ttft_ms_p50", colour: 1, shown: milliseconds },
      { name: "p95", column: "ttft_ms_p95", colour: 2, shown: milliseconds },
      { name: "p99", column: "ttft_ms_p99", colour: 3, shown: milliseconds },
      { name: "longest", column: "ttft_ms_max", colour: 6, shown: milliseconds }] },
    { ...named("output", ", as it arrived"), faint: true, nothing: "no token yet", series: [
      { name: "all users", column: "tokens_per_s", colour: 4, zero: true, shown: speed }] },
    { ...named("one_user", ", median and lowest of replies ended then"), faint: true, nothing: "no finished reply yet", series: [
      { name: quantities.decode.title, column: "decode_tokens_per_s_p50", colour: 1, shown: speed },
      { name: quantities.felt.title, column: "felt_tokens_per_s_p50", colour: 2, shown: speed },
      { name: `${quantities.felt.title}, lowest`, column: "felt_tokens_per_s_min", colour: 6, shown: speed }] },
    { ...named(fixedUsers ? "in_flight" : "users_in_flight", ""), whole: true, series: [
      ...(fixedUsers ? [] : [{ name: quantities.users.title, column: "users", colour: 5 }]),
      { name: quantities.in_flight.title, column: "in_flight", colour: 4 }] },
    { title: "Failures by code", unit: "turns", whole: true, bars: "failed", nothing: "no failed turn" },
    { title: "Stalls", unit: "long silences inside replies", whole: true, bars: "stalls", nothing: "no stall" },
    { title: "Load generator: hub lag", unit: "worst process", series: [
      { name: "p99", column: "lag_p99_ms", colour: 1, shown: milliseconds },
      { name: "greatest", column: "lag_max_ms", colour: 2, shown: milliseconds }] },
    { title: "Load generator: processor", unit: "% of one core, busiest process", series: [
      { name: "CPU", column: "cpu_percent", colour: 6, shown: (value) => (value === null ? "–" : `${measured(value)} %`) }] },
  ];
}

export class RunCharts {
  // `most`: how many of the charts are drawn
  constructor(box, quantities, fixedUsers, most = Infinity) {
    this.points = new Map();
    this.run = "";
    this.revision = 0;
    this.width = 1;
    this.cursor = this.chosen = this.state = null;
    const hover = (at, chart) => { this.cursor = at; this.chosen = chart; this.draw(); };
    this.charts = allCharts(quantities, fixedUsers).slice(0, most).map((about) => new Chart(about, hover));
    box.append(...this.charts.map((chart) => chart.figure));
    new ResizeObserver(() => this.draw()).observe(box);
  }

  // Where to ask for what is not known yet.
  get path() {
    return `chatload/live.json?run=${encodeURIComponent(this.run)}&since=${this.revision}`;
  }

  take(state) {
    if (state.run !== this.run || state.width_s !== this.width) this.points = new Map();
    this.run = state.run;
    this.width = state.width_s;
    this.revision = state.revision;
    this.state = state;
    for (const values of state.points) {
      const point = Object.fromEntries(state.columns.map((name, place) => [name, values[place]]));
      this.points.set(point.at, point);
    }
  }

  // The greatest value of a column so far.
  most(column) {
    return Math.max(0, ...[...this.points.values()].map((point) => point[column] || 0));
  }

  // The last point that tells users.
  get latest() {
    return [...this.points.values()].reduce((a, b) => (b.users !== null && (!a || b.at > a.at) ? b : a), null);
  }

  draw() {
    const state = this.state;
    if (!state || state.started === null) return;
    let last = 0, flying = 0;
    for (const point of this.points.values()) if (point.at >= last) { last = point.at; flying = point.in_flight ?? flying; }
    const over = !going(state);
    const finished = over ? Infinity : state.now_s; // s: seconds that are over
    const settled = !over && flying ? Math.max(0, state.now_s - state.reply_s - this.width) : finished;
    const data = { points: this.points, last, width: this.width, settled, finished, over };
    for (const chart of this.charts) chart.draw(data, this.cursor === null ? null : Math.min(this.cursor, last), this.chosen);
  }
}

export const going = (state) => ["spawning", "running"].includes(state.state);
