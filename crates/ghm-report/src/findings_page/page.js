"use strict";
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const head = read("document");
const findings = read("findings");
const list = document.getElementById("list");
const progress = document.getElementById("progress");

// What was decided, kept by the browser under what the list is of.
const place = "ghm-findings:" + JSON.stringify(head);
let decisions = {};
try { decisions = JSON.parse(localStorage.getItem(place)) || {}; } catch { /* storage is off: the page works without */ }
const keep = () => { try { localStorage.setItem(place, JSON.stringify(decisions)); } catch { /* as above */ } };

const make = (name, className, text) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

const svg = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

const drawing = (crop) => {
  const frame = make("div", "crop", crop ? undefined : "the picture could not be read");
  if (!crop) return frame;
  const { width, height } = crop;
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img" });
  picture.append(svg("image", { href: crop.uri, width, height }));
  for (const [box, kind] of [[crop.now, "label"], [crop.suggested, "proposal"]]) {
    if (!box) continue;
    const [x1, y1, x2, y2] = box;
    picture.append(svg("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, class: kind }));
  }
  frame.append(picture);
  return frame;
};

const change = (record) => {
  const line = make("p", "change");
  const add = (name, text) => line.append(make(name, "", text));
  if (record.kind === "missing-box") add("b", record.class);
  else if (record.suggested_class) { add("s", record.class); line.append(" → "); add("b", record.suggested_class); }
  else if (record.kind === "loose-box") line.append(record.class);
  else add("s", record.class);
  if (typeof record.class_certainty === "number" && record.class_certainty < 0.5) line.append(" (class uncertain)");
  return line;
};

const fill = (card, index) => {
  const { record, reason, picture, crop } = findings[index];
  const top = make("div", "head");
  top.append(make("span", "", record.kind.replace("-", " ")), make("span", "", `${record.rank} · ${record.suspicion.toFixed(2)}`));
  const choice = make("div", "choice");
  for (const decision of ["accept", "reject"]) {
    const button = make("button", "", decision === "accept" ? "Accept" : "Reject");
    button.type = "button";
    button.tabIndex = -1;
    button.addEventListener("click", () => { select(index); decide(index, decisions[record.rank] === decision ? undefined : decision); });
    choice.append(button);
  }
  card.append(drawing(crop), top, change(record), make("p", "why", `${picture}: ${reason}`), choice);
};

// A card is empty until it comes near the visible part.
const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting || target.childElementCount) continue;
    near.unobserve(target);
    fill(target, Number(target.dataset.index));
  }
}, { rootMargin: "800px" });

const cards = findings.map((finding, index) => {
  const card = make("article");
  card.dataset.index = index;
  card.tabIndex = -1;
  return card;
});

let shown = [];
let current = 0;

const mark = (index) => {
  const decision = decisions[findings[index].record.rank];
  cards[index].classList.toggle("accept", decision === "accept");
  cards[index].classList.toggle("reject", decision === "reject");
};

const count = () => {
  const values = Object.values(decisions);
  const of = (decision) => values.filter((value) => value === decision).length;
  progress.textContent = `${of("accept")} accepted, ${of("reject")} rejected, ${findings.length - values.length} open`;
};

const select = (index) => {
  cards[current]?.classList.remove("current");
  current = index;
  cards[current].classList.add("current");
};

const decide = (index, decision) => {
  const { rank } = findings[index].record;
  if (decision) decisions[rank] = decision; else delete decisions[rank];
  mark(index);
  count();
  keep();
};

const step = (by) => {
  const at = shown.indexOf(current);
  const next = shown[Math.min(Math.max(at + by, 0), shown.length - 1)];
  if (next === undefined) return;
  select(next);
  cards[next].scrollIntoView({ block: "nearest" });
};

const show = (kind) => {
  for (const button of document.querySelectorAll("#kinds button")) {
    button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
  }
  shown = findings.map((_, index) => index).filter((index) => kind === "all" || findings[index].record.kind === kind);
  list.replaceChildren(...shown.map((index) => cards[index]));
  if (shown.length) select(shown[0]);
};

const kinds = new Map([["all", findings.length]]);
for (const { record } of findings) kinds.set(record.kind, (kinds.get(record.kind) || 0) + 1);
for (const [kind, number] of kinds) {
  const button = make("button", "", `${kind.replace("-", " ")} ${number}`);
  button.type = "button";
  button.dataset.kind = kind;
  button.addEventListener("click", () => { show(kind); button.blur(); });
  document.getElementById("kinds").append(button);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !shown.length) return;
  const act = {
    a: () => { decide(current, "accept"); step(1); },
    r: () => { decide(current, "reject"); step(1); },
    u: () => decide(current, undefined),
    j: () => step(1), ArrowRight: () => step(1), ArrowDown: () => step(1),
    k: () => step(-1), ArrowLeft: () => step(-1), ArrowUp: () => step(-1),
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.getElementById("download").addEventListener("click", () => {
  const all = findings.map(({ record }) => ({ ...record, decision: decisions[record.rank] }));
  const text = JSON.stringify({ ...head, suspects: all }, null, 2) + "\n";
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "decisions.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

cards.forEach((card, index) => { near.observe(card); mark(index); });
show("all");
count();
