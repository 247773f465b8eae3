// Page about a project: reads its state again and again. Texts of the project are never taken as HTML.
"use strict";

const INTERVAL = 3000;
const byId = id => document.getElementById(id);
let openLog = null, latest = "";

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.filter(child => child !== null));
  return made;
}

function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds)), minutes = Math.floor(whole / 60);
  if (whole < 60) return `${whole} s`;
  const two = number => String(number).padStart(2, "0");
  return minutes < 60 ? `${minutes}:${two(whole % 60)} min` : `${Math.floor(minutes / 60)}:${two(minutes % 60)} h`;
}

const epochWords = training => training.epoch ? `epoch ${training.epoch} of ${training.epochs}` : "starting";
const when = seconds => new Date(seconds * 1000).toLocaleString();
const number = (value, digits = 4) => value === null || value === undefined ? "" : value.toFixed(digits);

// Rows are arrays of texts, numbers as {right: text}, and elements.
function fill(table, header, rows) {
  const cell = (kind, content) =>
    content !== null && content.right !== undefined ? element(kind, {class: "number"}, content.right)
      : element(kind, {}, content ?? "");
  const row = (kind, cells) => element("tr", {}, ...cells.map(content => cell(kind, content)));
  table.replaceChildren(element("thead", {}, row("th", header)), element("tbody", {}, ...rows.map(r => row("td", r))));
}

function logButton(path, words) {
  if (path.startsWith("/") || path.startsWith("..")) return element("span", {}, words);  // of shared data
  const button = element("button", {type: "button"}, words);
  button.addEventListener("click", () => { openLog = path; readLog(true); byId("log").scrollIntoView({block: "nearest"}); });
  return button;
}

async function readLog(fromEnd) {
  if (openLog === null) return;
  const box = byId("log"), atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
  const answer = await fetch(`log?path=${encodeURIComponent(openLog)}`);
  const text = `${openLog}\n\n${await answer.text()}`;
  if (box.textContent === text) return;
  box.textContent = text;
  if (fromEnd || atEnd) box.scrollTop = box.scrollHeight;
}

// --- sections --------------------------------------------------------------------------------------------------------

const STATES = {
  running: "running", finished: "finished", failed: "not finished: steps have failed", interrupted: "interrupted",
  silent: "no sign of life; a killed run goes on with the same command", unknown: "no run is recorded here",
};

function drawStatus(state) {
  const run = state.run, done = run.rules.reduce((sum, rule) => sum + rule.finished, 0);
  const total = run.rules.reduce((sum, rule) => sum + rule.planned, 0);
  byId("title").textContent = [state.project, ...run.modes.map(mode => `mode ${mode}`)].join(", ");
  document.title = `${done}/${total} ${state.project}`;
  const words = [`${done} of ${total} steps`];
  if (run.status === "running") words.push(`for ${duration(state.now - run.began)}`, run.left);
  else if (run.written) words.push(`until ${when(run.written)}`);
  if (run.host) words.push(`on ${run.host}`);
  byId("status").replaceChildren(
    element("span", {class: `state ${run.status}`}, STATES[run.status] || run.status), ` · ${words.filter(Boolean).join(" · ")}`);
  const bar = element("span");
  bar.style.width = `${100 * done / Math.max(1, total)}%`;
  byId("overall").replaceChildren(bar);
  byId("overall").setAttribute("aria-valuenow", Math.round(100 * done / Math.max(1, total)));
}

function drawFailures(run) {
  byId("failures").hidden = !run.failures.length;
  byId("failures").querySelector("ul").replaceChildren(...run.failures.map(failure =>
    element("li", {class: "failed"}, `${failure.name}: ${failure.cause} `,
      ...failure.logs.slice(0, 1).map(log => logButton(log, "log")))));
}

function drawRunning(state) {
  const steps = state.run.status === "running" ? state.run.running : [];
  const trainings = Object.fromEntries(state.trainings.map(training => [training.log, training]));
  byId("running").hidden = !steps.length;
  fill(byId("running").querySelector("table"), ["step", {right: "time"}, "uses", "progress"], steps.map(step => {
    const training = trainings[step.logs[0]];
    const uses = step.gpus ? `${step.gpus} GPU` : `${step.threads} thread${step.threads > 1 ? "s" : ""}`;
    return [
      step.logs.length ? logButton(step.logs[0], step.name) : step.name, {right: duration(state.now - step.started)},
      step.is_local ? uses : `${uses}, job`, training ? epochWords(training) : "",
    ];
  }));
}

function drawGraph(run) {
  const running = {};
  if (run.status === "running") for (const step of run.running) running[step.rule] = (running[step.rule] || 0) + 1;
  byId("dag").replaceChildren(run.rules.length ? ruleGraph(run.rules, run.follows, running) : "no steps yet");
}

