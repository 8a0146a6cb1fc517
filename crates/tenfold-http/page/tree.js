// A value that can be unfolded. A number in it can be drawn.

import { entries, written } from "./payload.js";
import { button, element } from "./dom.js";

/** So many members of one list or object are shown. */
const MOST = 200;

/**
 * @param {unknown} value
 * @param {(path: unknown[]) => void} draw what a click on a number does
 * @param {unknown[]} [path] where the value is
 * @returns {Node}
 */
export function tree(value, draw, path = []) {
  if (typeof value === "number" && path.length > 0) {
    const name = path.join(".");
    return button(String(value), () => draw(path), { class: "number", title: `Draw ${name}`, "aria-label": `${value}: draw ${name}` });
  }
  if (value === null || typeof value !== "object" || value instanceof Uint8Array || value instanceof Date) {
    return element("span", { class: typeof value }, written(value, 4096));
  }
  const all = [...entries(value)];
  const list = element("ul");
  const folded = element("details", {}, element("summary", {}, written(value, 80)), list);
  // What is folded is made when somebody looks: a value may be shared so often that it has no end.
  const unfold = () => {
    if (!folded.open || list.hasChildNodes()) return;
    for (const [key, of] of all.slice(0, MOST)) {
      list.append(element("li", {}, element("b", {}, String(key)), " ", tree(of, draw, [...path, key])));
    }
    if (all.length > MOST) list.append(element("li", {}, `and ${all.length - MOST} more`));
  };
  folded.addEventListener("toggle", unfold);
  return folded;
}

/**
 * The number at a path, if there is one.
 *
 * @param {unknown} value
 * @param {unknown[]} path
 */
export function numberAt(value, path) {
  let at = value;
  for (const key of path) {
    if (at === null || typeof at !== "object") return undefined;
    at = at instanceof Map ? at.get(key) : Object.hasOwn(at, String(key)) ? /** @type {any} */ (at)[String(key)] : undefined;
  }
  return typeof at === "number" && Number.isFinite(at) ? at : undefined;
}
