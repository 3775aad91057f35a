// What the page shows of an answer of the server.

import { rangeOf } from "./fields.js";
import { nameOf, numeral, say, share, unitOf, warningOf } from "./words.js";

const MOST_DECIMALS = 6;
const HARD_TO_SEE = 20; // times smaller than the whole
const at = (id) => document.getElementById(id);

/** Show an answer, and say it. */
export function show(facts, answer) {
  const { target } = facts.contract;
  const found = answer[`predicted_${target.name}`];
  const decimals = decimalsOf(answer);
  const text = target.classes ? found : numeral(found, decimals);
  at("target").textContent = nameOf(target);
  at("prediction").value = text;
  at("unit").textContent = unitOf(target);
  at("interval").textContent = intervalOf(facts, answer, decimals);
  const said = { prediction: text, unit: unitOf(target), interval: at("interval").textContent };
  at("spoken").textContent = say("spoken", said);
  if (!target.classes) showScale(facts, found, answer);
  showList("warnings", (answer.warnings ?? []).map(warning));
  showList("classes", Object.entries(answer.probabilities ?? {}).map(([name, p]) => likely(name, p, found)));
  const { explanation } = answer;
  at("why").hidden = !explanation;
  at("shares").hidden = !explanation?.physics?.contribution;
  at("unexplained").hidden = Boolean(explanation);
  at("terms").replaceChildren(...(explanation ? terms(facts, explanation) : []));
}

/** Return as many decimals as the width of the interval is worth, from two on. */
function decimalsOf({ lower, upper }) {
  if (!(upper > lower)) return 2;
  return Math.min(MOST_DECIMALS, Math.max(2, -Math.floor(Math.log10(upper - lower))));
}

function intervalOf({ contract, coverage }, { lower, upper }, decimals) {
  if (lower === undefined) return "";
  const ends = { lower: numeral(lower, decimals), upper: numeral(upper, decimals) };
  return say("interval", { ...ends, unit: unitOf(contract.target), share: share(coverage) });
}

function showScale({ contract, usual }, prediction, { lower = prediction, upper = prediction }) {
  const { name, minimum, maximum } = contract.target;
  const [least, most] = usual[name] ?? [lower, upper];
  const [low, high] = rangeOf(minimum, maximum, [Math.min(least, lower), Math.max(most, upper)]);
  const place = (value) => `${(100 * (value - low)) / (high - low)}%`;
  at("scale").hidden = !(high > low);
  at("band").style.left = place(lower);
  at("band").style.width = `${(100 * (upper - lower)) / (high - low)}%`;
  at("needle").style.left = place(prediction);
  const [first, last] = at("scale").querySelectorAll(".ends span");
  first.textContent = numeral(low, 0);
  last.textContent = numeral(high, 0);
}

function showList(id, items) {
  at(id).hidden = !items.length;
  at(id).replaceChildren(...items);
}

function warning(message) {
  const item = document.createElement("li");
  item.textContent = warningOf(message);
  return item;
}

function likely(name, probability, found) {
  const item = bar({ kind: name === found ? "sum" : "class", name, from: 0, to: probability }, [0, 1]);
  item.dataset.value = probability;
  item.lastChild.textContent = share(probability, 1);
  return item;
}

/** Return the explanation as bars, each of which begins where the one before it ends. */
function terms({ contract }, explanation) {
  const found = steps(contract, explanation);
  const range = extent(found);
  const columns = found.filter(({ kind }) => kind === "column");
  const decimals = decimalsFor(columns);
  const line = (step, ends) => {
    const isWhole = step.kind === "base" || step.kind === "sum";
    const item = bar(step, ends);
    item.dataset.value = step.value;
    item.classList.add(step.value < 0 ? "less" : step.value > 0 ? "more" : "nothing");
    item.lastChild.textContent = numeral(step.value, decimals, isWhole ? "negative" : "exceptZero");
    return item;
  };
  const [enlarged, times] = enlarge(range, extent(columns));
  const items = found.map((step) => line(step, step.kind === "column" ? enlarged : range));
  if (times > 1) items.splice(found.indexOf(columns[0]), 0, note(say("enlarged", { times: numeral(times, 0) })));
  return items;
}

function extent(found) {
  const ends = found.flatMap(({ from, to }) => [from, to]);
  return [Math.min(...ends), Math.max(...ends)];
}

/** Return as many decimals as the largest column is worth, from two on. */
function decimalsFor(columns) {
  const most = Math.max(...columns.map(({ value }) => Math.abs(value)));
  return most ? Math.min(MOST_DECIMALS, Math.max(2, 1 - Math.floor(Math.log10(most)))) : 2;
}

/** Return a range around a part of another, so many times smaller, if that part is hard to see. */
function enlarge([low, high], [first, last]) {
  const least = (high - low) / (last - first);
  if (!(least > HARD_TO_SEE) || !Number.isFinite(least)) return [[low, high], 1];
  const power = 10 ** Math.floor(Math.log10(least));
  const times = power * [5, 2, 1].find((each) => each * power <= least);
  const rest = (high - low) / times - (last - first);
  return [[first - rest / 2, last + rest / 2], times];
}

function note(words) {
  const item = document.createElement("li");
  Object.assign(item, { className: "dim note", textContent: words });
  return item;
}

function steps({ columns }, { prediction, base, physics, contributions, bounds }) {
  const found = [];
  const add = (kind, name, value, from) => {
    found.push({ kind, name, value, from, to: from + value });
    return from + value;
  };
  let reached = add("base", say("base"), base, 0);
  if (physics) {
    let within = reached;
    reached = add("physics", say("physics"), physics.contribution, reached);
    for (const column of columns) {
      const value = physics.shares[column.name];
      if (value) within = add("share", nameOf(column), value, within);
    }
  }
  for (const column of columns) {
    reached = add("column", nameOf(column), contributions[column.name], reached);
  }
  if (bounds) add("bounds", say("bounds"), bounds, reached);
  add("sum", say("sum"), prediction, 0);
  return found;
}

/** Return a line of a chart: a name, a bar from one value to another, and room for a figure. */
function bar({ kind, name, from, to }, [low, high]) {
  const item = document.createElement("li");
  const [label, rail, fill, figure] = ["span", "div", "i", "span"].map((tag) => document.createElement(tag));
  const part = (value) => `${(100 * value) / (high - low || 1)}%`;
  item.dataset.kind = kind;
  item.dataset.name = name;
  label.textContent = name;
  label.className = "name";
  rail.className = "rail";
  figure.className = "figure";
  rail.style.setProperty("--zero", low > 0 ? "-1px" : part(-low));
  fill.style.left = part(Math.min(from, to) - low);
  fill.style.width = part(Math.abs(to - from));
  rail.append(fill);
  item.append(label, rail, figure);
  return item;
}
