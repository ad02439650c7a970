// On Locust's own page: how the last run ended and why one did not start, groups and help of the start form, and charts
// in our tab. Locust's page is React's: what stands in it here is added beside React's nodes, and again where they were
// made anew. All text goes in by textContent.

import { element } from "./charts.js";
import { RunCharts, going } from "./run_charts.js";

const EVERY_MS = 2000; // as Locust's own page
const CHARTS = 4; // of those of the live page, the first
const about = await (await fetch("./chatload/form.json")).json();
const helps = new Map(about.groups.flatMap((group) => group.fields.map((field) => [field.name, field])));
const groups = new Map(about.groups.flatMap((group) => group.fields.map((field) => [field.name, group.title])));
const folded = new Set(about.groups.slice(1).map((group) => group.title));
const byId = (id) => document.getElementById(id);

async function ask() {
  try {
    const answer = await fetch("./chatload/notice.json", { cache: "no-store" });
    if (answer.ok) {
      const { lines, outcome } = await answer.json();
      const text = lines.join("\n");
      if (byId("chatload-notice").textContent !== text) byId("chatload-notice").textContent = text;
      byId("chatload-notice").hidden = !text;
      byId("chatload-outcome").textContent = outcome;
    }
  } catch {
    // Locust's page itself says when it cannot reach Locust.
  }
  setTimeout(ask, document.hidden ? 4 * EVERY_MS : EVERY_MS);
}

// The start form, whenever it is there: before each group a title that folds it, and the help below each field. Fields
// stay where React put them, and are sent while they are folded.
function explain() {
  const fields = [...document.querySelectorAll("form :is(input, select)[name]:not([data-chatload])")];
  if (!fields.some((field) => helps.has(field.name))) return;
  const last = fields.findLastIndex((field) => helps.has(field.name));
  let before = null;
  for (const [place, field] of fields.entries()) {
    field.dataset.chatload = "";
    const control = field.closest(".MuiFormControl-root");
    const title = groups.get(field.name) ?? (place > last ? about.own : null);
    if (!control || !title) continue;
    control.dataset.chatloadGroup = title;
    if (title !== before) control.before(heading(title));
    before = title;
    if (!helps.has(field.name)) continue;
    const { help: words, option } = helps.get(field.name);
    const help = element("p", { class: "chatload-help", id: `chatload-help${option}` }, `${words} `);
    help.append(element("code", {}, option));
    control.append(help);
    field.setAttribute("aria-describedby", help.id);
  }
  fold();
}

function heading(title) {
  const button = element("button", { type: "button", "data-title": title }, title);
  button.addEventListener("click", () => {
    if (!folded.delete(title)) folded.add(title);
    fold();
  });
  const head = element("h4", { class: "chatload-group" });
  head.append(button);
  return head;
}

function fold() {
  for (const control of document.querySelectorAll("[data-chatload-group]")) {
    control.toggleAttribute("data-chatload-folded", folded.has(control.dataset.chatloadGroup));
  }
  for (const button of document.querySelectorAll(".chatload-group button")) {
    const of = [...document.querySelectorAll("[data-chatload-group]")].filter((one) => one.dataset.chatloadGroup === button.dataset.title);
    button.setAttribute("aria-expanded", String(!folded.has(button.dataset.title)));
    button.dataset.count = of.length;
  }
}

// Charts above the table of our tab, in a shadow tree, so that Locust's styles and ours do not meet.
const host = element("div", { id: "chatload-charts" });
const tree = host.attachShadow({ mode: "open" });
const box = element("div", { class: "charts" });
tree.append(element("link", { rel: "stylesheet", href: "./chatload/assets/charts.css" }), box);
let charts = null;

function place() {
  const tabs = document.querySelector("main [role=tablist]")?.closest(".MuiTabs-root")?.parentElement;
  const open = tabs && new URLSearchParams(location.search).get("tab") === "chatload";
  if (tabs && tabs.nextElementSibling !== host) tabs.after(host);
  host.hidden = !open;
  return open;
}

async function follow() {
  if (place()) {
    charts ??= new RunCharts(box, about.quantities, about.fixed_users, CHARTS);
    const [red] = getComputedStyle(document.body).backgroundColor.match(/\d+/) || [255];
    host.style.colorScheme = Number(red) < 128 ? "dark" : "light";
    try {
      const answer = await fetch(charts.path, { cache: "no-store" });
      if (answer.ok) charts.take(await answer.json());
      host.hidden = !charts.state || charts.state.started === null;
      charts.draw();
    } catch {
      // as above
    }
  }
  const fast = charts?.state && going(charts.state) && !document.hidden;
  setTimeout(follow, fast || !host.isConnected ? EVERY_MS : 2 * EVERY_MS);
}

let due = false;
new MutationObserver(() => {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; explain(); place(); });
}).observe(byId("root"), { childList: true, subtree: true });
explain();
ask();
follow();
