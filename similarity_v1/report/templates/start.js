// What a page finds in itself decides what is drawn: a list of pairs, or one pair.
"use strict";

startPage();
const data = (id) => { const found = document.getElementById(id); return found && JSON.parse(found.textContent); };
const rows = data("pairs-data"), pair = data("pair-data");
if (rows) {
  const { threshold } = document.getElementById("pairs-data").dataset;
  if (threshold !== undefined) for (const row of rows) row.threshold = Number(threshold);
  startList(rows);
}
if (pair) document.getElementById("pair").replaceChildren(pairView(pair));
