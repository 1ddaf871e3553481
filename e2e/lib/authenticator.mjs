// A security key in Chromium's virtual authenticator environment (Chrome DevTools Protocol, domain WebAuthn): a real CTAP2
// authenticator to the browser, plugged in, touched and taken out by the test.

import { generateKeyPairSync } from "node:crypto";

export class Authenticator {
  /** One environment per page: whatever is plugged into it is all that the page sees. */
  static async environment(page) {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    return cdp;
  }

  /** Plugs a key in that recognises its owner. `answers`: whether it is touched as soon as it is asked. */
  static async plug(cdp, { answers = true } = {}) {
    const key = new Authenticator();
    key.cdp = cdp;
    const options = {
      protocol: "ctap2", transport: "internal", hasResidentKey: false, hasUserVerification: true, isUserVerified: true,
      automaticPresenceSimulation: answers,
    };
    key.id = (await cdp.send("WebAuthn.addVirtualAuthenticator", { options })).authenticatorId;
    return key;
  }

  /** Takes it out. */
  unplug() {
    return this.cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: this.id });
  }

  /** Whether somebody touches it when it is asked. */
  touched(enabled) {
    return this.cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: this.id, enabled });
  }

  /** What it has: ids, private keys and counters. */
  async credentials() {
    return (await this.cdp.send("WebAuthn.getCredentials", { authenticatorId: this.id })).credentials;
  }

  /** Puts a credential onto it, as whoever copied one would. */
  add(credential) {
    return this.cdp.send("WebAuthn.addCredential", { authenticatorId: this.id, credential });
  }

  /** The same as another's, with another count of signatures. */
  async copyOf(credential, signCount) {
    await this.cdp.send("WebAuthn.removeCredential", { authenticatorId: this.id, credentialId: credential.credentialId }).catch(() => undefined);
    await this.add({ ...credential, signCount });
  }
}

/** The private key of somebody else: PKCS #8 on P-256, base64. */
export const foreignKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "der", type: "pkcs8" }).toString("base64");
