/* The description reads without this: it finds endpoints, marks where one is, switches examples and copies them. */
"use strict";

const contents = document.querySelector(".side");
const links = new Map([...contents.querySelectorAll("li a")].map((link) => [link.hash.slice(1), link]));

contents.querySelector("[data-find]").addEventListener("input", ({ target }) => {
    const words = target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of contents.querySelectorAll("li")) {
        const operation = document.getElementById(item.firstElementChild.hash.slice(1));
        const text = `${item.textContent} ${operation?.querySelector(".address")?.textContent ?? ""}`.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
    }
    for (const section of contents.querySelectorAll("section")) {
        section.hidden = ![...section.querySelectorAll("li")].some((item) => !item.hidden);
    }
});

const watcher = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
        const link = links.get(target.id);
        if (!link || !isIntersecting) continue;
        contents.querySelector(".here")?.classList.remove("here");
        link.classList.add("here");
        if (matchMedia("(min-width: 821px)").matches) link.scrollIntoView({ block: "nearest" });
    }
}, { rootMargin: "-15% 0px -75% 0px" });
document.querySelectorAll(".operation").forEach((operation) => watcher.observe(operation));

document.addEventListener("click", ({ target }) => {
    const figure = target.closest("figure");
    if (target.matches("[role=tab]")) {
        const tabs = [...figure.querySelectorAll("[role=tab]")];
        tabs.forEach((tab) => tab.setAttribute("aria-selected", String(tab === target)));
        figure.querySelectorAll("pre").forEach((pre, place) => { pre.hidden = place !== tabs.indexOf(target); });
    } else if (target.matches("[data-copy]")) {
        navigator.clipboard.writeText(figure.querySelector("pre:not([hidden])").textContent).then(() => {
            target.textContent = "Copied";
            setTimeout(() => { target.textContent = "Copy"; }, 1500);
        });
    }
});
