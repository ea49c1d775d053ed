// Before anything is painted: the theme that was chosen in this browser, if not the system's.
{
  const theme = localStorage.getItem("chachaml-theme");
  if (theme) document.documentElement.dataset.theme = theme;
}
