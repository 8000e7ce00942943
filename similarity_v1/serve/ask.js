// The question and its answer. A newer question makes an older answer void.
"use strict";

const find = (id) => document.getElementById(id);
let latest = 0;

function recordOf(answer) {
  const ranked = answer.texts.map((words) => words.map((word, i) => [word.rank, i]).filter(([rank]) => rank !== null)
    .sort((one, other) => one[0] - other[0]).map(([, i]) => i));
  return {
    label: answer.label, name: answer.label_name, probability: answer.probability, probabilities: answer.probabilities, score: answer.score, threshold: answer.threshold,
    words: answer.texts.map((words) => words.map((word) => word.text)),
    scores: { [answer.method]: answer.texts.map((words) => words.map((word) => word.score)) },
    chosen: { chosen: ranked }, truncated: answer.truncated,
    unread: answer.texts.map((words) => words.flatMap((word, i) => (word.read ? [] : [i]))),
    blanks: answer.texts.map((words) => words.flatMap((word, i) => (word.blank ? [i] : []))),
  };
}

async function explain(body) {
  const response = await fetch("api/explain", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function ask(event) {
  event.preventDefault();
  const mine = ++latest;
  find("ask").disabled = true;
  try {
    const texts = { text_a: find("text-a").value };
    const second = find("text-b");
    if (second && (second.required || second.value !== "")) texts.text_b = second.value;
    const answer = await explain(texts);
    if (mine !== latest) return;
    find("problem").hidden = true;
    find("answer").replaceChildren(pairView(recordOf(answer)));
  } catch (error) {
    if (mine !== latest) return;
    find("problem").hidden = false;
    find("problem").textContent = error instanceof TypeError ? "The server does not answer. 服务器没有响应。" : error.message;
    find("answer").replaceChildren();
  } finally {
    if (mine === latest) find("ask").disabled = false;
  }
}

startPage();
find("question").addEventListener("submit", ask);
find("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("question").requestSubmit();
});
find("swap")?.addEventListener("click", () => {
  [find("text-a").value, find("text-b").value] = [find("text-b").value, find("text-a").value];
});
