// Sets the theme before anything is drawn, so that a dark screen never flashes white.
// A plain script, not a module: modules run only after the page was read.
(function () {
  var kept = null;
  try {
    kept = localStorage.getItem('tieline.theme');
  } catch {
    /* storage may be forbidden */
  }
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
})();
