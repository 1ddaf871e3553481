/** Boots the page: language, theme, menus, router. Everything else loads with the page that needs it. */
import "./ui/tokens.css";
import "./ui/base.css";
import { useLanguage } from "./i18n";
import { useZone } from "./i18n/zone";
import { onFactorNeeded } from "./protocol/http";
import { settings } from "./state/settings";
import { installAnnouncer } from "./ui/announce";
import { proveFactor } from "./ui/factor/ask";
import { cannotLoad, loaded } from "./ui/load";
import { installMenus } from "./ui/menu";
import { installRouter, show } from "./ui/router";
import { installTheme } from "./ui/theme";

useZone(document.querySelector<HTMLMetaElement>('meta[name="lectern-zone"]')?.content || null);
installTheme();
installMenus();
installAnnouncer();
onFactorNeeded(proveFactor);

let language = settings.get().language;
settings.subscribe((s) => {
  if (s.language === language) return;
  language = s.language;
  // The words must be there before anything renders with them; then the page is built anew.
  void loaded(useLanguage(language)).then(() => settings.commit({ name: settings.get().name })).then(() => show());
});

document.getElementById("opening")?.remove();
const main = document.createElement("div");
main.id = "page";
document.body.append(main);
installRouter(main);
loaded(useLanguage(language)).then(() => show(), () => cannotLoad(main));
