// Language and colours of a page, and the few helpers that the other scripts share. Plain JavaScript, nothing from outside.
"use strict";

// Kept between visits where the browser allows it; some forbid it for files.
const memory = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* not kept */ } },
};

// element("a", {class: "b"}, child, ...): texts become text nodes, never markup. null children are left out.
// A style goes through the object model, which a strict content security policy allows.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "style") made.style.cssText = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

// Both languages stand in the page; style.css shows one of them.
function say(en, zh) {
  return [element("span", { class: "en", lang: "en" }, en), element("span", { class: "zh", lang: "zh-CN" }, zh)];
}

function language() { return document.documentElement.lang === "zh-CN" ? "zh" : "en"; }

// What cannot hold two spans (title, aria-label, placeholder, <title> in SVG) carries its Chinese in data-zh-*.
const SPOKEN = { zhTitle: "title", zhLabel: "aria-label", zhPlaceholder: "placeholder" };
function translate(root) {
  for (const [key, attribute] of Object.entries(SPOKEN)) {
    const selector = `[data-zh-${key.slice(2).toLowerCase()}]`;
    for (const node of root.querySelectorAll(selector)) {
      node.dataset[`en${key.slice(2)}`] ??= node.getAttribute(attribute);
      node.setAttribute(attribute, node.dataset[`${language()}${key.slice(2)}`]);
    }
  }
  for (const node of root.querySelectorAll("[data-zh]")) {
    node.dataset.en ??= node.textContent;
    node.textContent = node.dataset[language()];
  }
}

function setLanguage(code) {
  document.documentElement.lang = code;
  const { titleEn, titleZh } = document.documentElement.dataset;
  document.title = code === "zh-CN" ? titleZh : titleEn;
  translate(document);
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", button.dataset.language === code);
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  for (const button of document.querySelectorAll("[data-theme-choice]"))
    button.setAttribute("aria-pressed", button.dataset.themeChoice === name);
}

function startPage() {
  for (const button of document.querySelectorAll("[data-language]"))
    button.addEventListener("click", () => { setLanguage(button.dataset.language); memory.set("language", button.dataset.language); });
  for (const button of document.querySelectorAll("[data-theme-choice]"))
    button.addEventListener("click", () => { setTheme(button.dataset.themeChoice); memory.set("theme", button.dataset.themeChoice); });
  setTheme(memory.get("theme") ?? "auto");
  setLanguage(memory.get("language") ?? (navigator.language.startsWith("zh") ? "zh-CN" : "en"));
}
