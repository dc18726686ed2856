/* The page: fills its parts from DATA, draws the charts, and keeps one layer picked in all of them. */

const byId = (id) => document.getElementById(id);
const shown = (value, digits = 4) => (typeof value === "number" ? Number(value.toPrecision(digits)).toString() : value ?? "–");
const percent = (value) => (typeof value === "number" ? `${(100 * value).toFixed(value < 0.1 ? 2 : 1)} %` : "–");
const views = new Map();
const ERRORS_ONLY = 1;
const SMALLEST_ZOOM = 0.65;
let picked = "";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.onclick = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

async function draw(id, spec) {
  views.get(id)?.finalize();
  const target = typeof id === "string" ? byId(id) : id;
  const made = await vegaEmbed(target, spec, { actions: false, renderer: "svg", logLevel: ERRORS_ONLY, config: config(), tooltip: { theme: "page" } });
  made.view.addEventListener("click", (_, item) => item?.datum?.name && pick(item.datum.name));
  views.set(id, made);
  mark(made.view);
}

function mark(view) {
  try {
    view.signal("chosen", picked).run();
  } catch {
    /* a chart without layers */
  }
}

/* Parts */

function drawFacts() {
  byId("title").textContent = document.title = DATA.title;
  byId("subtitle").textContent = DATA.subtitle;
  for (const [label, value] of DATA.facts) {
    const alarm = label === "findings" && value !== "0" ? "alarm" : "";
    byId("facts").append(element("div", { class: alarm }, element("dd", {}, value), element("dt", {}, label)));
  }
}

function drawFindings() {
  if (!DATA.layers.length || !DATA.facts.length) return;
  byId("findings-card").hidden = false;
  const list = byId("findings");
  if (!DATA.findings.length) list.append(element("li", { class: "none" }, "Nothing conspicuous: scales fit, every layer keeps its signal."));
  for (const finding of DATA.findings) {
    const name = element("code", {}, finding.layer || "the models");
    const button = element("button", { type: "button", "data-layer": finding.layer, onclick: () => pick(finding.layer) }, name, element("span", {}, finding.text), element("small", {}, `Remedy: ${finding.remedy}`));
    list.append(element("li", {}, button));
  }
}

function drawGraph() {
  if (!DATA.graph) return;
  byId("graph-card").hidden = false;
  byId("columns").classList.add("with-graph");
  const { nodes, edges } = DATA.graph;
  const [w, h, stepX, stepY] = [168, 34, 182, 48];
  const left = Math.min(...nodes.map((n) => n.column));
  const place = (n) => ({ x: (n.column - left) * stepX + 8, y: n.row * stepY + 8 });
  const width = Math.max(...nodes.map((n) => place(n).x)) + w + 8;
  const height = Math.max(...nodes.map((n) => place(n).y)) + h + 8;
  const marked = new Set(DATA.findings.map((finding) => finding.layer));
  const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const short = (text, most) => (text.length > most ? `…${text.slice(1 - most)}` : text);
  const lines = edges.map(([a, b]) => {
    const [from, to] = [place(nodes[a]), place(nodes[b])];
    const [x1, y1, x2, y2] = [from.x + w / 2, from.y + h, to.x + w / 2, to.y];
    const bow = nodes[b].row - nodes[a].row > 1 && Math.abs(x1 - x2) < 4 ? w / 2 + 10 : 0;
    return `<path d="M${x1},${y1} C${x1 + bow},${y1 + 20 + bow / 3} ${x2 + bow},${y2 - 20 - bow / 3} ${x2},${y2}"/>`;
  });
  const boxes = nodes.map((n) => {
    const { x, y } = place(n);
    const kind = [n.layer ? "layer" : "", n.layer && marked.has(n.layer) ? "marked" : ""].join(" ");
    return `<g class="${kind}" data-layer="${escape(n.layer)}" transform="translate(${x},${y})"><title>${escape(`${n.label}: ${n.kind}`)}</title><rect width="${w}" height="${h}"/><text x="8" y="14">${escape(short(n.label, 22))}</text><text class="kind" x="8" y="27">${escape(short(n.kind, 28))}</text></g>`;
  });
  const zoom = Math.max(SMALLEST_ZOOM, Math.min(1, byId("graph").clientWidth / width));
  byId("graph").innerHTML = `<svg class="graph" width="${width * zoom}" height="${height * zoom}" viewBox="0 0 ${width} ${height}" role="img" aria-label="graph">${lines.join("")}${boxes.join("")}</svg>`;
  byId("graph").onclick = (event) => {
    const layer = event.target.closest("g.layer")?.dataset.layer;
    if (layer) pick(layer);
  };
}

