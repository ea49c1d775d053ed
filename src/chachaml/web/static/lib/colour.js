// Colours: a run has the same one on every page, from a palette that the colour-blind tell apart.

/** After Okabe and Ito (2008) and Tol (2021), darkened or lightened to stand out from the page by 3:1. */
const LIGHT = ["#0072b2", "#c2410c", "#00795c", "#a8327f", "#7a6a00", "#3b9ad9", "#882255", "#4d7c0f", "#b45309", "#5b4bb7", "#0e7490", "#6b4f3a"];
const DARK = ["#5ab4ec", "#f4915a", "#3fc79a", "#e68ac4", "#d8c945", "#9ccbf0", "#d77fa8", "#a5d45b", "#f2b65f", "#a99bf5", "#5fd0de", "#c9a88d"];

/** Tell whether the page is dark just now. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Return the colour of a run, or of anything that has a name. @param {string} id */
export function colourOf(id) {
  let hash = 2166136261;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 16777619);
  hash ^= hash >>> 15;
  return (isDark() ? DARK : LIGHT)[(hash >>> 0) % LIGHT.length];
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
