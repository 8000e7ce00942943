// The list of explained pairs: filters, order, pages. Only the rows of one page are in the document, so that thousands
// of pairs stay light; what is not shown is found by filters that look at all of them.
"use strict";

const ORDERS = {
  id: (row) => row.id,
  label: (row) => row.label,
  right: (row) => (row.gold === undefined ? -1 : Number(row.gold === row.label)),
  confidence,
  length: (row) => row.words[0].length + row.words[1].length,
};
const CONFIDENCES = { any: [0, 1.01], low: [0, 0.6], middle: [0.6, 0.9], high: [0.9, 0.99], highest: [0.99, 1.01] };

function startList(rows) {
  const find = (id) => document.getElementById(id);
  const byId = new Map(rows.map((row) => [row.id, row]));
  const twins = new Map();
  for (const row of rows) if (row.of !== undefined) twins.set(row.of, [...(twins.get(row.of) ?? []), row]);
  const texts = rows.map((row) => `#${row.id} ${row.words[0].join("")}\n${row.words[1].join("")}`.toLowerCase());
  const spaced = rows.map((row) => `${row.words[0].join(" ")}\n${row.words[1].join(" ")}`.toLowerCase());
  const order = { by: "id", falling: false };
  let found = rows, page = 0;

  // the source row of a perturbed row, or the perturbed rows of a source row
  function partners(row) {
    const original = row.of === undefined ? row : byId.get(row.of);
    return [original, ...(twins.get(original?.id) ?? [])].filter((other) => other && other !== row);
  }

  function keeps(row, i) {
    const label = find("label").value, right = find("right")?.value ?? "any", twin = find("twin")?.value ?? "any";
    const [low, high] = CONFIDENCES[find("confidence").value], sure = confidence(row);
    const wanted = find("search").value.trim().toLowerCase();
    return (label === "any" || row.label === Number(label))
      && (right === "any" || (row.gold !== undefined && (row.gold === row.label) === (right === "right")))
      && (twin === "any" || (twin === "changed" ? partners(row).some((other) => other.label !== row.label) : (row.of === undefined) === (twin === "original")))
      && sure >= low && sure < high
      && (!wanted || texts[i].includes(wanted) || spaced[i].includes(wanted));
  }

  function update() {
    const key = ORDERS[order.by], sign = order.falling ? -1 : 1;
    found = rows.filter(keeps).sort((one, other) => sign * (key(one) - key(other)) || one.id - other.id);
    page = 0;
    draw();
  }

  function draw() {
    const size = Number(find("size").value), last = Math.max(Math.ceil(found.length / size) - 1, 0);
    page = Math.min(Math.max(page, 0), last);
    const shown = found.slice(page * size, (page + 1) * size);
    find("rows").replaceChildren(...shown.map(line));
    find("none").hidden = found.length > 0;
    const n = (count) => count.toLocaleString("en");
    find("count").replaceChildren(...say(`${n(found.length)} of ${n(rows.length)} pairs`, `共 ${n(rows.length)} 对，符合 ${n(found.length)} 对`));
    find("place").replaceChildren(...say(`page ${n(page + 1)} of ${n(last + 1)}`, `第 ${n(page + 1)} 页，共 ${n(last + 1)} 页`));
    find("first").disabled = find("previous").disabled = page === 0;
    find("next").disabled = find("last").disabled = page === last;
    for (const head of document.querySelectorAll("#pairs-table th[data-order]"))
      head.setAttribute("aria-sort", head.dataset.order !== order.by ? "none" : order.falling ? "descending" : "ascending");
  }

  function line(row) {
    const [method] = Object.keys(row.scores), sure = confidence(row), detail = `pair-${row.id}`;
    const open = element("button", { type: "button", class: "open", "aria-expanded": "false", "aria-controls": detail }, `#${row.id}`);
    const twin = row.of === undefined ? null : element("span", { class: "of" }, say(`perturbed from #${row.of}`, `#${row.of} 的扰动`));
    const right = row.gold === undefined ? "" : row.gold === row.label ? "✓" : "✗";
    const made = element("tr", { class: "pair" },
      element("td", {}, open, twin),
      element("td", {}, element("span", { class: `mark label${row.label}` }, `${row.label}`), element("span", { class: right === "✗" ? "wrong" : "right" }, right,
        right ? element("span", { class: "unseen" }, right === "✗" ? say(" wrong", " 错误") : say(" right", " 正确")) : null)),
      element("td", { class: "sure" }, sure.toFixed(3), element("span", { class: "meter", "aria-hidden": "true" }, element("i", { style: `width:${(100 * sure).toFixed(1)}%` })), sure < 0.5 ? unlikely(row) : null),
      element("td", {}, shadedSentence(row, 0, row.scores[method][0])),
      element("td", {}, shadedSentence(row, 1, row.scores[method][1])));
    made.addEventListener("click", (event) => {
      if (event.target.closest("button") !== open && String(getSelection())) return;  // somebody marks text
      toggle(row, made, open, detail);
    });
    return made;
  }

  // Why a label was decided that is the less probable one.
  function unlikely(row) {
    const decided = cut(row, row.p) ?? [say("; the threshold is not one half", "；阈值不是二分之一")];
    return element("span", { class: "of" }, `P(1) ${row.p.toFixed(4)}`, decided);
  }

  function toggle(row, made, open, id) {
    const isOpen = open.getAttribute("aria-expanded") === "true";
    open.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) { made.nextElementSibling.remove(); return; }
    const beside = partners(row).map((other) => other.of === undefined
      ? pairView(other, `#${other.id}`, badge("", say("source row", "原句对")))
      : pairView(other, `#${other.id}`, badge("", say(`perturbed row of #${other.of}`, `#${other.of} 的扰动句对`))));
    made.after(element("tr", { class: "detail", id }, element("td", { colspan: 5 }, element("div", {},
      pairView(row, `#${row.id}`, row.of === undefined ? null : badge("", say(`perturbed row of #${row.of}`, `#${row.of} 的扰动句对`))), beside))));
  }

  // Up and down go from pair to pair, as in any list.
  find("rows").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches(".open")) return;
    const buttons = [...find("rows").querySelectorAll(".open")];
    const target = buttons[buttons.indexOf(event.target) + step];
    if (target) { event.preventDefault(); target.focus(); }
  });
  for (const head of document.querySelectorAll("#pairs-table th[data-order]"))
    head.querySelector("button").addEventListener("click", () => {
      order.falling = order.by === head.dataset.order && !order.falling;
      order.by = head.dataset.order;
      update();
    });
  for (const filter of document.querySelectorAll("#filters select")) filter.addEventListener("change", update);
  find("search").addEventListener("input", update);
  find("size").addEventListener("change", () => { page = 0; draw(); });
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("filters").addEventListener("reset", () => setTimeout(update));  // the fields are empty after this event
  for (const [id, to] of Object.entries({ first: () => 0, previous: () => page - 1, next: () => page + 1, last: () => Infinity }))
    find(id).addEventListener("click", () => { page = to(); draw(); });
  update();
}
