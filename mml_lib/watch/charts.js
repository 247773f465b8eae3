// Pictures of the page: the graph of rules, and curves of trainings.
"use strict";

const COLOURS = 6;

function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Graph of rules: each rule stands in a row below all rules that it needs.
function ruleGraph(rules, follows, running) {
  const width = 168, height = 50, across = 18, down = 26;
  const level = Object.fromEntries(rules.map(rule => [rule.name, 0]));
  for (let again = rules.length; again > 0; again--)
    for (const [one, other] of follows) level[other] = Math.max(level[other], level[one] + 1);
  const rows = [];
  for (const rule of rules) (rows[level[rule.name]] ||= []).push(rule);
  const filled = rows.filter(Boolean).flatMap(row => chunks(row, 6)), most = Math.max(1, ...filled.map(row => row.length));
  const total = most * (width + across) - across, place = {};
  filled.forEach((row, y) => row.forEach((rule, x) => {
    const left = (total - row.length * (width + across) + across) / 2;
    place[rule.name] = [left + x * (width + across), y * (height + down)];
  }));
  const tall = Math.max(1, filled.length * (height + down) - down);
  const picture = svg("svg", {
    viewBox: `-2 -2 ${total + 4} ${tall + 4}`, width: total + 4, height: tall + 4, role: "img",
    "aria-label": "rules with their finished steps",
  });
  for (const [one, other] of follows) {
    const [x, y] = place[one], [u, v] = place[other], a = x + width / 2, b = y + height, c = u + width / 2;
    picture.append(svg("path", {class: "edge", d: `M${a} ${b}C${a} ${b + down} ${c} ${v - down} ${c} ${v}`}));
  }
  for (const rule of rules) {
    const [x, y] = place[rule.name], state = rule.failed ? "failed" : running[rule.name] ? "running" : "";
    const words = [`${rule.finished}/${rule.planned}`];
    if (running[rule.name]) words.push(`${running[rule.name]} running`);
    if (rule.failed) words.push(`${rule.failed} failed`);
    const share = amount => (width - 20) * Math.min(1, amount / Math.max(1, rule.planned));
    picture.append(
      svg("rect", {class: `box ${state}`, x, y, width, height, rx: 5}),
      svg("text", {class: "name", x: x + 10, y: y + 17}, rule.name),
      svg("text", {class: "soft", x: x + 10, y: y + 32}, words.join(", ")),
      svg("rect", {class: "track", x: x + 10, y: y + 38, width: width - 20, height: 5, rx: 2}),
      svg("rect", {class: "done", x: x + 10, y: y + 38, width: share(rule.finished), height: 5, rx: 2}),
      svg("rect", {class: "bad", x: x + 10 + share(rule.finished), y: y + 38, width: share(rule.failed), height: 5}),
    );
  }
  return picture;
}

function chunks(row, most) {
  return row.length > most ? [row.slice(0, most), ...chunks(row.slice(most), most)] : [row];
}

// Curves over epochs: `lines` are {values, colour, dashed}; missing values are bridged.
function curves(label, lines, epochs, zeroBased) {
  const width = 340, height = 120, left = 40, bottom = 16, top = 16;
  const values = lines.flatMap(line => line.values).filter(value => value !== null);
  if (!values.length) return null;
  let low = Math.min(...values), high = Math.max(...values);
  if (zeroBased) low = Math.min(0, low);
  if (high === low) { high += 0.5; low -= 0.5; }
  const x = epoch => left + (width - left - 6) * (epochs > 1 ? (epoch - 1) / (epochs - 1) : 0.5);
  const y = value => top + (height - top - bottom) * (1 - (value - low) / (high - low));
  const picture = svg("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label},
    svg("path", {class: "axis", d: `M${left} ${top}V${height - bottom}H${width - 6}`}),
    svg("text", {class: "soft", x: 0, y: 10}, label),
    svg("text", {class: "soft", x: left - 4, y: top + 8, "text-anchor": "end"}, short(high)),
    svg("text", {class: "soft", x: left - 4, y: height - bottom, "text-anchor": "end"}, short(low)),
    svg("text", {class: "soft", x: left, y: height - 3}, "1"),
    svg("text", {class: "soft", x: width - 6, y: height - 3, "text-anchor": "end"}, `epoch ${epochs}`),
  );
  for (const line of lines) {
    const points = line.values.map((value, at) => [at + 1, value]).filter(([, value]) => value !== null);
    const colour = `s${line.colour % COLOURS}`;
    const path = points.map(([epoch, value], at) => `${at ? "L" : "M"}${x(epoch).toFixed(1)} ${y(value).toFixed(1)}`);
    if (points.length === 1) path.push("h.01");
    picture.append(svg("path", {
      class: `curve ${colour}${line.dashed ? " train" : ""}${points.length === 1 ? " single" : ""}`, "stroke-linecap": "round", d: path.join(""),
    }));
  }
  return picture;
}

function short(number) {
  if (number === 0) return "0";
  const size = Math.abs(number);
  return size >= 1e4 || size < 1e-3 ? number.toExponential(0) : String(Number(number.toPrecision(3)));
}
