// Elements made by functions. Text stays text: nothing that came from a server or a person is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * h("button", { class: "button", onclick: start, "aria-label": "Start" }, "Start")
 * `vars` are CSS custom properties; properties that are null, undefined or false are left out.
 */
export function h(tag, props = {}, ...children) {
    return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function s(tag, props = {}, ...children) {
    return fill(document.createElementNS(SVG, tag), props, children);
}

/** An icon of the sheet at the top of the page; the words beside it, or a label, say what it means. */
export function icon(name) {
    return s("svg", { class: "icon", "aria-hidden": "true" }, s("use", { href: `#i-${name}` }));
}

/** The place of words that name a state, with its colour. */
export function badge({ label, tone }, hint = "") {
    return h("span", { class: `badge ${tone}`, title: hint || null }, h("i", { "aria-hidden": "true" }), label);
}

/** Replace what is in `element`, unless it would say the same: what is focused, selected or animated stays. */
export function show(element, ...children) {
    const next = h("div", {}, ...children);
    if (!sameInside(next, element)) element.replaceChildren(...next.childNodes);
}

/**
 * Have `parent` hold one element for each item, in order; elements of items that stay are kept.
 * `make(item)` makes one, `update(element, item)` brings it up to date.
 */
export function reconcile(parent, items, { key, make, update }) {
    const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
    let place = parent.firstElementChild;
    for (const item of items) {
        const name = String(key(item));
        let element = known.get(name);
        if (element) known.delete(name);
        else {
            element = make(item);
            element.dataset.key = name;
        }
        update(element, item);
        if (element === place) place = place.nextElementSibling;
        else parent.insertBefore(element, place);
    }
    for (const left of known.values()) left.remove();
}

function fill(element, props, children) {
    for (const [name, value] of Object.entries(props)) {
        if (value === null || value === undefined || value === false) continue;
        if (name === "vars") for (const [variable, of] of Object.entries(value)) element.style.setProperty(variable, of);
        else if (name === "data") Object.assign(element.dataset, value);
        else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

function sameInside(one, other) {
    const left = one.childNodes;
    const right = other.childNodes;
    return left.length === right.length && [...left].every((node, place) => node.isEqualNode(right[place]));
}
