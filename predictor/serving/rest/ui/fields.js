// The fields of a row, made of the contract's columns. Each has the element to show, `value()` as
// JSON sends it (undefined is nothing), `show(value)`, `complain(sentence)` and `translate()`.

import { SECONDS_OF_THE_DAY, clock, descriptionOf, labelOf, nameOf, read, say, typed, unitOf } from "./words.js";

const STEPS = 200; // of a slider, about
const QUARTER = 900; // of an hour, in seconds
const DAY = 86400;
const WIDEST = 10; // times what is usual: a wider range is not a slider's

/** Return the field of a column; it calls `changed` at each change by hand. */
export function fieldOf(column, usual, changed) {
  return namesOf(column).length ? choice(column, changed) : number(column, usual, changed);
}

/** Return the labels without their synonyms, or none where other values are taken too. */
function namesOf({ datatype, labels = {}, minimum, maximum }) {
  const byCode = new Map();
  for (const [label, code] of Object.entries(labels)) {
    if (!byCode.has(code)) byCode.set(code, label);
  }
  const isAll = datatype === "BYTES" || byCode.size === maximum - minimum + 1;
  return isAll ? [...byCode].sort(([a], [b]) => a - b).map(([, label]) => label) : [];
}

function choice(column, changed) {
  const select = document.createElement("select");
  const options = namesOf(column).map((label) => new Option(label, label));
  const nothing = column.optional ? [new Option("", "")] : [];
  select.append(...nothing, ...options);
  select.addEventListener("input", changed);
  const frame = framed(column, select, []);
  return {
    ...frame,
    value: () => select.value || undefined,
    show(value) {
      const name = typeof value === "number" ? codeOf(column, value) : value;
      const label = Object.keys(column.labels).find((each) => column.labels[each] === column.labels[name]);
      select.value = value === null || value === undefined ? "" : label;
    },
    translate() {
      frame.translate();
      for (const option of nothing) option.text = say("none");
      for (const option of options) option.text = labelOf(column, option.value);
    },
  };
}

function codeOf({ labels }, code) {
  return Object.keys(labels).find((label) => labels[label] === code);
}

function number(column, usual, changed) {
  const box = document.createElement("input");
  Object.assign(box, { type: "text", inputMode: "decimal", spellcheck: false, size: 9 });
  const slider = sliderOf(column, usual);
  const time = column.unit === SECONDS_OF_THE_DAY ? document.createElement("output") : null;
  const frame = framed(column, box, [time, slider].filter(Boolean));
  let held; // with all its digits, which a slider has not

  const follow = () => {
    const isNumber = typeof held === "number";
    if (time) time.value = isNumber && held >= 0 && held < DAY ? clock(held) : "";
    if (!slider) return;
    if (isNumber) slider.value = held;
    slider.classList.toggle("off", !isNumber);
    const part = (slider.value - slider.min) / (slider.max - slider.min);
    slider.style.setProperty("--at", `${100 * part}%`);
    slider.setAttribute("aria-valuetext", isNumber ? (time?.value || box.value) : say("empty"));
  };
  box.addEventListener("input", () => {
    held = box.value.trim() ? read(box.value.trim()) : undefined;
    follow();
    changed();
  });
  box.addEventListener("change", () => write());
  slider?.addEventListener("input", () => {
    held = Number(slider.value);
    write();
    changed();
  });
  const write = () => {
    box.value = typeof held === "number" ? typed(held) : (held ?? "");
    follow();
  };
  return {
    ...frame,
    value: () => held,
    show(value) {
      held = value ?? undefined;
      write();
    },
    translate() {
      frame.translate();
      slider?.setAttribute("aria-label", nameOf(column));
      if (column.optional) box.placeholder = say("empty");
      write();
    },
  };
}

/** Return a slider over the column's range, or over what is usual where that is far less. */
function sliderOf({ datatype, unit, minimum, maximum }, usual) {
  const [low, high] = rangeOf(minimum, maximum, usual);
  if (!(high > low)) return null;
  const slider = document.createElement("input");
  const least = datatype === "INT64" ? 1 : 0;
  const step = unit === SECONDS_OF_THE_DAY ? QUARTER : Math.max(least, nice((high - low) / STEPS));
  Object.assign(slider, { type: "range", min: low, max: high, step });
  return slider;
}

export function rangeOf(minimum = -Infinity, maximum = Infinity, usual = null) {
  if (!usual) return Number.isFinite(maximum - minimum) ? [minimum, maximum] : [0, 0];
  const [low, high] = usual;
  const span = high - low || Math.abs(high) || 1;
  if (maximum - minimum <= WIDEST * span) return [minimum, maximum];
  const step = nice(span / 4);
  const wide = [Math.floor(low / step) * step, Math.ceil((high + span / 10) / step) * step];
  return [Math.max(minimum, wide[0]), Math.min(maximum, wide[1])].map((each) => Number(each.toPrecision(12)));
}

/** Return the next of 1, 2, 5, 10 … from a number on. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const found = [1, 2, 5, 10].find((each) => each * power >= value * 0.999);
  return Number((found * power).toPrecision(3));
}

/** Return a control with its name, its unit, what it means, and where its error is said. */
function framed(column, control, others) {
  const element = document.createElement("div");
  const [label, unit, hint, error] = ["label", "span", "p", "p"].map((tag) => document.createElement(tag));
  Object.assign(control, { id: `field-${column.name}`, name: column.name });
  label.htmlFor = control.id;
  Object.assign(hint, { id: `hint-${column.name}`, className: "hint" });
  Object.assign(error, { id: `error-${column.name}`, className: "error", hidden: true, lang: "en" });
  control.setAttribute("aria-describedby", `${hint.id} ${error.id}`);
  control.setAttribute("aria-invalid", "false");
  Object.assign(unit, { className: "unit" });
  const entry = document.createElement("div");
  entry.className = "entry";
  entry.append(...others.filter((each) => each.tagName === "OUTPUT"), control, unit);
  Object.assign(element, { className: "field" });
  element.append(label, entry, ...others.filter((each) => each.tagName === "INPUT"), hint, error);
  element.dataset.column = column.name;
  return {
    column,
    element,
    complain(sentence) {
      error.textContent = sentence;
      error.hidden = !sentence;
      control.setAttribute("aria-invalid", String(Boolean(sentence)));
    },
    translate() {
      label.textContent = nameOf(column);
      label.title = column.name;
      hint.textContent = descriptionOf(column);
      unit.textContent = control.tagName === "SELECT" ? "" : unitOf(column);
    },
  };
}
