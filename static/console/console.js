// Keeps the moving parts of a page up to date while somebody looks, and lets a conversation be heard from any turn.
(() => {
    "use strict";
    const EVERY = 2000; // milliseconds
    const SLOWEST = 30000;

    function watch(root) {
        const every = Number(root.dataset.liveEvery) || EVERY;
        const scope = root.dataset.liveScope === "document" ? document : root;
        const note = scope.querySelector("[data-live-note]");
        let failures = 0;
        let timer = 0;
        let live = true;

        const say = (words) => {
            if (note) {
                note.textContent = words;
                note.hidden = !words;
            }
        };
        const plan = (wait) => {
            window.clearTimeout(timer);
            if (live && !document.hidden) timer = window.setTimeout(look, wait);
        };
        async function look() {
            try {
                const answer = await fetch(root.dataset.liveUrl, { headers: { Accept: "application/json" }, redirect: "error" });
                if (!answer.ok) throw new Error(String(answer.status));
                const news = await answer.json();
                for (const [name, html] of Object.entries(news.parts)) replace(scope, name, html);
                live = news.live;
                failures = 0;
                say("");
                plan(every);
            } catch {
                failures += 1;
                say("The server does not answer; trying again.");
                plan(Math.min(every * 2 ** failures, SLOWEST));
            }
        }
        document.addEventListener("visibilitychange", () => plan(0));
        plan(every);
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

    document.addEventListener("DOMContentLoaded", () => {
        document.querySelectorAll("[data-live-url]").forEach(watch);
        listen();
    });
})();
