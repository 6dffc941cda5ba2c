// Keeps the moving parts of a page up to date while somebody looks: when live events say so where they can be had, by
// asking every few seconds where not. Lets a conversation be heard from any turn, and a campaign be renamed in its list.
(() => {
    "use strict";
    const EVERY = 2000; // milliseconds
    const SLOWEST = 30000;
    const BESIDE_EVENTS = 15000; // what no event tells (how long ago things were) grows old by itself
    const TOGETHER = 1000; // what happens within it is looked at once
    const here = document.currentScript.src;

    function watch(root) {
        const every = Number(root.dataset.liveEvery) || EVERY;
        const scope = root.dataset.liveScope === "document" ? document : root;
        const note = scope.querySelector("[data-live-note]");
        let failures = 0;
        let timer = 0;
        let live = true;
        let told = false;
        let busy = false;

        const say = (words) => {
            if (note) {
                note.textContent = words;
                note.hidden = !words;
            }
        };
        const stop = (words) => {
            live = false;
            say(words);
        };
        const plan = (wait) => {
            window.clearTimeout(timer);
            if (live && !document.hidden) timer = window.setTimeout(look, wait);
        };
        async function look() {
            if (busy) return plan(TOGETHER);
            busy = true;
            try {
                const answer = await fetch(root.dataset.liveUrl, { headers: { Accept: "application/json" }, redirect: "manual" });
                if (answer.type === "opaqueredirect") return stop("You are logged out. Load the page again to log in.");
                if (answer.status === 404) return stop("This is not there any more.");
                if (!answer.ok) throw new Error(String(answer.status));
                const news = await answer.json();
                for (const [name, html] of Object.entries(news.parts)) replace(scope, name, html);
                live = news.live;
                failures = 0;
                say("");
                plan(told ? BESIDE_EVENTS : every);
            } catch {
                failures += 1;
                say("The server does not answer; trying again.");
                plan(Math.min(every * 2 ** failures, SLOWEST));
            } finally {
                busy = false;
            }
        }
        document.addEventListener("visibilitychange", () => plan(0));
        plan(every);
        if (root.dataset.liveWorkspaces) {
            let soon = 0;
            const ring = () => {
                soon ||= window.setTimeout(() => {
                    soon = 0;
                    plan(0);
                }, Number(root.dataset.liveTogether) || TOGETHER);
            };
            follow(root.dataset, ring, (state) => {
                told = state === "live";
                plan(0);
            });
        }
    }

    /** Hear over /ws/events of what happens to a campaign or a call, or to any; `say` hears how the connection is. */
    async function follow({ liveWorkspaces, liveAbout = "" }, ring, say) {
        const beside = (name) => import(new URL(`../monitor/${name}.js`, here));
        const [{ Connection }, { post }] = await Promise.all([beside("socket"), beside("api")]);
        new Connection({
            ticket: () => post("/auth/ws-ticket"),
            place: () => liveWorkspaces.split(",").map((id) => ({ workspace_id: Number(id) })),
            take: (message) => "version" in message && JSON.stringify(message).includes(liveAbout) && ring(),
            say: ({ state }) => say(state),
        }).open();
    }

    const shown = new WeakMap();

    function replace(scope, name, html) {
        const part = scope.querySelector(`[data-part="${CSS.escape(name)}"]`);
        if (!part || shown.get(part) === html) return;
        if (part.querySelector("audio") && html.includes("<audio")) return; // it may be playing
        if (isSelecting(part)) return;
        const focused = part.contains(document.activeElement) ? document.activeElement : null;
        const again = focused && (focused.getAttribute("formaction") || focused.getAttribute("href"));
        shown.set(part, html);
        part.innerHTML = html; // escaped by the server's templates
        if (again) {
            const same = [...part.querySelectorAll("[formaction], [href]")];
            same.find((each) => [each.getAttribute("formaction"), each.getAttribute("href")].includes(again))?.focus();
        }
    }

    function isSelecting(part) {
        const selection = window.getSelection();
        return selection && !selection.isCollapsed && selection.anchorNode && part.contains(selection.anchorNode);
    }

    function listen() {
        document.addEventListener("click", (event) => {
            const button = event.target.closest("[data-seek]");
            const audio = document.querySelector("audio.tp-audio");
            if (!button || !audio) return;
            audio.currentTime = Number(button.dataset.seek);
            audio.play();
        });
        document.addEventListener("timeupdate", (event) => {
            if (!event.target.matches?.("audio.tp-audio")) return;
            const turns = [...document.querySelectorAll(".tp-chat [data-at]")];
            const now = event.target.paused ? undefined : turns.findLast((turn) => Number(turn.dataset.at) <= event.target.currentTime + 0.05);
            for (const turn of turns) turn.classList.toggle("tp-now", turn === now);
        }, true);
    }

    /** The pencil of a list: the name becomes a field; Enter or leaving it saves, Escape does not. */
    function rename() {
        document.addEventListener("click", (event) => {
            const button = event.target.closest("[data-rename]");
            const title = button?.closest("tr")?.querySelector(".field-campaign b");
            if (!title || title.hidden) return;
            const field = document.createElement("input");
            Object.assign(field, { className: "tp-inline", value: button.dataset.name, maxLength: 200, placeholder: title.textContent });
            field.setAttribute("aria-label", "Name of the campaign");
            const problem = document.createElement("small");
            problem.setAttribute("role", "alert");
            title.hidden = true;
            title.closest("a").after(field, problem);
            field.select();
            let over = false;
            const close = () => {
                over = true;
                field.remove();
                problem.remove();
                title.hidden = false;
                document.querySelector(`[data-rename="${CSS.escape(button.dataset.rename)}"]`)?.focus();
            };
            const save = async () => {
                if (over) return;
                if (field.value.trim() === button.dataset.name) return close();
                const token = document.querySelector("#tp-op [name=csrfmiddlewaretoken]").value;
                const body = new URLSearchParams({ name: field.value, csrfmiddlewaretoken: token });
                try {
                    const answer = await fetch(button.dataset.rename, { method: "POST", body, headers: { Accept: "application/json" }, redirect: "error" });
                    const said = await answer.json();
                    if (!answer.ok) throw new Error(said.detail);
                    button.dataset.name = field.value.trim();
                    title.textContent = said.name;
                    close();
                } catch (error) {
                    problem.textContent = error instanceof TypeError ? "The server does not answer. Try again." : error.message;
                    field.focus();
                }
            };
            field.addEventListener("keydown", (pressed) => {
                if (pressed.key === "Enter") {
                    pressed.preventDefault(); // the list around it is a form
                    save();
                } else if (pressed.key === "Escape") close();
            });
            field.addEventListener("blur", save);
        });
    }

    document.addEventListener("DOMContentLoaded", () => {
        rename();
        document.querySelectorAll("[data-live-url]").forEach(watch);
        listen();
    });
})();