const LAYER_COLUMNS = [
  ["#", "index", shown], ["layer", "title", null], ["type", "type", null], ["similarity", "similarity", (v) => shown(v, 6)],
  ["error, scales", "errorInScales", shown], ["alone, scales", "ownError", shown], ["alone, dB", "ownSqnr", (v) => shown(v, 3)],
  ["spare bits", "spareBits", (v) => shown(v, 2)], ["clipped", "clipped", percent],
];
const FEATURE_COLUMNS = [
  ["tensor", "title", null], ["of", "attr", null], ["min", "low", shown], ["max", "high", shown], ["mean", "mean", shown],
  ["std", "std", shown], ["scale", "scale", shown], ["clipped", "clipped", percent], ["dtype", "dtype", null],
];
const table = { rows: [], columns: [], key: "", falling: false };

function drawTable() {
  const layers = DATA.layers.length > 0;
  table.rows = layers ? DATA.layers : DATA.features.map((feature, index) => ({ ...feature, index, name: `${feature.layer}:${feature.attr}`, finding: "" }));
  if (!table.rows.length) return;
  byId("table-card").hidden = false;
  byId("table-title").textContent = layers ? "Layers" : "Tensors";
  byId("columns").classList.toggle("one-table", !layers);
  [table.columns, table.key] = layers ? [LAYER_COLUMNS, "similarity"] : [FEATURE_COLUMNS, "index"];
  const heads = table.columns.map(([label, key, format]) => element("th", { class: format ? "" : "text", "data-key": key, scope: "col", onclick: () => sortBy(key) }, label));
  byId("table").tHead.replaceChildren(element("tr", {}, ...heads));
  byId("filter").oninput = fillTable;
  fillTable();
}

function sortBy(key) {
  table.falling = table.key === key && !table.falling;
  table.key = key;
  fillTable();
}

function fillTable() {
  const words = byId("filter").value.toLowerCase();
  const kept = table.rows.filter((row) => `${row.title} ${row.type ?? row.attr}`.toLowerCase().includes(words));
  const value = (row) => row[table.key] ?? Infinity;
  kept.sort((a, b) => (value(a) > value(b) ? 1 : value(a) < value(b) ? -1 : 0) * (table.falling ? -1 : 1));
  for (const head of byId("table").tHead.rows[0].cells) {
    head.setAttribute("aria-sort", head.dataset.key !== table.key ? "none" : table.falling ? "descending" : "ascending");
  }
  const cell = (row, [, key, format]) => element("td", { class: format ? "" : "text" }, format ? format(row[key]) : key === "title" ? element("code", {}, row[key]) : row[key]);
  byId("table").tBodies[0].replaceChildren(...kept.map((row) => {
    const attributes = { class: row.finding ? "marked" : "", "data-layer": row.name, tabindex: 0, "aria-selected": row.name === picked, title: row.finding, onclick: () => pick(row.name) };
    const made = element("tr", attributes, ...table.columns.map((column) => cell(row, column)));
    made.onkeydown = (event) => event.key === "Enter" && pick(row.name);
    return made;
  }));
}

/* The picked layer */

function pick(name) {
  picked = name;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  for (const { view } of views.values()) mark(view);
  for (const row of byId("table").tBodies[0].rows) row.setAttribute("aria-selected", row.dataset.layer === name);
  for (const button of byId("findings").querySelectorAll("button")) button.setAttribute("aria-current", button.dataset.layer === name);
  for (const box of byId("graph").querySelectorAll("g.layer")) box.classList.toggle("picked", box.dataset.layer === name);
  const box = byId("graph").querySelector("g.picked");
  if (box) {
    const [at, around] = [box.getBoundingClientRect(), byId("graph").getBoundingClientRect()];
    byId("graph").scrollBy({ top: at.top - around.top - 140, left: at.left - around.left - 60 });
  }
  drawDetail();
}

