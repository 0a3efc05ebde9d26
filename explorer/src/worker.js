// The editor checks and completes in workers; they are files beside this one.
const files = { json: "worker/json.js", graphql: "worker/graphql.js" };

globalThis.MonacoEnvironment = {
  getWorker: (_id, label) =>
    new Worker(new URL(files[label] ?? "worker/editor.js", document.baseURI), { name: label }),
};
