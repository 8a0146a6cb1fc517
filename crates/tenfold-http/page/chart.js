// A number of the messages, drawn as they come.

import { button, element, line, say } from "./dom.js";

const KEPT = 300;

export class Chart {
  #numbers = /** @type {number[]} */ ([]);
  #drawing = element("div", { class: "drawing" });
  #words = element("p");

  /**
   * @param {unknown[]} path
   * @param {() => void} close
   */
  constructor(path, close) {
    this.path = path;
    this.name = path.join(".");
    this.element = element(
      "figure",
      { class: "chart" },
      element("figcaption", {}, element("b", {}, this.name), this.#words, button("Close", close, { "aria-label": `Close the chart of ${this.name}` })),
      this.#drawing,
    );
  }

  /** @param {number} number */
  add(number) {
    this.#numbers.push(number);
    if (this.#numbers.length > KEPT) this.#numbers.shift();
  }

  show() {
    const numbers = this.#numbers;
    if (numbers.length === 0) return;
    this.#drawing.replaceChildren(line(numbers, 600, 120));
    const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
    say(this.#words, `now ${numbers[numbers.length - 1]}, from ${least} to ${most} in ${numbers.length} messages`);
  }
}
