// Elements of the page. What a hub or a message says becomes text, and never markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | boolean | ((event: any) => void)>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/**
 * Gives an element this text, if it has another one.
 *
 * @param {Element} of
 * @param {string} text
 */
export function say(of, text) {
  if (of.textContent !== text) of.textContent = text;
}

/**
 * A line of numbers, without axes.
 *
 * @param {number[]} numbers
 * @param {number} width
 * @param {number} height
 */
export function line(numbers, width, height) {
  const least = Math.min(...numbers);
  const span = Math.max(...numbers) - least || 1;
  const step = numbers.length > 1 ? (width - 2) / (numbers.length - 1) : 0;
  const points = numbers.map((number, at) => {
    const y = height - 1 - ((number - least) / span) * (height - 2);
    return `${(1 + at * step).toFixed(1)},${y.toFixed(1)}`;
  });
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const drawn = document.createElementNS(SVG, "polyline");
  drawn.setAttribute("points", points.join(" "));
  svg.append(drawn);
  return svg;
}

/**
 * A link that is a button: it does something here.
 *
 * @param {string} words
 * @param {() => void} click
 * @param {Record<string, string | boolean>} [attributes]
 */
export function button(words, click, attributes = {}) {
  return element("button", { type: "button", click, ...attributes }, words);
}
