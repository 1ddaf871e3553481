// The HTTP API as a signed-in person: a cookie, the CSRF token, JSON both ways. No dependency, so that scripts use it too.

export class ApiError extends Error {
  /** @param {{ status: number, code?: string, detail?: string }} problem */
  constructor(method, path, problem) {
    super(`${method} ${path}: ${problem.status} ${problem.code ?? ""} ${problem.detail ?? ""}`.trim());
    this.problem = problem;
  }
}

export class Api {
  #cookies = new Map();
  #csrf;

  constructor(url) {
    this.url = url;
  }

  /** One request; returns the JSON body. Refusals throw an ApiError that carries the problem. */
  async call(method, path, body, headers = {}) {
    const response = await fetch(`${this.url}${path}`, {
      method,
      redirect: "manual",
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(this.#cookies.size ? { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ") } : {}),
        ...(this.#csrf ? { "x-csrf-token": this.#csrf } : {}),
        ...headers,
      },
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      this.#cookies.set(name, value);
    }
    const text = await response.text();
    if (!response.ok) {
      let problem = {};
      try {
        problem = JSON.parse(text);
      } catch {
        problem = { detail: text.slice(0, 200) };
      }
      throw new ApiError(method, path, { ...problem, status: response.status });
    }
    return text && /json/.test(response.headers.get("content-type") ?? "") ? JSON.parse(text) : text;
  }

  get(path) {
    return this.call("GET", `/api/v1${path}`);
  }

  post(path, body = {}) {
    return this.call("POST", `/api/v1${path}`, body);
  }

  /** @returns {Promise<{ account: { id: string, roles: { place: string }[] }, csrf: string }>} */
  async signIn(login, password) {
    const me = await this.post("/session", { login, password });
    this.#csrf = me.csrf;
    this.me = me;
    return me;
  }

  /** The session as cookies of a browser context, so that a page is signed in without the form. */
  cookies() {
    return [...this.#cookies].map(([name, value]) => ({ name, value, url: this.url }));
  }
}
