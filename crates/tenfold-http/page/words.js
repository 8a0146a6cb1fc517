// Numbers and times as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** @param {number} bytes */
export function size(bytes) {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** @param {number} value */
export function count(value) {
  return Math.round(value).toLocaleString("en");
}

/** @param {number} perSecond */
export function rate(perSecond) {
  if (perSecond === 0) return "0";
  return perSecond < 10 ? perSecond.toFixed(1) : count(perSecond);
}

/** @param {number} seconds */
export function age(seconds) {
  if (seconds < 1) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** @param {number} milliseconds of Unix time */
export function time(milliseconds) {
  const at = new Date(milliseconds);
  const clock = at.toLocaleTimeString("en-GB", { hour12: false });
  return `${clock}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function some(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

const STATUS = new Map([
  ["ok", "Everything is well"],
  ["starting", "The hub is starting"],
  ["slow", "The disk is slow"],
  ["degraded", "Something could not be done, and is tried again"],
  ["full", "There is no space on the disk"],
  ["read-only", "The disk has failed: messages can be read, and none can be published"],
]);

/** @param {import("./hub.js").Health} health */
export function status(health) {
  const words = STATUS.get(health.status) ?? health.status;
  return health.why ? `${words} (${health.why})` : words;
}
