// What a machine can say about using a page: every control has a name, nothing is wider than the window.

/** What a machine can see of a page's usability; each finding is a sentence. */
export const inspect = (page) => page.evaluate(() => {
  const found = [];
  // What a closed menu holds is skipped by the layout: it has a size, but no text yet.
  const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getBoundingClientRect().width > 0;
  const nameOf = (element) => (element.getAttribute("aria-label") ?? "").trim() || element.innerText?.trim() || element.title?.trim()
    || (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.innerText ?? "").join(" ").trim()
    || [...(element.labels ?? [])].map((label) => label.innerText).join(" ").trim() || element.querySelector("img[alt], svg title")?.alt || "";
  for (const element of document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea, [role=button], [role=slider]")) {
    if (visible(element) && !nameOf(element) && !element.placeholder) found.push(`no name: ${element.outerHTML.slice(0, 120)}`);
  }
  for (const image of document.querySelectorAll("img:not([alt])")) found.push(`no alt: ${image.outerHTML.slice(0, 120)}`);
  if (document.documentElement.scrollWidth > innerWidth + 1) found.push(`wider than the window: ${document.documentElement.scrollWidth} > ${innerWidth}`);
  if (!document.documentElement.lang) found.push("the page names no language");
  if (!document.title) found.push("the page has no title");
  return found;
});
