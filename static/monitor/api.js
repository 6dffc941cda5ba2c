// The JSON API, as the person who is logged in: by the session's cookie, with its CSRF token where anything changes.

export class ApiError extends Error {
    constructor(status, body) {
        super(body.detail ?? "The server did not answer as expected. Try again.");
        this.status = status;
        this.errors = body.errors ?? {};
    }
}

/** The answer's JSON; ApiError where the server refuses, TypeError where it cannot be reached. */
export async function ask(method, path, { query = {}, body, headers = {}, signal } = {}) {
    const address = new URL(path, location.origin);
    for (const [name, value] of Object.entries(query)) {
        if (value !== undefined && value !== null && value !== "") address.searchParams.set(name, value);
    }
    const response = await fetch(address, {
        method,
        signal,
        credentials: "same-origin",
        headers: {
            Accept: "application/json",
            ...(method === "GET" ? {} : { "X-CSRFToken": cookie("csrftoken") }),
            ...(body === undefined ? {} : { "Content-Type": "application/json" }),
            ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new ApiError(response.status, answer);
    return answer;
}

export const get = (path, query, options) => ask("GET", path, { query, ...options });
export const post = (path, body = {}, options) => ask("POST", path, { body, ...options });
export const patch = (path, body) => ask("PATCH", path, { body });

/** What to tell the person about a request that failed. */
export function sentence(error) {
    if (!(error instanceof ApiError)) return "The server cannot be reached. Try again in a moment.";
    return error.status === 401 ? "You are logged out. Load the page again to log in." : error.message;
}

function cookie(name) {
    const found = document.cookie.split("; ").find((each) => each.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}
