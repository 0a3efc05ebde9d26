import "./worker.js";
import "graphiql/style.css";
import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";
import { createFetcher } from "./fetcher.js";
import { tabs } from "./tab.js";

// The page is served below the endpoint's own origin.
const endpoint = new URL("/graphql", window.location.href);
const root = document.getElementById("explorer");
root.textContent = "";

createRoot(root).render(
  <GraphiQL
    fetcher={createFetcher(endpoint)}
    defaultTabs={tabs}
    defaultEditorToolsVisibility="variables"
    inputValueDeprecation
  >
    <GraphiQL.Logo>Moim</GraphiQL.Logo>
  </GraphiQL>,
);
