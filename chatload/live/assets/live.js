// The live page: asks for what changed and draws it. All text goes in by textContent.

import { capital, clock, element, measured, milliseconds, number, speed } from "./charts.js";
import { RunCharts, going } from "./run_charts.js";

const EVERY_MS = 1000;
const RUNNING_EVERY_MS = 2000; // as Locust's own page: each answer takes processor time from the users of a run
const byId = (id) => document.getElementById(id);
const FIXED_USERS = "fixedUsers" in document.body.dataset; // the load fixes the number of Locust's users
const SHOWN = { "ms": milliseconds, "tokens/s": speed }; // of a column, by its unit

const FILE_WORDS = {
  "report.html": "Report", "journal.jsonl": "Journal", "summary.json": "Summary", "manifest.json": "Manifest",
  "results.jtl": "JTL for JMeter", "junit.xml": "JUnit", "summary.md": "Summary in Markdown",
};
const STATES = { ready: "ready", asking: "asking the server", spawning: "starting users", running: "running", stopping: "stopping", cleanup: "stopping", stopped: "stopped", failed: "failed", missing: "no runner" };

let latest = null, wantsForm = false, told = "";
const charts = new RunCharts(byId("charts"), JSON.parse(byId("charts").dataset.quantities), FIXED_USERS);

async function ask() {
  try {
    const answer = await fetch(charts.path, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    take(await answer.json());
    byId("lost").hidden = true;
  } catch (problem) {
    byId("lost").hidden = false;
    if (!(problem instanceof TypeError) && !(problem instanceof SyntaxError)) console.warn(problem.message);
  }
  const every = latest && going(latest) ? RUNNING_EVERY_MS : EVERY_MS;
  setTimeout(ask, document.hidden ? 4 * every : every);
}

function take(state) {
  charts.take(state);
  latest = state;
  draw(state);
}

function draw(state) {
  const known = state.started !== null;
  if (going(state)) wantsForm = false;
  byId("state").textContent = STATES[state.state] || state.state;
  byId("state").classList.toggle("on", going(state));
  byId("elapsed").textContent = known ? (going(state) ? clock(state.now_s) : ended(state)) : "";
  for (const id of ["stop", "edit", "reset"]) byId(id).hidden = !going(state) || (id === "edit" && FIXED_USERS);
  const asking = state.state === "asking";
  byId("again").hidden = going(state) || asking || !known || wantsForm;
  byId("start").hidden = going(state) || asking || (known && !wantsForm);
  if (!going(state)) byId("edit-form").hidden = true;
  words("refusal", told || (state.refusal.length ? `The run did not start:\n${state.refusal.join("\n")}` : ""));
  byId("run").hidden = !known;
  if (!known) return;
  byId("sentence").textContent = state.sentence;
  byId("whom").textContent = [state.server, state.model && `model ${state.model}`, state.workers !== null && `${state.workers} workers`,
    state.resets && "counted since the last reset; the journal keeps everything"].filter(Boolean).join(" · ");
  words("level", state.level && capital(state.level));
  words("problems", [state.failure && `The run failed: ${state.failure}`, ...state.problems].filter(Boolean).join("\n"));
  outcome(state.outcome);
  soFar(state.outcome.verdict ? { rows: [] } : state.slo);
  tiles(state);
  table(state.table, state.rows);
  folder(state);
  charts.draw();
}

function ended(state) {
  const how = { done: FIXED_USERS ? "completed" : "all users are done", interrupted: "stopped by hand or time", failed: "failed", unreachable: "did not start" }[state.ended] || "";
  return [how, state.exit_code === null ? "" : `exit code ${state.exit_code}`].filter(Boolean).join(", ");
}

function outcome(said) {
  const box = byId("outcome");
  box.hidden = !said.verdict;
  if (box.hidden || box.dataset.key === JSON.stringify(said)) return;
  box.dataset.key = JSON.stringify(said);
  const slo = said.slo.map((one) => element("p", { class: { met: "good-words", missed: "bad-words" }[one.verdict] || "plain-words" }, one.words));
  const warnings = element("ul", { class: "aside" });
  warnings.append(...said.warnings.map((one) => element("li", {}, one)));
  const untrusted = said.untrusted ? [element("p", { class: "bad-words" }, said.untrusted)] : [];
  box.replaceChildren(...untrusted, element("p", { class: "sentence" }, said.verdict), ...slo, warnings);
}

function soFar(slo) {
  const box = byId("slo");
  box.hidden = !slo.rows.length;
  if (box.hidden || box.dataset.key === JSON.stringify(slo)) return;
  box.dataset.key = JSON.stringify(slo);
  const list = element("table");
  list.append(...slo.rows.map((one) => {
    const line = element("tr"), look = { met: "good-words", missed: "bad-words" }[one.verdict] || "plain-words";
    const count = `${number(one.turns)} turns of ${number(one.conversations)} conversations`;
    line.append(element("th", { scope: "row" }, one.slo), element("td", { class: look }, one.words), element("td", {}, one.value),
      element("td", {}, one.sure), element("td", {}, count));
    return line;
  }));
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "SLOs so far" });
  scroll.append(list);
  box.replaceChildren(element("h2", {}, `SLOs so far${slo.of ? `, ${slo.of}` : ""}`), scroll,
    element("p", { class: "aside" }, "Judged as at the end of the run, over the turns so far; 95 % intervals in brackets. A verdict may still change by chance."));
}

function words(id, text) {
  const node = byId(id);
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}

