// The server's API. Addresses are relative, so that the page works behind any prefix of a proxy.
import { store } from "./store.js";

const BASE = new URL("api/v1/", document.baseURI);

/** What the server said was wrong: what, where, and what to do. */
export class ApiError extends Error {
  constructor(status, body) {
    const said = body?.error ?? {};
    const words = typeof said === "string" ? { what: said } : said;
    super(words.what ?? (status ? `the server answered ${status}` : "the server cannot be reached"));
    this.status = status;
    this.where = words.where ?? "";
    this.fix = words.fix ?? "";
    this.body = body ?? {};
  }
}

export const address = (path, query = {}) => {
  const url = new URL(path, BASE);
  for (const [key, value] of Object.entries(query)) if (value !== null && value !== undefined) url.searchParams.set(key, value);
  return url;
};

async function answer(request) {
  let response;
  try {
    response = await request();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { error: { what: "the server cannot be reached", fix: "see whether countline still runs; the page tries again by itself" } });
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    // an answer of a proxy, say, or half of one
  }
  if (!response.ok) throw new ApiError(response.status, body);
  if (body === null) throw new ApiError(0, { error: { what: "the server's answer cannot be read", fix: "see what is between this page and countline" } });
  return body;
}

export const get = (path, query, signal) => answer(() => fetch(address(path, query), { credentials: "same-origin", signal }));

export const post = (path, data = {}, wait = null) =>
  answer(() =>
    fetch(address(path), {
      method: "POST",
      signal: wait && AbortSignal.timeout(wait),
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": store.session.csrf ?? "" },
      body: JSON.stringify(data),
    }),
  );

export async function refreshSession() {
  store.setSession(await get("session"));
}

let askForPassword = async () => false;
/** Asks the user for the password; resolves to whether they signed in. */
export const askToSignIn = () => askForPassword();
/** Says what asks the user for the password: it resolves to whether they signed in. */
export const onSignInNeeded = (ask) => (askForPassword = ask);

/**
 * POST what only those who are signed in may: asks for the password where that is needed, then goes on. Null if the user would not.
 * `wait`: ms after which no answer is one, too.
 */
export async function write(path, data, wait = null) {
  if (!store.session.signed_in && !(await askForPassword())) return null;
  try {
    return await post(path, data, wait);
  } catch (error) {
    if (error.status !== 401) throw error;
    if (!(await askForPassword())) return null;
    return post(path, data, wait);
  }
}