function drawResults(state) {
  const parts = [];
  for (const result of state.results) {
    const table = element("table");
    fill(table, ["task", "split", "run", "differs in", {right: "networks"}, "metric", {right: "mean"}, "95 % interval"],
      result.rows.map(row => [row.task, row.split, row.name, row.label, {right: row.folds}, row.metric,
        {right: `${row.mean}${row.is_best && result.rows.length > 1 ? " =" : ""}`}, row.interval]));
    parts.push(element("h3", {}, `Mode ${result.mode}, ${when(result.written)}`), element("div", {class: "scroll"}, table));
  }
  if (state.so_far.length) {
    const table = element("table");
    fill(table, ["task", "run", "differs in", {right: "networks"}, {right: "validation loss"}, "metric",
      {right: "validation"}, {right: "test"}, {right: "tested"}],
    state.so_far.map(row => [row.task, row.run, row.label, {right: row.networks}, {right: number(row.loss)}, row.metric,
      {right: number(row.validation)}, {right: number(row.test)}, {right: row.tested}]));
    parts.push(element("h3", {}, "Networks so far"), element("div", {class: "scroll"}, table),
      element("p", {class: "soft"}, "Means over finished networks, without intervals; the order is that of the validation loss."));
  }
  byId("results").replaceChildren(...(parts.length ? parts : ["no network is trained yet"]));
}

function drawTrainings(state) {
  const groups = new Map();
  for (const training of state.trainings) {
    const key = `${training.task} ${training.run}`;
    groups.set(key, [...(groups.get(key) || []), training]);
  }
  const cards = [...groups.values()].map(group => {
    const {task, run, label} = group[0], epochs = Math.max(1, ...group.map(training => training.epochs));
    const main = state.run.main_metrics?.[task];
    const names = [...new Set(group.flatMap(training => Object.keys(training.values)))];
    const metric = names.includes(`val/${main}`) ? `val/${main}`
      : names.find(name => name.startsWith("val/") && name !== "val/loss");
    const lines = (name, dashed) => group.map((training, at) =>
      ({values: training.values[name] || [], colour: at, dashed}));
    const folds = group.map((training, at) => element("li", {},
      element("i", {class: `s${at % COLOURS}`}),
      logButton(training.log, training.fold ? `fold ${training.fold}` : "log"),
      " ", element("span", {class: `state ${training.state}`},
        training.state === "running" ? epochWords(training) : training.state)));
    return element("article", {class: "card"},
      element("h3", {}, run ? `${task}, run ${run}` : task), label ? element("p", {class: "soft"}, label) : null,
      curves("loss (dashed: training)", [...lines("train/loss", true), ...lines("val/loss", false)], epochs, true),
      metric ? curves(metric.replace("val/", "validation "), lines(metric, false), epochs, false) : null,
      element("ul", {class: "folds"}, ...folds));
  });
  if (state.further_trainings) cards.push(element("p", {class: "soft"}, `… and ${state.further_trainings} earlier trainings`));
  byId("trainings").replaceChildren(...(cards.length ? cards : ["no training has begun"]));
}

function drawResources(state) {
  const machine = state.machine, words = [`${machine.disk_free_gb.toFixed(0)} GB free on the disk of the project`];
  if (machine.is_here) words.unshift(`${machine.cpu_percent.toFixed(0)} % of ${machine.cores} cores`,
    `${machine.memory_used_gb.toFixed(1)} of ${machine.memory_gb.toFixed(1)} GB memory`);
  byId("machine").textContent = words.join(" · ");
  fill(byId("resources"), ["rule", {right: "measured steps"}, {right: "mean time"}, {right: "longest"}, {right: "most memory"}],
    state.resources.map(row => [row.rule, {right: row.steps},
      {right: row.seconds === null ? "" : duration(row.seconds)},
      {right: row.most_seconds === null ? "" : duration(row.most_seconds)},
      {right: row.most_mb === null ? "" : `${row.most_mb.toFixed(0)} MB`}]));
}

function drawLogs(state) {
  byId("logs").replaceChildren(...state.logs.map(log =>
    element("li", {}, logButton(log.path, log.path.replace("LOGS/", "")),
      element("span", {class: "soft"}, ` ${new Date(log.written * 1000).toLocaleTimeString()}`))));
}

// --- reading ---------------------------------------------------------------------------------------------------------

function draw(state) {
  drawStatus(state);
  drawFailures(state.run);
  drawRunning(state);
  drawGraph(state.run);
  drawResults(state);
  drawTrainings(state);
  drawResources(state);
  drawLogs(state);
}

async function read() {
  try {
    const answer = await fetch("state.json");
    if (!answer.ok) throw new Error(await answer.text());
    const text = await answer.text();
    if (text !== latest) draw(JSON.parse(text));
    latest = text;
    await readLog(false);
    byId("trouble").hidden = true;
  } catch (error) {
    byId("trouble").textContent = `The page is not up to date: ${error.message}. Is python -m mml_lib.watch still running?`;
    byId("trouble").hidden = false;
  }
  setTimeout(read, INTERVAL);
}

read();
