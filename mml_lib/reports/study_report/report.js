"use strict";
document.documentElement.classList.add("js");

// Pages: the one that has the target of the address.
const pages = [...document.querySelectorAll(".page")];
function showPage() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const page = target?.closest(".page") ?? pages[0];
  for (const other of pages) other.classList.toggle("current", other === page);
  for (const link of document.querySelectorAll("nav a"))
    link.classList.toggle("current", decodeURIComponent(link.hash.slice(1)) === page.id);
  if (target && target !== page) target.scrollIntoView();
  else scrollTo(0, 0);
}
addEventListener("hashchange", showPage);
showPage();

// Values in order: numbers by size, missing ones last, texts as people sort them.
function compare(first, second, sign) {
  if (first === null || first === "") return second === null || second === "" ? 0 : 1;
  if (second === null || second === "") return -1;
  const isNumber = typeof first === "number" && typeof second === "number";
  return sign * (isNumber ? first - second : String(first).localeCompare(String(second), "en", {numeric: true}));
}

function nextDirection(head, heads) {
  const direction = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  return direction === "ascending" ? 1 : -1;
}

function onPress(head, action) {
  head.tabIndex = 0;
  head.addEventListener("click", action);
  head.addEventListener("keydown", event => event.key === "Enter" && action());
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const valueOf = (row, place) => {
    const cell = row.cells[place];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  heads.forEach((head, place) => onPress(head, () => {
    const sign = nextDirection(head, heads);
    body.append(...[...body.rows].sort((a, b) => compare(valueOf(a, place), valueOf(b, place), sign)));
  }));
}

// Samples with pictures: filters, order, and some rows at a time.
const STEP = 50;
function element(name, parent, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function choice(parent, label, values) {
  const select = element("select", parent);
  select.setAttribute("aria-label", label);
  element("option", select, label).value = "";
  for (const value of values) element("option", select, value).value = value;
  return select;
}

function showSamples(place) {
  const {columns, rows, pictures} = JSON.parse(place.querySelector("script").textContent);
  const entries = rows.map((row, number) => ({row, picture: pictures[number]}));
  const at = name => columns.indexOf(name);
  const filters = element("div", place), count = element("p", place), wide = element("div", place);
  filters.className = "filters";
  count.className = "muted count";
  wide.className = "wide";
  const text = element("input", filters);
  text.type = "search";
  text.placeholder = "search";
  text.setAttribute("aria-label", "search");
  const different = name => [...new Set(rows.map(row => String(row[at(name)])))].sort((a, b) => compare(a, b, 1));
  const chosen = {};
  for (const name of ["true", "predicted", "group"]) {
    const values = at(name) < 0 || rows.every(row => row[at(name)] === Number(row[at(name)])) ? [] : different(name);
    if (values.length > 1 && values.length <= 100) chosen[name] = choice(filters, name, values);
  }
  const right = at("right") < 0 ? null : choice(filters, "right and wrong", ["all networks right", "some networks wrong"]);
  const table = element("table", wide), headRow = element("tr", element("thead", table)), body = element("tbody", table);
  element("th", headRow, "");
  const heads = columns.map(name => element("th", headRow, name));
  const more = element("button", place, "more rows");
  more.className = "more";
  table.className = "sortable";
  let visible = STEP, sorting = null;

  function matches({row}) {
    const words = text.value.toLowerCase();
    if (words && !row.some(value => String(value).toLowerCase().includes(words))) return false;
    for (const name in chosen) if (chosen[name].value && String(row[at(name)]) !== chosen[name].value) return false;
    if (!right?.value) return true;
    return (row[at("right")] === row[at("networks")]) === right.value.startsWith("all");
  }
  function draw() {
    const matching = entries.filter(matches);
    if (sorting) matching.sort((a, b) => compare(a.row[sorting.place], b.row[sorting.place], sorting.sign));
    body.replaceChildren();
    for (const {row, picture} of matching.slice(0, visible)) {
      const line = element("tr", body), cell = element("td", line);
      if (picture) Object.assign(element("img", cell), {src: picture, alt: "", loading: "lazy"});
      for (const value of row) {
        const text = typeof value === "string" ? value.replaceAll("|", ", ") : value ?? "";
        element("td", line, text).className = typeof value === "number" ? "number" : "";
      }
    }
    count.textContent = `${matching.length} of ${entries.length} images`;
    more.hidden = matching.length <= visible;
  }
  const restart = () => { visible = STEP; draw(); };
  for (const filter of [text, right, ...Object.values(chosen)]) filter?.addEventListener("input", restart);
  heads.forEach((head, index) => {
    if (typeof rows[0]?.[index] === "number") head.className = "number";
    onPress(head, () => { sorting = {place: index, sign: nextDirection(head, heads)}; restart(); });
  });
  more.addEventListener("click", () => { visible += STEP; draw(); });
  draw();
}
document.querySelectorAll(".samples").forEach(showSamples);
