// The page: one workspace, loaded from the API, kept up to date by the socket, drawn by its views.

import { get, post, sentence } from "./api.js";
import { CallDrawer } from "./call.js";
import { CallList } from "./calls.js";
import { Campaigns } from "./campaigns.js";
import { toast } from "./dialogs.js";
import { Figures } from "./figures.js";
import { Header } from "./header.js";
import { Connection } from "./socket.js";
import { offerStart } from "./start.js";
import { createStore } from "./store.js";
import { page } from "./words.js";

const LONG_AWAY = 10 * 60_000; // milliseconds; after that, reading anew is quicker than catching up

const store = createStore();
const header = new Header({ page, choose: enter, again: () => connection.open(), start });
const drawer = new CallDrawer({ store, choose: narrowToRun });
const list = new CallList({ store, root: document.getElementById("calls"), open: (call_id) => drawer.open(call_id), start });
const campaigns = new Campaigns({ store, root: document.getElementById("campaigns"), choose: narrowToRun, start });
const figures = new Figures({ store, figures: document.getElementById("figures"), charts: document.getElementById("charts") });
let workspace = null;
let version = 0; // everything up to it is in the store, or is older than what the page shows
let lastLive = 0;
let recount = 0;

const connection = new Connection({
    ticket: () => post("/auth/ws-ticket"),
    place: () => ({ workspace_id: workspace.id, since_version: version }),
    take: hear,
    say(news) {
        if (news.state === "live" && lastLive && Date.now() - lastLive > LONG_AWAY) read();
        if (news.state === "live") lastLive = Date.now();
        header.connection(news);
    },
});

store.listen((news) => {
    if (news.runs.size) campaigns.draw();
    list.changed(news.calls);
    drawer.changed(news);
    figures.drawFigures();
    if (news.calls.size || news.runs.size) changed();
});

/** What the socket says. Records carry the version after which a reader that has them goes on. */
function hear(message) {
    lastLive = Date.now();
    if (message.workspace_id !== undefined && message.workspace_id !== workspace.id) return;
    if (message.call) store.putCall(message.call);
    if (message.run) store.putRun(message.run);
    if (message.event) store.putEvent(message.event);
    if (message.type === "heartbeat") version = Math.max(version, message.versions?.[workspace.id] ?? 0);
    else if (message.call || message.run || message.event) version = Math.max(version, message.version);
    else if (message.type === "error") read(); // ahead of the server: it has another database
    else if (message.type === "unsubscribed") header.refused(message.reason);
}

/** Totals are the server's: asked for again, a moment after the last change, and at least every few seconds. */
function changed() {
    figures.dirty();
    if (recount) return;
    recount = setTimeout(() => {
        recount = 0;
        list.recount().catch(() => {}); // the banner says that the server is away
    }, 2000);
}

/** Show another workspace. */
async function enter(chosen) {
    workspace = chosen;
    history.replaceState(null, "", `?workspace=${chosen.id}${location.hash}`);
    list.filter = { ...list.filter, run: "" };
    await read();
    if (location.hash.length > 1) drawer.open(decodeURIComponent(location.hash.slice(1)));
}

/** Everything anew, then the socket from there on. */
async function read() {
    const { id } = workspace;
    try {
        store.clear();
        const journal = await list.load(workspace); // first: whatever changes from here on, the socket will tell
        const [open, recent] = await Promise.all([
            get("/telephony/runs", { workspace_id: id, status: "running,pausing,paused", limit: 1000 }),
            get("/telephony/runs", { workspace_id: id, limit: 20 }),
        ]);
        if (id !== workspace.id) return;
        for (const run of [...recent.runs, ...open.runs]) store.putRun(run);
        campaigns.load(workspace);
        version = journal.max_version;
        connection.open();
        await figures.load(workspace);
    } catch (error) {
        if (error.name === "AbortError") return;
        toast(sentence(error), "bad");
        if (error.status === 401) header.connection({ state: "refused", reason: error.message });
        else connection.lose();
    }
}

function narrowToRun(run) {
    list.narrow({ ...list.filter, choice: "all", run });
    document.getElementById("calls").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function start() {
    offerStart({
        workspace,
        async started(call_id) {
            toast("The campaign is running.");
            store.putRun(await get(`/telephony/runs/${call_id}`));
        },
    });
}

addEventListener("hashchange", () => drawer.open(decodeURIComponent(location.hash.slice(1))));
document.addEventListener("visibilitychange", () => !document.hidden && figures.dirty());
document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select, dialog")) return;
    event.preventDefault();
    document.querySelector("#calls [data-part=search]").focus();
});
header.begin();
