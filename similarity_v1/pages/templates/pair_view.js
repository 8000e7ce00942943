// One explained pair: sentences with shaded words, the same by other methods, and what each chain chose.
// A record is described in listing.py, that of a single explanation in inline.py; the local page builds it from its answers.
"use strict";

const LABELS = { 1: ["same meaning", "意思相同"], 0: ["different meaning", "意思不同"] };
const CHAIN_NAMES = { gold: ["gold", "标准依据"], chosen: ["chosen", "所选词"] };

function confidence(row) { return row.label === 1 ? row.p : 1 - row.p; }

// Shade of a word, -1 to 1: its score as a share of the strongest in its sentence.
function shades(scores) {
  const strongest = scores.reduce((most, score) => Math.max(most, Math.abs(score)), 0) || 1;
  return scores.map((score) => score / strongest);
}

function shadeStyle(shade) { return `--shade:${Math.abs(shade).toFixed(3)}`; }

function spokenScore(score) { return Number(score.toPrecision(4)).toString(); }

// The positions of a side that a record lists under a key, as `unread` and `blanks` do where there are any.
function positions(row, key, side) { return new Set(row[key]?.[side] ?? []); }

function sayUnread() { return say("not read", "未读"); }

// A sentence in running text, for the list.
function shadedSentence(row, side, scores) {
  const made = element("bdi", { class: "sentence" });
  const shade = shades(scores), unread = positions(row, "unread", side), blanks = positions(row, "blanks", side);
  row.words[side].forEach((word, i) => {
    made.append(unread.has(i)
      ? element("span", { class: "ink unread", title: language() === "zh" ? "模型未读到" : "not read by the model" }, word)
      : element("span", { class: `ink${shade[i] < 0 ? " against" : ""}`, style: shadeStyle(shade[i]), title: spokenScore(scores[i]) }, word));
    if (blanks.has(i)) made.append(" ");
  });
  return made;
}

function methodName(name) { return name.replaceAll("_", " "); }

// What a chain chose, by word: its rank, or a dot where it has none.
function ranksByWord(chosen) {
  const ranks = new Map();
  chosen.forEach((position, rank) => ranks.set(position, [...(ranks.get(position) ?? []), rank + 1]));
  return ranks;
}

function chip(chain, name, ranks) {
  const text = !ranks ? "·" : chain === "gold" ? "●" : ranks.length > 1 ? `${ranks[0]}+` : `${ranks[0]}`;
  return element("span", { class: `chip${ranks ? chain === "gold" ? " gold" : "" : " none"}`, title: name }, text);
}

// One sentence: a column a word, which holds the word, its shade by other methods, and its rank in each chain. Columns
// break into lines where the page ends. Arrow keys go from word to word.
function sentenceView(row, side, name) {
  const words = row.words[side], methods = Object.keys(row.scores), chains = Object.entries(row.chosen);
  const shade = methods.map((method) => shades(row.scores[method][side]));
  const ranks = chains.map(([, sides]) => ranksByWord(sides[side]));
  const unread = positions(row, "unread", side), blanks = positions(row, "blanks", side);
  const cell = (i, m) => {
    const kind = `${m ? "strip" : "word"}${unread.has(i) ? " unread" : shade[m][i] < 0 ? " against" : ""}`;
    const score = unread.has(i) ? sayUnread() : spokenScore(row.scores[methods[m]][side][i]);
    return element("span", { class: kind, style: shadeStyle(unread.has(i) ? 0 : shade[m][i]), tabindex: m || i ? "-1" : "0", "data-row": m },
      m ? null : element("bdi", {}, words[i]), element("span", { class: "score" }, score));
  };
  const column = (_, i) => element("div", { class: `column${blanks.has(i) ? " before-blank" : ""}` },
    methods.map((_, m) => cell(i, m)), chains.map(([chain], c) => chip(chain, chain, ranks[c].get(i))));
  const chainName = (chain) => (CHAIN_NAMES[chain] ? say(...CHAIN_NAMES[chain]) : chain);
  const heads = element("div", { class: "heads" },
    methods.map((method, m) => element("span", { class: m ? "of-strip" : "of-word" }, m ? methodName(method) : name)),
    chains.map(([chain]) => element("span", { class: "of-chip" }, chainName(chain))));
  const made = element("div", { class: "side" }, heads, words.map(column));
  made.addEventListener("keydown", moveFocus);
  return made;
}

function moveFocus(event) {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const here = event.target.closest("[data-row]");
  if (!step || !here) return;
  const columns = [...event.currentTarget.querySelectorAll(".column")], at = columns.indexOf(here.parentElement);
  const target = columns[at + step[1]]?.querySelector(`[data-row="${Number(here.dataset.row) + step[0]}"]`);
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

// Where the model cuts P(1), beside it: label 1 from there on.
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
    element("div", { class: "sides" }, row.words.map((_, side) => sentenceView(row, side, say(`sentence ${side + 1}`, `句子 ${side + 1}`)))),
    unreadLegend(row));
}

function unreadLegend(row) {
  const n = (row.unread ?? []).reduce((sum, places) => sum + places.length, 0);
  if (!n) return null;
  const of = row.words.reduce((sum, words) => sum + words.length, 0);
  return element("p", { class: "note legend-unread" }, element("span", { class: "ink unread" }, say("words", "词语")), " ",
    say(`not read by the model: ${n} of ${of}, without score or rank`, `模型未读到：${of} 个词中的 ${n} 个，没有得分和名次`));
}
