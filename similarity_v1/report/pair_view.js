// One explained pair: sentences with shaded words, the same by other methods, and what each chain chose.
// A record is described in listing.py, that of a single explanation in inline.py; the local page builds it from its answers.
"use strict";

const LABELS = { 1: ["same meaning", "意思相同"], 0: ["different meaning", "意思不同"] };
const CHAIN_NAMES = { gold: ["gold", "标准依据"], chosen: ["chosen", "所选词"] };

function confidence(row) { return row.label === 1 ? row.p : 1 - row.p; }

// Shade of a word, -1 to 1: its score as a share of the strongest in its sentence.
function shades(scores) {
  const strongest = Math.max(...scores.map(Math.abs), 0) || 1;
  return scores.map((score) => score / strongest);
}

function shadeStyle(shade) { return `--shade:${Math.abs(shade).toFixed(3)}`; }

function spokenScore(score) { return Number(score.toPrecision(4)).toString(); }

// A sentence in running text, for the list.
function shadedSentence(words, scores) {
  const made = element("bdi", { class: "sentence" });
  const shade = shades(scores);
  words.forEach((word, i) => {
    const sign = shade[i] < 0 ? " against" : "";
    made.append(element("span", { class: `ink${sign}`, style: shadeStyle(shade[i]), title: spokenScore(scores[i]) }, word));
    if (/[0-9A-Za-z]$/.test(word) && /^[0-9A-Za-z]/.test(words[i + 1] ?? "")) made.append(" ");
  });
  return made;
}

function methodName(name) { return name.replaceAll("_", " "); }

// One sentence as a table: a column a word; rows: the words, other methods, chains. Arrow keys go from word to word.
function sentenceTable(row, side, name) {
  const words = row.words[side], methods = Object.keys(row.scores);
  const table = element("table", { class: "words" });
  const head = (text) => element("th", { scope: "row" }, text);
  methods.forEach((method, m) => {
    const scores = row.scores[method][side], shade = shades(scores);
    const cells = words.map((word, i) => element("td", {},
      element("span", { class: `${m ? "strip" : "word"}${shade[i] < 0 ? " against" : ""}`, style: shadeStyle(shade[i]), tabindex: m || i ? "-1" : "0", "data-row": m },
        m ? null : element("bdi", {}, word), element("span", { class: "score" }, spokenScore(scores[i])))));
    table.append(element("tr", {}, head(m ? methodName(method) : name), cells));
  });
  for (const [chain, sides] of Object.entries(row.chosen)) {
    const cells = words.map((_, i) => {
      const ranks = sides[side].flatMap((position, rank) => (position === i ? [rank + 1] : []));
      const text = !ranks.length ? "·" : chain === "gold" ? "●" : ranks.length > 1 ? `${ranks[0]}+` : `${ranks[0]}`;
      return element("td", {}, element("span", { class: `chip${ranks.length ? chain === "gold" ? " gold" : "" : " none"}` }, text));
    });
    table.append(element("tr", {}, head(CHAIN_NAMES[chain] ? say(...CHAIN_NAMES[chain]) : chain), cells));
  }
  table.addEventListener("keydown", moveFocus);
  return element("div", { class: "side" }, table);
}

function moveFocus(event) {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const here = event.target.closest("[data-row]");
  if (!step || !here) return;
  const cell = here.parentElement, rows = [...event.currentTarget.rows];
  const target = rows[rows.indexOf(cell.parentElement) + step[0]]?.cells[cell.cellIndex + step[1]]?.querySelector("[data-row]");
  if (!target) return;
  event.preventDefault();
  here.tabIndex = -1;
  target.tabIndex = 0;
  target.focus();
}

function badge(kind, ...children) { return element("span", { class: `badge ${kind}` }, ...children); }

function rightOrWrong(row) {
  if (row.gold === undefined) return null;
  return row.gold === row.label
    ? badge("right", "✓ ", say("right", "正确"))
    : badge("wrong", "✗ ", say(`wrong: gold label is ${row.gold}`, `错误：应为 ${row.gold}`));
}

// Where the model cuts P(1), beside it: label 1 from there on. Records of the report do not carry it.
function cut(row, p) {
  if (row.threshold === undefined || row.threshold === null) return null;
  const decided = p >= row.threshold ? "≥" : "<";
  return [` ${decided} `, say("threshold", "阈值"), ` ${row.threshold.toFixed(4)}`];
}

// What the model decided, in words where its labels are those of sentence pairs, and how sure it is.
function verdict(row) {
  if (row.label === null) {
    const name = row.name && row.name !== "score" ? ` ${row.name}` : "";
    return [badge("strong", say("score", "得分"), `${name} ${row.score.toPrecision(4)}`)];
  }
  const p = row.p ?? (row.probabilities.length === 2 ? row.probabilities[1] : undefined);
  const isPair = row.words.length === 2 && p !== undefined && /^((LABEL_)?[01]|same|different)$/.test(row.name ?? "1");
  const [en, zh] = isPair ? LABELS[row.label] : [row.name, row.name];
  return [
    badge("strong", say(`label ${row.label}: ${en}`, `标签 ${row.label}：${zh}`)),
    p === undefined ? badge("", say("probability", "概率"), ` ${row.probability.toFixed(4)}`) : badge("", `P(1) ${p.toFixed(4)}`, cut(row, p)),
  ];
}

// The whole row. heading: what stands first in its header, a name or nothing.
function pairView(row, heading, ...badges) {
  return element("article", { class: "card" },
    element("header", {},
      heading ? element("strong", {}, heading) : null,
      verdict(row), rightOrWrong(row), ...badges,
      row.truncated ? badge("wrong", say("cut: too long for the model", "已截断：超出模型长度")) : null),
    element("div", { class: "sides" }, row.words.map((_, side) => sentenceTable(row, side, say(`sentence ${side + 1}`, `句子 ${side + 1}`)))));
}
