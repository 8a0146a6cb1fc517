// The hub that has served this page: its lists over HTTP, and its own protocol over WebSocket.

import { Frames, frame } from "./frames.js";

/**
 * @typedef {{ channel: string, epoch: string, first: number, next: number, bytes: number, subscribers: number,
 *   publishers: number, storage: string }} Channel
 * @typedef {{ id: number, peer: string, identity?: string, kind: string, channel?: string, producer?: string,
 *   patterns?: string, seq?: number, lag?: number, lag_bytes?: number, messages?: number, bytes?: number,
 *   age: number, mistake?: string, mistake_age?: number }} Client
 * @typedef {{ status: string, why?: string, version?: string, uptime?: number, connections?: number,
 *   channels?: number, messages?: number, bytes?: number } & Record<string, string | number>} Health
 */

/** What the hub has answered instead of what was asked for. */
export class Refusal extends Error {
  /**
   * @param {string} code
   * @param {string} words
   */
  constructor(code, words) {
    super(words);
    this.code = code;
  }
}

const decoder = new TextDecoder();

/**
 * The keys of an answer: `OK epoch=E from=N`, or the refusal that it is.
 *
 * @param {string} line
 * @returns {Map<string, string>}
 */
export function answer(line) {
  const [kind, ...fields] = line.split(" ");
  if (kind === "ERROR") {
    const [code, ...words] = fields;
    throw new Refusal(code, words.join(" "));
  }
  if (kind !== "OK") throw new Refusal("PROTO", "this is not a hub's answer");
  return new Map(fields.map((field) => /** @type {[string, string]} */ (field.split(/=(.*)/s).slice(0, 2))));
}

export class Hub {
  /** A token for a hub that asks who its clients are. */
  token = sessionStorage.getItem("token") ?? "";

  /** @param {string} token */
  signIn(token) {
    this.token = token;
    sessionStorage.setItem("token", token);
  }

  /**
   * @param {string} path
   * @param {RequestInit} [options]
   */
  async fetch(path, options = {}) {
    const headers = new Headers(options.headers);
    if (this.token) headers.set("Authorization", `Bearer ${this.token}`);
    const response = await fetch(path, { ...options, headers, cache: "no-store" });
    // Whoever asks for the health of a hub wants to know it, whatever it is.
    if (response.ok || path === "/health") return response;
    const problem = await response.json().catch(() => ({}));
    throw new Refusal(problem.code ?? String(response.status), problem.detail ?? response.statusText);
  }

  /**
   * @template T
   * @param {string} path
   * @returns {Promise<T>}
   */
  async list(path) {
    const response = await this.fetch(path, { signal: AbortSignal.timeout(10_000) });
    return response.json();
  }

  /**
   * The bytes of one message.
   *
   * @param {string} channel
   * @param {number} seq
   */
  async message(channel, seq) {
    const response = await this.fetch(`/channels/${channel}?from=${seq}&count=1&as=frames`);
    const frames = new Frames();
    frames.push(new Uint8Array(await response.arrayBuffer()));
    return frames.next();
  }

  /**
   * @param {string} channel
   * @param {string} text
   */
  async publish(channel, text) {
    await this.fetch(`/channels/${channel}`, { method: "POST", headers: { Tenfold: "1" }, body: text });
  }

  /**
   * When message `seq` was committed, in milliseconds of Unix time.
   *
   * @param {string} channel
   * @param {number} seq
   * @returns {Promise<number | undefined>}
   */
  committed(channel, seq) {
    return new Promise((resolve) => {
      const tunnel = this.tunnel(`TIMES ${channel} from=${seq} to=${seq + 1}`, {
        payload(payload) {
          resolve(Number(decoder.decode(payload).split(" ")[2]));
          tunnel.close();
        },
        end: () => resolve(undefined),
      });
    });
  }

  /**
   * One connection of the hub's protocol: a request, its answer, and what follows.
   *
   * @param {string} request
   * @param {{ answer?: (keys: Map<string, string>) => void, payload: (payload: Uint8Array) => void, pause?: () => void,
   *   end: (refusal?: Error) => void }} to
   */
  tunnel(request, to) {
    const protocols = this.token ? ["tenfold", `bearer.${this.token}`] : ["tenfold"];
    const socket = new WebSocket(new URL("/channels", location.href.replace(/^http/, "ws")), protocols);
    socket.binaryType = "arraybuffer";
    const frames = new Frames();
    let isAnswered = false;
    /** @type {Error | undefined} */
    let refusal;
    socket.onopen = () => socket.send(frame(request));
    socket.onmessage = ({ data }) => {
      if (refusal) return;
      frames.push(new Uint8Array(data));
      try {
        for (let payload = frames.next(); payload; payload = frames.next()) {
          if (isAnswered) {
            to.payload(payload);
          } else {
            isAnswered = true;
            const keys = answer(decoder.decode(payload));
            to.answer?.(keys);
          }
        }
        to.pause?.();
      } catch (error) {
        refusal = /** @type {Error} */ (error);
        socket.close();
      }
    };
    socket.onclose = () => to.end(refusal);
    return {
      close() {
        socket.onmessage = socket.onclose = null;
        socket.close();
      },
    };
  }
}
