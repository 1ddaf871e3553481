/**
 * Parts of the application that come when they are first needed: language, pages. One that did not come (the network changed just then; a
 * new version was installed and the old file is gone) needs a new start of the page, because browsers keep a failed import for failed.
 */

const TRIES = "lectern.reloaded";
const TRIES_MAX = 3;
/** Between two starts, times their number. */
const PAUSE_MS = 500;

/** What was loaded, or a new start of the page. Rejects when that was tried often enough. */
export async function loaded<T>(load: Promise<T>): Promise<T> {
  try {
    return await load;
  } catch (error) {
    const tries = Number(sessionStorage.getItem(TRIES)) || 0;
    if (tries >= TRIES_MAX) throw error;
    sessionStorage.setItem(TRIES, String(tries + 1));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * tries));
    location.reload();
    return new Promise(() => undefined); // the page is about to go
  }
}

/** All that is needed is there. */
export const allLoaded = (): void => sessionStorage.removeItem(TRIES);

/** Says that the application can't be loaded, in both languages: which one is meant may be what is missing. */
export function cannotLoad(into: HTMLElement): void {
  const page = document.createElement("main");
  page.className = "closed";
  const words = document.createElement("p");
  words.textContent = "讲台没有加载完，请检查网络后重新加载。 Lectern could not be loaded. Check the network and reload.";
  const again = document.createElement("button");
  again.className = "btn primary";
  again.textContent = "重新加载 Reload";
  again.addEventListener("click", () => {
    allLoaded();
    location.reload();
  });
  const box = document.createElement("div");
  box.className = "empty";
  box.setAttribute("role", "alert");
  box.append(words, again);
  page.append(box);
  into.replaceChildren(page);
}
