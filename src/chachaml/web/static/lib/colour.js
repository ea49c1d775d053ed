// Colours, from a palette that the colour-blind tell apart: a run has the same one on every page, unless it
// stands beside another of that colour.

/** After Okabe and Ito (2008) and Tol (2021), darkened or lightened to stand out from the page by 3:1. */
const LIGHT = ["#0072b2", "#c2410c", "#00795c", "#a8327f", "#7a6a00", "#3b9ad9", "#882255", "#4d7c0f", "#b45309", "#5b4bb7", "#0e7490", "#6b4f3a"];
const DARK = ["#5ab4ec", "#f4915a", "#3fc79a", "#e68ac4", "#d8c945", "#9ccbf0", "#d77fa8", "#a5d45b", "#f2b65f", "#a99bf5", "#5fd0de", "#c9a88d"];

/** Tell whether the page is dark just now. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Where this browser keeps the colours that are not those that follow from names. */
const KEPT = "chachaml-colours";
const MOST_KEPT = 1_000;

/** Each name's place in the palette on this page, how many have each place, and what was kept from other pages. */
const places = new Map();
const uses = LIGHT.map(() => 0);
const kept = remembered();
let saving = false;

/** @returns {Map<string, number>} */
function remembered() {
  try {
    const found = new Map(JSON.parse(localStorage.getItem(KEPT) ?? "[]"));
    return new Map([...found].filter(([, place]) => Number.isInteger(place)));
  } catch {
    return new Map();  // somebody else wrote there, or it is forbidden to keep anything
  }
}

/** Keep a name's place for other pages, soon and together with others. @param {string} id @param {number} place */
function keep(id, place) {
  kept.set(id, place);
  if (saving) return;
  saving = true;
  setTimeout(() => {
    saving = false;
    try {
      localStorage.setItem(KEPT, JSON.stringify([...kept].slice(-MOST_KEPT)));
    } catch { /* then the next page chooses anew */ }
  }, 200);
}

/** @param {string} id */
function hashed(id) {
  let hash = 2166136261;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 16777619);
  return ((hash ^ (hash >>> 15)) >>> 0) % LIGHT.length;
}

/**
 * Give a name a place that no more names on this page have than any other: the one that it had on an earlier
 * page, or that follows from it, if that is free, else the next. @param {string} id
 */
function placed(id) {
  const least = Math.min(...uses);
  let place = kept.get(id) ?? hashed(id);
  while (uses[place] !== least) place = (place + 1) % LIGHT.length;
  uses[place] += 1;
  places.set(id, place);
  if (!kept.has(id) && place !== hashed(id)) keep(id, place);
  return place;
}

/** Return the colour of a run, or of anything that has a name; the first twelve of a page differ. @param {string} id */
export function colourOf(id) {
  return colourAt(places.get(id) ?? placed(id));
}

/** Return the n-th colour. @param {number} place */
export function colourAt(place) {
  return (isDark() ? DARK : LIGHT)[place % LIGHT.length];
}

/** From low to high, evenly in lightness, each step 3:1 from the page. */
const RAMP_LIGHT = [[59, 28, 140], [42, 111, 176], [20, 128, 115], [77, 124, 15], [154, 110, 0]];
const RAMP_DARK = [[143, 125, 240], [90, 165, 232], [63, 199, 176], [159, 216, 91], [242, 224, 95]];

/** Return the colour of a number's place among others. @param {number} share From 0, the lowest, to 1. */
export function rampAt(share) {
  const ramp = isDark() ? RAMP_DARK : RAMP_LIGHT;
  const place = Math.max(0, Math.min(1, share)) * (ramp.length - 1);
  const from = Math.min(Math.floor(place), ramp.length - 2);
  return `rgb(${ramp[from].map((one, at) => Math.round(one + (ramp[from + 1][at] - one) * (place - from))).join(" ")})`;
}

/** @type {HTMLElement | null} */
let probe = null;

/** Return what a colour of tokens.css is just now, for canvases. @param {string} name Such as "line". */
export function token(name) {
  probe ??= document.body.appendChild(Object.assign(document.createElement("span"), { hidden: true }));
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

/** Hear when the theme changes. @param {() => void} act */
export function onTheme(act) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", act);
  new MutationObserver(act).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}
