// The top of the page: which workspace, whether it is live, light or dark; and a banner where it is not live.

import { h, icon, show } from "./dom.js";

const STATES = {
    connecting: { label: "Connecting", tone: "wait" },
    live: { label: "Live", tone: "ok" },
    lost: { label: "Reconnecting", tone: "bad" },
    offline: { label: "Offline", tone: "bad" },
    refused: { label: "Stopped", tone: "bad" },
};
const THEMES = { auto: "As the system", light: "Light", dark: "Dark" };

/** What the banner says, and whether there is anything to do: {words, again}; null where all is well. */
export function bannerOf({ state, until, reason, failures = 0 }, now = Date.now()) {
    const left = Math.max(1, Math.ceil(((until ?? now) - now) / 1000));
    if (state === "lost") return { words: `The connection is lost. Trying again in ${left} s; nothing will be missed.`, again: true };
    if (state === "offline") return { words: "You are offline. The page goes on where it was as soon as you are back.", again: false };
    if (state === "connecting" && failures) return { words: "Reconnecting …", again: false };
    if (state === "refused") return { words: reason || "You are logged out.", login: true };
    return null;
}

export class Header {
    constructor({ page, choose, again, start }) {
        Object.assign(this, { page, choose, again });
        this.pill = document.getElementById("connection");
        this.banner = document.getElementById("banner");
        this.select = document.getElementById("workspace");
        this.button = document.getElementById("start");
        this.button.addEventListener("click", start);
        this.select.addEventListener("change", () => this.enter(this.select.value));
        document.getElementById("theme").addEventListener("click", ({ currentTarget }) => this.theme(currentTarget));
        this.nameTheme(document.getElementById("theme"));
        setInterval(() => this.draw(), 1000);
    }

    /** The workspace of the address, else the one shown last, else the first. */
    begin() {
        const { workspaces } = this.page;
        this.select.append(...workspaces.map(({ id, name }) => h("option", { value: id }, name)));
        const asked = new URLSearchParams(location.search).get("workspace") ?? localStorage.getItem("workspace");
        const known = workspaces.find(({ id }) => String(id) === asked) ?? workspaces[0];
        if (known) this.enter(known.id);
    }

    enter(id) {
        const workspace = this.page.workspaces.find((each) => String(each.id) === String(id));
        localStorage.setItem("workspace", workspace.id);
        this.select.value = workspace.id;
        this.button.hidden = !workspace.may_edit;
        this.choose(workspace);
    }

    connection(news) {
        this.news = news;
        this.draw();
    }

    refused(reason) {
        this.connection({ state: "refused", reason });
    }

    draw() {
        if (!this.news) return;
        const { label, tone } = STATES[this.news.state];
        this.pill.className = `badge ${tone}`;
        this.pill.dataset.state = this.news.state;
        show(this.pill, h("i", { "aria-hidden": "true" }), label);
        const said = bannerOf(this.news);
        this.banner.hidden = !said;
        if (!said) return;
        show(this.banner.firstElementChild, icon("wait"), said.words);
        const action = this.banner.lastElementChild;
        if (said.again) show(action, h("button", { class: "button small", type: "button", onclick: () => this.again() }, "Try now"));
        else if (said.login) show(action, h("a", { class: "button small", href: `/login?next=${encodeURIComponent(location.pathname + location.search)}` }, "Log in"));
        else show(action);
    }

    theme(button) {
        const { theme } = window;
        const names = Object.keys(THEMES);
        theme.choose(names[(names.indexOf(theme.chosen) + 1) % names.length]);
        this.nameTheme(button);
    }

    nameTheme(button) {
        const chosen = window.theme.chosen;
        show(button, icon(chosen === "dark" ? "moon" : chosen === "light" ? "sun" : "auto"));
        button.title = `Colours: ${THEMES[chosen]}`;
        button.setAttribute("aria-label", button.title);
    }
}
