// Firefox over WebDriver BiDi, without a driver in between. It has no H.264 in WebRTC here (that is a download), so it
// speaks VP8; and no MediaStreamTrackProcessor, so it reads the strip from a drawn picture.

import puppeteer from "puppeteer-core";
import { pageScript } from "./browser.mjs";

export const FIREFOX = process.env.LECTERN_FIREFOX ?? "/usr/bin/firefox-esr";

const PREFERENCES = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.gmp-manager.updateEnabled": false,
  "media.autoplay.default": 0,
  "app.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "browser.safebrowsing.update.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "security.sandbox.content.level": 0, // the tests run as root in a namespace of their own
};

/** A page of `url` in a Firefox of its own, with our camera and a WHIP and WHEP client in it. */
export async function firefoxPage(url, source = {}) {
  const browser = await puppeteer.launch({
    browser: "firefox", executablePath: FIREFOX, headless: true, extraPrefsFirefox: PREFERENCES,
    env: { ...process.env, HOME: process.env.HOME ?? "/root", MOZ_DISABLE_CONTENT_SANDBOX: "1" },
  });
  try {
    const page = await browser.newPage();
    await page.goto(url, { waitUntil: "domcontentloaded" });
    await page.evaluate(await pageScript("source", source));
    await page.evaluate(await pageScript("whip"));
    return { browser, page };
  } catch (error) {
    await browser.close();
    throw error;
  }
}
