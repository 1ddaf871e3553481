import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { defineConfig } from "vitest/config";
import type { Plugin } from "vite";

// The server embeds `dist/` and serves every asset under /assets with a hashed name, so it may be cached for ever.
// During development the page comes from Vite and everything else from a running server (`cargo run … serve`).
const server = process.env["LECTERN_SERVER"] ?? "http://127.0.0.1:7780";

/** Writes `name.br` beside every text file of `dist/`: the server hands those out as they are. */
function precompress(): Plugin {
  let dist = "dist";
  return {
    name: "precompress",
    apply: "build",
    configResolved: (config) => void (dist = config.build.outDir),
    closeBundle() {
      for (const file of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
        if (!/\.(js|css|html|svg|json|webmanifest)$/.test(file)) continue;
        const text = readFileSync(join(dist, file));
        writeFileSync(join(dist, `${file}.br`), brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
      }
    },
  };
}

export default defineConfig({
  plugins: [precompress()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // nothing inline: the content security policy allows only own files
    cssCodeSplit: true,
    reportCompressedSize: false,
    manifest: "manifest.json",
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            // A file per icon would be a request per icon; all that are used make two kilobytes together.
            { name: "icons", test: /node_modules\/lucide/ },
            { name: "lit", test: /node_modules\/(lit|@lit)/ },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      "/api": server,
      "/vod": server,
      "/hls": server,
      "/ws": { target: server, ws: true },
    },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.ts", "tests/**/*.test.ts"],
  },
});
