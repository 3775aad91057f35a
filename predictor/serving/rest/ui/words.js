// What the page says, in English and in Spanish. Columns are called as the contract calls them, but
// for those of the steel plant, whose names and descriptions are known here.

const TEXTS = {
  en: {
    title: "What if",
    model: "Model {name}, version {version}",
    prediction: "Prediction",
    inputs: "Inputs",
    again: "Back to the example",
    why: "How it comes about",
    reads: "From the average to the prediction: what each part adds or takes off.",
    shares: "Physics is a formula; below it is what each column has of it.",
    enlarged: "The bars of the columns are enlarged {times} times.",
    unexplained: "This server does not explain its predictions.",
    key: "API key or token",
    use: "Use it",
    kept: "It is kept in this page alone, until you leave it.",
    interval: "{lower} to {upper} {unit} ({share} interval)",
    spoken: "Prediction {prediction} {unit}. {interval}",
    base: "Average",
    physics: "Physics",
    bounds: "Kept within bounds",
    sum: "Prediction",
    silent: "The server does not answer.",
    refused: "The server refuses a value; the last answer is shown.",
    empty: "empty",
    none: "– empty –",
  },
  es: {
    title: "¿Y si…?",
    model: "Modelo {name}, versión {version}",
    prediction: "Predicción",
    inputs: "Entradas",
    again: "Volver al ejemplo",
    why: "De dónde sale",
    reads: "De la media a la predicción: lo que suma o resta cada parte.",
    shares: "La física es una fórmula; debajo está lo que pone cada columna.",
    enlarged: "Las barras de las columnas están ampliadas {times} veces.",
    unexplained: "Este servidor no explica sus predicciones.",
    key: "Clave de API o token",
    use: "Usarla",
    kept: "Solo se guarda en esta página, hasta que salga de ella.",
    interval: "De {lower} a {upper} {unit} (intervalo del {share})",
    spoken: "Predicción {prediction} {unit}. {interval}",
    base: "Media",
    physics: "Física",
    bounds: "Ajuste a los límites",
    sum: "Predicción",
    silent: "El servidor no responde.",
    refused: "El servidor rechaza un valor; se muestra la última respuesta.",
    empty: "vacío",
    none: "– vacío –",
  },
};

// By the contract's own words in English: where those are others, so is the meaning.
const KNOWN = {
  "Reactive energy while the current lags the voltage, in the 15 minutes": {
    en: ["Lagging reactive energy"],
    es: ["Energía reactiva inductiva", "Energía reactiva con la corriente en retraso, en los 15 minutos"],
  },
  "Reactive energy while the current leads the voltage, in the 15 minutes": {
    en: ["Leading reactive energy"],
    es: ["Energía reactiva capacitiva", "Energía reactiva con la corriente en adelanto, en los 15 minutos"],
  },
  "Carbon dioxide of the 15 minutes": {
    en: ["CO₂"],
    es: ["CO₂", "Dióxido de carbono de los 15 minutos"],
  },
  "Power factor while the current lags the voltage": {
    en: ["Lagging power factor"],
    es: ["Factor de potencia inductivo", "Factor de potencia con la corriente en retraso"],
  },
  "Power factor while the current leads the voltage": {
    en: ["Leading power factor"],
    es: ["Factor de potencia capacitivo", "Factor de potencia con la corriente en adelanto"],
  },
  "Time at which the 15 minutes end": {
    en: ["Time of day"],
    es: ["Hora del día", "Hora a la que acaban los 15 minutos"],
  },
  "Day to which the 15 minutes belong": {
    en: ["Day of the week"],
    es: ["Día de la semana", "Día al que pertenecen los 15 minutos"],
  },
  "What the plant's schedule calls the load": {
    en: ["Load type"],
    es: ["Tipo de carga", "Cómo llama a la carga el horario de la planta"],
  },
  "Active energy used in the 15 minutes": {
    en: ["Energy used"],
    es: ["Consumo de energía", "Energía activa consumida en los 15 minutos"],
  },
};
const LABELS = {
  es: {
    Monday: "Lunes",
    Tuesday: "Martes",
    Wednesday: "Miércoles",
    Thursday: "Jueves",
    Friday: "Viernes",
    Saturday: "Sábado",
    Sunday: "Domingo",
    Light: "Ligera",
    Medium: "Media",
    Maximum: "Máxima",
  },
};
const WARNINGS = {
  es: {
    "the lagging and the leading reactive energy and power factor belong to different energies":
      "la energía reactiva y el factor de potencia inductivos y capacitivos son de energías distintas",
    "a power factor is from 0 to 1; it is expected in percent, 85 and not 0.85":
      "un factor de potencia está entre 0 y 1; se espera en porcentaje, 85 y no 0,85",
    "neither power factor limits the energy; the answer is what is usual for the load type":
      "ningún factor de potencia limita la energía; la respuesta es lo habitual para el tipo de carga",
  },
};

export const SECONDS_OF_THE_DAY = "seconds from midnight";
const UNITS = { percent: "%", [SECONDS_OF_THE_DAY]: "s" };

let language = "en";

/** Speak the language of a code from now on; returns it. */
export function speak(code) {
  language = code in TEXTS ? code : "en";
  document.documentElement.lang = language;
  return language;
}

/** Return the first of the browser's languages that the page has. */
export function preferred() {
  const asked = navigator.languages.map((each) => each.slice(0, 2).toLowerCase());
  return asked.find((each) => each in TEXTS) ?? "en";
}

export function say(key, values = {}) {
  return TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]).trim();
}

/** Return what a column, or the target, is called. */
export function nameOf({ name, description }) {
  return KNOWN[description]?.[language]?.[0] ?? readable(name);
}

export function descriptionOf({ description }) {
  return KNOWN[description]?.[language]?.[1] ?? description;
}

export function unitOf({ unit }) {
  return UNITS[unit] ?? unit;
}

/** Return what a label of a column is called, if the column is one that is known. */
export function labelOf({ description }, label) {
  return (description in KNOWN && LABELS[language]?.[label]) || label;
}

export function warningOf(message) {
  return sentence(WARNINGS[language]?.[message] ?? message);
}

export function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

/** Return a number with so many decimals; `signDisplay` is Intl's. */
export function numeral(value, decimals, signDisplay = "negative") {
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  const whole = new Intl.NumberFormat(language, { ...digits, signDisplay }).format(value);
  return whole.replace("-", "−");
}

/** Return a number with the digits that one would type. */
export function typed(value) {
  const options = { useGrouping: false, maximumSignificantDigits: 15 };
  return new Intl.NumberFormat(language, options).format(value);
}

/** Return the number that a text is, or the text: the server says what is wrong with it. */
export function read(text) {
  const plain = language === "es" && !text.includes(".") ? text.replace(",", ".") : text;
  const isNumber = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain);
  // JSON has no word for what is too large.
  return isNumber && Number.isFinite(Number(plain)) ? Number(plain) : text;
}

export function share(value, decimals = 0) {
  const options = { style: "percent", maximumFractionDigits: decimals };
  return new Intl.NumberFormat(language, options).format(value);
}

export function clock(seconds) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" };
  return new Intl.DateTimeFormat(language, options).format(new Date(seconds * 1000));
}

function readable(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
