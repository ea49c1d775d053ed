// Before anything is painted: the theme and density that were chosen in this browser, if not the usual ones.
for (const name of ["theme", "density"]) {
  const chosen = localStorage.getItem(`chachaml-${name}`);
  if (chosen) document.documentElement.dataset[name] = chosen;
}