function tiles(state) {
  const totals = state.totals, now = charts.latest, most = (column) => number(charts.most(column));
  const planned = state.planned ? `of ${number(state.planned)}` : going(state) ? "so far" : "in all";
  const content = [
    ["TTFT p50", milliseconds(totals.ttft_ms_p50), `p95 ${milliseconds(totals.ttft_ms_p95)} · p99 ${milliseconds(totals.ttft_ms_p99)}`],
    ["Decode, median user", speed(totals.decode_tokens_per_s_p50), `felt, wait included: ${speed(totals.felt_tokens_per_s_p50)}`],
    ["Turns", number(totals.turns), totals.turns ? `${planned}; ${number(totals.tokens)} tokens` : planned],
    ["Failed", number(totals.failed), totals.cut_short ? `${number(totals.cut_short)} cut short by us` : "turns", totals.failed > 0],
    ["All users, as tokens arrive", speed(Math.round(going(state) ? totals.arriving_tokens_per_s ?? 0 : totals.mean_tokens_per_s ?? 0)),
      going(state) ? `last 10 s; so far: ${speed(Math.round(totals.mean_tokens_per_s ?? 0))}` : "mean of the run"],
    FIXED_USERS ? ["In flight", number(going(state) && now ? now.in_flight : 0), `turns; most at once: ${most("in_flight")}`]
      : going(state) ? ["Users", number(now ? now.users : 0), `${number(now ? now.in_flight : 0)} turns in flight`]
      : ["Users", "0", `most at once: ${most("users")}`],
    ["Stalls", number(totals.stalls), totals.stalls ? `longest ${milliseconds(totals.longest_stall_ms)}` : `event gap p99 ${milliseconds(totals.gap_ms_p99)}`],
    ["Marked turns", totals.marked, "may be spoiled by the load generator", totals.many_marked],
  ];
  byId("tiles").replaceChildren(...content.map(([name, value, more, bad]) => {
    const tile = element("div");
    tile.append(element("dt", {}, name), element("dd", { class: `${bad ? "bad-number " : ""}${/\d|–/.test(value) && value.length < 14 ? "" : "words"}` }, value), element("dd", {}, more));
    return tile;
  }));
}

function table(columns, rows) {
  const head = element("tr");
  const titles = [FIXED_USERS ? "Scenario / part" : "Scenario / turn", ...columns.map((one) => capital(one.title))];
  head.append(...titles.map((title) => element("th", { scope: "col" }, title)));
  const lines = rows.map((row) => {
    const line = element("tr");
    line.append(element("td", {}, row.name), ...columns.map((one) => element("td", {}, cell(one, row[one.key]))));
    return line;
  });
  byId("rows").replaceChildren(head, ...lines);
  byId("by-turn").hidden = !rows.length;
}

const cell = (column, value) => (SHOWN[column.unit] || (typeof value === "number" ? number : String))(value);

function folder(state) {
  byId("folder").textContent = state.folder + (going(state) ? " — summary and report come when the run has ended" : "");
  const key = JSON.stringify([state.files, state.plots, state.folder]);
  if (byId("files").dataset.key === key) return;
  byId("files").dataset.key = key;
  const link = (path, text) => {
    const item = element("li");
    item.append(element("a", { href: path }, text));
    return item;
  };
  byId("files").replaceChildren(
    ...state.files.map((name) => link(`chatload/files/${encodeURIComponent(name)}`, FILE_WORDS[name] || name)),
    ...state.plots.map((name) => link(`chatload/plots/${encodeURIComponent(name)}`, name)),
  );
}

async function send(path, form, more = {}) {
  const fields = form ? new URLSearchParams(new FormData(form)) : undefined;
  for (const [name, value] of Object.entries(more)) fields.set(name, value);
  const answer = await fetch(path, { method: "POST", body: fields });
  const type = answer.headers.get("content-type") || "";
  const said = type.includes("json") ? await answer.json() : { success: answer.ok };
  const title = latest && going(latest) ? "Nothing was changed" : "The run did not start";
  if (said.key_host) {
    askForKey(said.key_host);
    return false;
  }
  told = said.success === false ? `${title}:\n${(said.mistakes || [said.message]).join("\n")}` : "";
  words("refusal", told);
  return said.success !== false;
}

async function start(more = {}) {
  byId("key-question").hidden = true;
  byId("go").disabled = true;
  if (await send("swarm", byId("start"), more)) wantsForm = false;
  window.scrollTo(0, 0);
  byId("go").disabled = false;
}

function askForKey(host) {
  told = "";
  words("refusal", "");
  byId("key-words").textContent = `${host} was not given when Locust was started. Whoever answers there would receive the API key of CHATLOAD_API_KEY. Is this server yours, or one the key is meant for?`;
  byId("key-question").hidden = false;
  byId("key-question").dataset.host = host;
  byId("key-cancel").focus();
}

byId("start").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
byId("key-send").addEventListener("click", () => start({ api_key_host: byId("key-question").dataset.host }));
byId("key-none").addEventListener("click", () => start({ api_key_host: "none" }));
byId("key-cancel").addEventListener("click", () => { byId("key-question").hidden = true; });
byId("start").addEventListener("input", () => { byId("key-question").hidden = true; });
byId("edit-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await send("swarm", event.target)) byId("edit-form").hidden = true;
});
byId("edit").addEventListener("click", () => {
  const form = byId("edit-form");
  form.hidden = !form.hidden;
  if (latest && latest.target_users) form.elements.user_count.value = latest.target_users;
  form.elements.spawn_rate.value = byId("start").elements.spawn_rate.value;
});
byId("edit-cancel").addEventListener("click", () => { byId("edit-form").hidden = true; });
byId("stop").addEventListener("click", () => send("stop"));
byId("reset").addEventListener("click", () => send("stats/reset"));
byId("again").addEventListener("click", () => { wantsForm = true; draw(latest); byId("start").scrollIntoView(); });
ask();
