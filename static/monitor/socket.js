// One socket to /ws/events, kept open: after a loss it comes back by itself and goes on where it was, without a gap.

const SILENCE = 50_000; // milliseconds; the server says something every 20 seconds
const LONGEST = 20_000;
const REFUSED = new Set([4401, 4403]); // coming back would change nothing

/** Milliseconds before the attempt after `failures` of them: doubling, and never all pages at once. */
export function backoff(failures, random = Math.random()) {
    return Math.min(LONGEST, 500 * 2 ** Math.min(failures, 10)) * (0.5 + random / 2);
}

/**
 * `ticket()` promises what opens the socket; `place()` says {workspace_id, since_version}, or several of them;
 * `take(message)` gets each; `say({state, until, reason})` hears "connecting", "live", "lost", "offline", "refused".
 */
export class Connection {
    constructor({ ticket, place, take, say }) {
        Object.assign(this, { ticket, place, take, say });
        this.failures = 0;
        this.socket = null;
        this.timer = 0;
        addEventListener("online", () => this.open());
        addEventListener("offline", () => this.lose());
        addEventListener("pageshow", (event) => event.persisted && this.open());
    }

    /** Open it now, in place of whatever there was. */
    async open() {
        this.drop();
        const attempt = (this.attempt = Symbol("attempt"));
        this.say({ state: "connecting", failures: this.failures });
        try {
            const { ticket } = await this.ticket();
            if (this.attempt === attempt) this.connect(ticket);
        } catch (error) {
            if (this.attempt !== attempt) return;
            if (error.status === 401 || error.status === 403) this.say({ state: "refused", reason: error.message });
            else this.lose();
        }
    }

    connect(ticket) {
        const address = new URL(`/ws/events?ticket=${encodeURIComponent(ticket)}`, location.href);
        address.protocol = address.protocol.replace("http", "ws");
        const socket = (this.socket = new WebSocket(address));
        socket.addEventListener("open", () => {
            for (const place of [this.place()].flat()) socket.send(JSON.stringify({ type: "subscribe", ...place }));
        });
        socket.addEventListener("message", ({ data }) => this.socket === socket && this.hear(JSON.parse(data)));
        socket.addEventListener("close", ({ code, reason }) => this.socket === socket && this.closed(code, reason));
        this.watch();
    }

    hear(message) {
        this.watch();
        if (message.type === "subscribed") {
            this.failures = 0;
            this.say({ state: "live" });
        }
        this.take(message);
    }

    closed(code, reason) {
        if (REFUSED.has(code)) {
            this.drop();
            this.say({ state: "refused", reason });
        } else this.lose();
    }

    /** The connection is gone: say so, and try again after a while; without a network, when there is one. */
    lose() {
        this.drop();
        if (!navigator.onLine) {
            this.say({ state: "offline" });
            return;
        }
        const wait = backoff(this.failures);
        this.failures += 1;
        this.say({ state: "lost", until: Date.now() + wait });
        this.timer = setTimeout(() => this.open(), wait);
    }

    /** A connection that says nothing for so long is dead, whatever the browser believes. */
    watch() {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.lose(), SILENCE);
    }

    drop() {
        clearTimeout(this.timer);
        this.attempt = null;
        const socket = this.socket;
        this.socket = null;
        socket?.close();
    }
}