function drawDetail() {
  const [layer, attr] = DATA.layers.length ? [picked, null] : picked.split(":");
  const row = DATA.layers.find((other) => other.name === layer);
  const features = DATA.features.filter((feature) => feature.layer === layer && (!attr || feature.attr === attr));
  const weight = DATA.weights.find((other) => other.layer === layer);
  byId("detail").hidden = !(row || features.length || weight);
  byId("detail-title").textContent = layer;
  byId("detail-type").textContent = row ? row.type : "";
  byId("detail-finding").hidden = !row?.finding;
  byId("detail-finding").textContent = row?.finding ?? "";
  const facts = row
    ? [["similarity", shown(row.similarity, 6)], ["largest error", shown(row.error)], ["… in scales", shown(row.errorInScales)], ["alone, in scales", shown(row.ownError)], ["alone, dB", shown(row.ownSqnr, 3)], ["scale", shown(row.scale)], ["scale's range", shown(row.range)], ["values reach", shown(row.peak)], ["spare bits", shown(row.spareBits, 2)], ["clipped", percent(row.clipped)]]
    : features.slice(0, 1).flatMap((f) => [["min", shown(f.low)], ["max", shown(f.high)], ["mean", shown(f.mean)], ["std", shown(f.std)], ["scale", shown(f.scale)], ["clipped", percent(f.clipped)], ["dtype", f.dtype]]);
  byId("detail-facts").replaceChildren(...facts.filter(([, value]) => value !== "–").flatMap(([label, value]) => [element("dt", {}, label), element("dd", {}, value)]));
  for (const id of [...views.keys()]) if (typeof id !== "string") { views.get(id).finalize(); views.delete(id); }
  byId("detail-charts").replaceChildren();
  for (const feature of features) {
    const ends = feature.limit === null ? "" : feature.limit > 1.6 * Math.max(-feature.low, feature.high) ? `; the scale ends far outside, at ±${shown(feature.limit, 3)}` : "; dashed: the scale's ends";
    addDetail(`${feature.title === feature.layer ? "" : `${feature.title}, `}${feature.attr}, ${feature.dtype}`, `${feature.reference ? "Bars: this model; line: the other" : "Distribution of values"}${ends}.`, histogramChart(feature));
    if (feature.channels) addDetail("channels", "Range of each channel.", channelsChart(feature.channels[0].map((_, i) => i), ...feature.channels, null));
  }
  if (weight) addDetail("weight, by channel", "Bars: range of each output channel; ticks: the ends of its scale.", channelsChart(weight.channel, weight.lows, weight.highs, weight.limits));
}

function addDetail(title, hint, spec) {
  const target = element("div", { class: "chart" });
  byId("detail-charts").append(element("h3", {}, title), element("p", { class: "hint" }, hint), target);
  draw(target, spec);
}

/* Charts and theme */

async function drawCharts() {
  const parts = [
    ["similarity", DATA.layers.length, () => alongChart(DATA.layers, "similarity", DATA.metric, 170, false)],
    ["alone", DATA.layers.length, () => alongChart(DATA.layers, "ownSqnr", "alone, SQNR in dB", 120, true)],
    ["sensitivity", DATA.sensitivity.length, () => sensitivityChart(DATA.sensitivity, DATA.sensitivityMetric)],
    ["weights", DATA.weights.length, () => weightsChart(DATA.weights)],
    ["memory", DATA.memory.length, () => memoryChart(DATA.memory)],
  ];
  for (const [id, some, spec] of parts) {
    byId(id).closest("section").hidden = !some;
    if (some) await draw(id, spec());
  }
}

async function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  byId("theme").textContent = dark ? "Light" : "Dark";
  await drawCharts();
  drawDetail();
}

byId("theme").onclick = () => setTheme(document.documentElement.dataset.theme !== "dark");
drawFacts();
drawFindings();
drawGraph();
drawTable();
const wanted = decodeURIComponent(location.hash.slice(1));
const names = table.rows.map((row) => row.name);
const worst = DATA.findings.find((finding) => names.includes(finding.layer))?.layer ?? byId("table").tBodies[0].rows[0]?.dataset.layer;
picked = names.includes(wanted) ? wanted : worst ?? "";
setTheme(matchMedia("(prefers-color-scheme: dark)").matches).then(() => { if (picked) pick(picked); document.body.dataset.ready = "true"; });
