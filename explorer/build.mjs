// Bundles GraphiQL and the workers of its editor into dist/. Nothing is loaded
// from another host at run time, and the page works under any path.
import { cp, readFile, rm } from "node:fs/promises";
import { build } from "esbuild";

const shared = {
  bundle: true,
  minify: true,
  target: "es2022",
  outdir: "dist",
  logLevel: "warning",
  legalComments: "linked",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".ttf": "file" },
  assetNames: "asset/[name]-[hash]",
};

// The styles of GraphiQL ask a font service for its fonts. Ours stay here: the
// system's own fonts do.
const withoutFontService = {
  name: "without-font-service",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const contents = await readFile(path, "utf8");
      return { contents: contents.replace(/@import\s*(url\()?["']?https?:[^;]*;/g, ""), loader: "css" };
    });
  },
};

await rm("dist", { recursive: true, force: true });
await build({
  ...shared,
  entryPoints: { explorer: "src/main.jsx" },
  format: "esm",
  splitting: true,
  chunkNames: "chunk/[name]-[hash]",
  jsx: "automatic",
  plugins: [withoutFontService],
});
await build({
  ...shared,
  entryPoints: {
    "worker/editor": "monaco-editor/esm/vs/editor/editor.worker.js",
    "worker/json": "monaco-editor/esm/vs/language/json/json.worker.js",
    "worker/graphql": "monaco-graphql/esm/graphql.worker.js",
  },
  format: "iife",
});
await cp("src/index.html", "dist/index.html");
