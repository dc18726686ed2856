/* Vega-Lite specs of the charts. In: rows of DATA. Out: specs; `chosen` is the layer that is picked. */

const FIT = { type: "fit-x", contains: "padding" };
const ROW = 17;
const CHOSEN = { name: "chosen", value: "" };
const PICKED = "datum.name === chosen";

function colors() {
  const style = getComputedStyle(document.documentElement);
  const names = ["text", "muted", "line", "main", "second", "bad", "pick", "faint", "card"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function config() {
  const c = colors();
  const axis = { labelColor: c.muted, titleColor: c.muted, gridColor: c.line, domainColor: c.line, tickColor: c.line };
  return {
    background: null,
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: { ...axis, labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal", labelLimit: 190 },
    legend: { labelColor: c.text, titleColor: c.muted, orient: "top", labelFontSize: 11, symbolStrokeWidth: 0 },
  };
}

function finite(rows, key) {
  return rows.filter((row) => typeof row[key] === "number");
}

const LAYER_TIP = [
  { field: "title", title: "layer" },
  { field: "type", title: "type" },
  { field: "similarity", title: "similarity", format: ".6~g" },
  { field: "errorInScales", title: "error in scales", format: ".3~g" },
  { field: "ownError", title: "alone, in scales", format: ".3~g" },
  { field: "ownSqnr", title: "alone, dB", format: ".1f" },
  { field: "finding", title: "finding" },
];

function alongChart(rows, field, title, height, last) {
  const c = colors();
  const x = { field: "index", type: "quantitative", title: last ? "call of a layer, in order" : null, scale: { nice: false, padding: 8 }, axis: { tickMinStep: 1, grid: false } };
  const y = { field, type: "quantitative", title, scale: { zero: false, padding: 6 } };
  return {
    width: "container", height, autosize: FIT, params: [CHOSEN],
    data: { values: finite(rows, field) },
    encoding: { x, y },
    layer: [
      { mark: { type: "line", color: c.faint, strokeWidth: 1.5 } },
      { transform: [{ filter: PICKED }], mark: { type: "rule", color: c.pick, strokeDash: [3, 3] }, encoding: { y: null } },
      {
        mark: { type: "point", filled: true, opacity: 1, cursor: "pointer", stroke: c.card, strokeWidth: 1 },
        encoding: {
          color: { condition: [{ test: PICKED, value: c.pick }, { test: "datum.finding !== ''", value: c.bad }], value: c.main },
          shape: { condition: { test: "datum.finding !== ''", value: "diamond" }, value: "circle" },
          size: { condition: [{ test: PICKED, value: 190 }, { test: "datum.finding !== ''", value: 130 }], value: 60 },
          tooltip: LAYER_TIP,
        },
      },
    ],
  };
}

function sensitivityChart(rows, metric) {
  const c = colors();
  const values = finite(rows, "value").map((row) => ({ ...row, name: row.layer, label: `${row.layer} · ${row.kind}` }));
  return {
    width: "container", height: ROW * values.length, autosize: FIT, params: [CHOSEN], data: { values },
    encoding: {
      y: { field: "label", type: "nominal", sort: { field: "rank" }, title: null, axis: { ticks: false, domain: false } },
      x: { field: "value", type: "quantitative", title: `${metric} of the output`, scale: { zero: false, padding: 10 }, axis: { orient: "top" } },
      tooltip: [{ field: "layer" }, { field: "kind" }, { field: "value", title: metric, format: ".4~g" }, { field: "dtype" }],
    },
    layer: [
      { mark: { type: "rule", strokeWidth: 1.5, color: c.faint }, encoding: { x2: { value: 0 } } },
      {
        mark: { type: "point", filled: true, opacity: 1, size: 80, cursor: "pointer" },
        encoding: {
          color: { field: "kind", type: "nominal", legend: null, scale: { domain: ["activation", "weight"], range: [c.main, c.second] } },
          shape: { field: "kind", type: "nominal", legend: null, scale: { domain: ["activation", "weight"], range: ["circle", "square"] } },
          size: { condition: { test: PICKED, value: 190 }, value: 70 },
        },
      },
    ],
  };
}

function weightsChart(rows) {
  const c = colors();
  const values = rows.map((row) => ({ ...row, name: row.layer, lows: null, highs: null, limits: null, channel: null }));
  return {
    width: "container", height: ROW * values.length, autosize: FIT, params: [CHOSEN], data: { values },
    mark: { type: "bar", height: 9, cornerRadius: 2, cursor: "pointer" },
    encoding: {
      y: { field: "layer", type: "nominal", sort: null, title: null, axis: { ticks: false, domain: false } },
      x: { field: "low", type: "quantitative", title: "weight", axis: { orient: "top" } },
      x2: { field: "high" },
      color: { condition: { test: PICKED, value: c.pick }, value: c.second },
      tooltip: [{ field: "layer" }, { field: "low", format: ".4~g" }, { field: "high", format: ".4~g" }, { field: "sqnr", title: "SQNR, dB", format: ".1f" }, { field: "similarity", format: ".6~g" }],
    },
  };
}

function bins(feature, counts, kind) {
  const width = (feature.high - feature.low) / counts.length;
  return counts.map((count, i) => ({ kind, count, from: feature.low + i * width, to: feature.low + (i + 1) * width }));
}

function histogramChart(feature) {
  const c = colors();
  const limits = feature.limit === null ? [] : [-feature.limit, feature.limit];
  const edge = Math.max(Math.abs(feature.low), Math.abs(feature.high));
  const shown = limits.filter((x) => x >= feature.low - edge * 0.3 && x <= feature.high + edge * 0.3);
  const count = { field: "count", type: "quantitative", title: "values (log)", scale: { type: "symlog", domainMin: 0 }, axis: { tickCount: 4, format: "~s" } };
  const tooltip = [{ field: "kind", title: "model" }, { field: "from", format: ".4~g" }, { field: "to", format: ".4~g" }, { field: "count", format: "," }];
  const x = { field: "from", type: "quantitative", title: null, scale: { nice: false, zero: false }, axis: { grid: false } };
  const layers = [
    { data: { values: bins(feature, feature.counts, "quantized") }, mark: { type: "bar", color: c.main, opacity: 0.75, binSpacing: 0 }, encoding: { x, x2: { field: "to" }, y: count, y2: { datum: 0 }, tooltip } },
    ...(shown.length ? [{ data: { values: shown.map((from) => ({ from })) }, mark: { type: "rule", color: c.bad, strokeWidth: 2, strokeDash: [5, 3], tooltip: "the largest value that the scale can show" }, encoding: { x } }] : []),
  ];
  if (feature.reference) {
    const values = bins(feature, feature.reference, "reference");
    layers.push({ data: { values }, mark: { type: "line", interpolate: "step-after", color: c.text, strokeWidth: 1.2 }, encoding: { x, y: count } });
  }
  return { width: "container", height: 150, autosize: FIT, layer: layers };
}

function channelsChart(channel, lows, highs, limits) {
  const c = colors();
  const values = channel.map((index, i) => ({ index, low: lows[i], high: highs[i], top: limits ? limits[i] : null, bottom: limits ? -limits[i] : null }));
  const x = { field: "index", type: "quantitative", title: "channel", scale: { nice: false, padding: 6 }, axis: { grid: false, tickMinStep: 1 } };
  const tick = (field) => ({ mark: { type: "tick", color: c.bad, thickness: 1.5, width: 5 }, encoding: { x, y: { field, type: "quantitative" } } });
  const width = Math.max(1.5, Math.min(9, 300 / channel.length));
  return {
    width: "container", height: 130, autosize: FIT, data: { values },
    layer: [
      { mark: { type: "bar", width, color: c.second }, encoding: { x, y: { field: "low", type: "quantitative", title: null }, y2: { field: "high" }, tooltip: [{ field: "index", title: "channel" }, { field: "low", format: ".4~g" }, { field: "high", format: ".4~g" }, { field: "top", title: "scale's end", format: ".4~g" }] } },
      ...(limits ? [tick("top"), tick("bottom")] : []),
    ],
  };
}

function memoryChart(rows) {
  const c = colors();
  const values = rows.map((row, index) => ({ ...row, index, name: row.layer, mebibytes: row.bytes / 2 ** 20 }));
  return {
    width: "container", height: 260, autosize: FIT, data: { values },
    mark: { type: "area", line: true, opacity: 0.35, interpolate: "step-after" },
    encoding: {
      x: { field: "index", type: "quantitative", title: "calls, in order", axis: { grid: false } },
      y: { field: "mebibytes", type: "quantitative", title: "MiB in use" },
      color: { field: "phase", type: "nominal", title: null, scale: { domain: ["forward", "backward"], range: [c.main, c.second] } },
      tooltip: [{ field: "layer" }, { field: "phase" }, { field: "mebibytes", title: "MiB", format: ".3f" }],
    },
  };
}
