/** The light build (no subtitles, no DRM) has the same types as the whole. */
declare module "hls.js/light" {
  export { default } from "hls.js";
}
