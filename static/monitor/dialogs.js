// Questions and short notes. Dialogs are the browser's own: they keep the focus, close by Escape, and give it back.

import { h, icon } from "./dom.js";

/** Open a dialog; returns it. It is gone when it closes, and `closed` is told. */
export function openDialog({ label, kind = "", content, closed = () => {} }) {
    const dialog = h("dialog", { class: kind, "aria-label": label }, content);
    dialog.addEventListener("close", () => {
        dialog.remove();
        closed();
    });
    dialog.addEventListener("click", (event) => {
        if (event.target === dialog) dialog.close(); // beside it
    });
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}

/** The button that closes a dialog. */
export const closer = (label = "Close") =>
    h("button", { class: "button round", type: "button", "aria-label": label, onclick: ({ currentTarget }) => currentTarget.closest("dialog").close() }, icon("close"));

/** Ask before something that cannot be undone: {checked}, or null where it shall not be. */
export function confirm({ title, text, yes, no, check = "" }) {
    return new Promise((resolve) => {
        let answer = null;
        const box = h("input", { type: "checkbox" });
        const form = h("form", { class: "ask", method: "dialog", onsubmit: () => { answer = { checked: box.checked }; } },
            h("h2", {}, title), h("p", {}, text), check && h("label", { class: "check" }, box, check),
            h("div", { class: "buttons" },
                h("button", { class: "button", type: "button", autofocus: true, onclick: ({ currentTarget }) => currentTarget.closest("dialog").close() }, no),
                h("button", { class: "button solid-bad" }, yes)));
        openDialog({ label: title, content: form, closed: () => resolve(answer) });
    });
}

/** A note that goes away by itself. */
export function toast(words, tone = "ok") {
    const note = h("p", { class: `toast ${tone}` }, words);
    document.getElementById("toasts").append(note);
    setTimeout(() => note.remove(), 6000);
}
