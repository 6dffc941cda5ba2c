// Starting a campaign: a list of numbers, a block to call from, and who talks.

import { ApiError, get, post, sentence } from "./api.js";
import { closer, openDialog, toast } from "./dialogs.js";
import { h, show } from "./dom.js";
import { parseNumbers, sentences } from "./numbers.js";
import { counted, page } from "./words.js";

const CALLING = ["ai.pbx", "ai.phone_number"];

/** Offer to start one in `workspace`; `started(call_id)` is told. */
export async function offerStart({ workspace, started }) {
    let nodes;
    try {
        ({ nodes } = await get(`/workspaces/${workspace.id}/nodes`));
    } catch (error) {
        toast(sentence(error), "bad");
        return;
    }
    const from = nodes.filter((node) => CALLING.includes(node.type));
    const content = from.length ? new StartForm({ workspace, from, agents: nodes.filter((node) => node.type === "ai.agent"), started }).form : setUp();
    openDialog({ label: "Start a campaign", kind: "form", content: [h("header", {}, h("h2", {}, "Start a campaign"), closer()), content] });
}

function setUp() {
    return h("div", { class: "empty" }, h("h3", {}, "Nothing to call from yet"),
        h("p", {}, "A campaign calls from a PBX or phone-number node that is connected with a phone number and an agent."),
        h("a", { class: "button primary", href: `${page.admin}core/node/` }, "Make one in the admin"));
}

class StartForm {
    constructor({ workspace, from, agents, started }) {
        Object.assign(this, { workspace, started });
        this.key = newKey();
        this.problems = h("div", { role: "alert" });
        this.counter = h("small", { class: "faint" }, "One below the other, or with commas between.");
        this.submit = h("button", { class: "button primary" }, "Start");
        const option = (node) => h("option", { value: node.node_id }, node.title ? `${node.title} (${node.node_id})` : node.node_id);
        const field = (words, input, hint) => h("label", {}, words, input, hint);
        this.form = h("form", { class: "start", onsubmit: (event) => this.send(event), oninput: () => this.changed() },
            this.problems,
            field("Numbers", h("textarea", { name: "numbers", rows: 7, required: true, placeholder: "+15550100101\n+15550100102", spellcheck: "false", autofocus: true }), this.counter),
            field("Name", h("input", { name: "name", maxlength: 200, placeholder: "Shown in lists" })),
            h("div", { class: "pair" },
                field("Call from", h("select", { name: "node_id" }, from.map(option))),
                field("Agent", h("select", { name: "agent_node_id" }, h("option", { value: "" }, "As connected"), agents.map(option)))),
            h("div", { class: "pair" },
                field("Lines at once", h("input", { name: "max_concurrent", type: "number", min: 1, max: 1000, value: 5, required: true })),
                field("Pacing", h("select", { name: "pacing" }, h("option", { value: "chunked" }, "Chunk after chunk"), h("option", { value: "continuous" }, "As lines come free")))),
            h("div", { class: "buttons" }, h("button", { class: "button", type: "button", onclick: ({ currentTarget }) => currentTarget.closest("dialog").close() }, "Not now"), this.submit));
    }

    /** Another list is another request: the same one sent twice starts one campaign. */
    changed() {
        this.key = newKey();
        const { numbers, duplicates } = parseNumbers(this.form.elements.numbers.value);
        const twice = duplicates ? `, ${counted(duplicates, "duplicate")} left out` : "";
        show(this.counter, numbers.length ? `${counted(numbers.length, "number")}${twice}` : "One below the other, or with commas between.");
        show(this.submit, numbers.length ? `Call ${counted(numbers.length, "number")}` : "Start");
    }

    async send(event) {
        event.preventDefault();
        const { elements } = this.form;
        const list = parseNumbers(elements.numbers.value);
        const body = {
            workspace_id: this.workspace.id, node_id: elements.node_id.value, numbers: list.numbers, name: elements.name.value.trim(),
            max_concurrent: Number(elements.max_concurrent.value), pacing: elements.pacing.value,
            ...(elements.agent_node_id.value ? { agent_node_id: elements.agent_node_id.value } : {}),
        };
        this.submit.disabled = true;
        try {
            const { call_id } = await post("/telephony/dialer/start", body, { headers: { "Idempotency-Key": this.key } });
            this.form.closest("dialog").close();
            this.started(call_id);
        } catch (error) {
            this.refused(error, list);
        } finally {
            this.submit.disabled = false;
        }
    }

    refused(error, list) {
        const said = error instanceof ApiError ? sentences(error.errors, list) : [];
        show(this.problems, h("div", { class: "problem" }, said.length > 1 ? h("ul", {}, said.slice(0, 20).map((each) => h("li", {}, each))) : (said[0] ?? sentence(error))));
        this.problems.scrollIntoView({ block: "nearest" });
    }
}

/** Random, also on plain HTTP, where crypto.randomUUID is not there. */
function newKey() {
    return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("-");
}
